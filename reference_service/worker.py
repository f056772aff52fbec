"""The worker: learns of jobs from the queue, claims them, and runs each in a child of its own.

Single-threaded. The parent only claims, renews leases, watches and judges; the children do the work.
Whatever happens to a child, the parent makes the job's next move; whatever happens to the parent, the
lease runs out and the sweeper does.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from tempfile import gettempdir
from typing import Any

from reference_service import disk, trace
from reference_service.discards import collect
from reference_service.domain import PERMANENT, TERMINAL, Defence, Job, Outcome, is_job_id
from reference_service.execution import execute
from reference_service.judgement import attempts_max, is_used_up, judge
from reference_service.metrics import Journal
from reference_service.ports import (
    ChildEnd,
    CommitUnknown,
    Message,
    Runtime,
    Stopper,
    Unavailable,
)
from reference_service.presence import Presence
from reference_service.retry import persist
from reference_service.running import Beating, Running, note_end
from reference_service.service import Service, announce
from reference_service.store import AttemptEnd, lifecycle, recovery, work
from reference_service.store.events import discard_stale

POLL_S = 0.2  # between looks at the queue while some slots are busy
STOP_PATIENCE_S = 1.0  # for a child that was asked to stop
TROUBLE_S = 0.5  # before the next try when a dependency is away


def loop(service: Service, runtime: Runtime, on_ready: Callable[[], None] = lambda: None) -> None:
    """Works until the runtime is told to stop, then drains. Survives any `Unavailable`.

    Raises `BadSettings` when another worker is alive under its name.
    """
    worker = Worker(service, runtime)
    worker.start()
    on_ready()
    while not worker.done:
        worker.step()
    worker.stop()


class Worker:
    """One instance. `step` does what is due and then waits until something else is."""

    def __init__(self, service: Service, runtime: Runtime) -> None:
        self._service = service
        self._runtime = runtime
        self._presence = Presence(service, runtime, "worker")
        self._claimant = work.Claimant(
            instance=service.settings.instance, boot_id=runtime.boot_id, pid=runtime.pid
        )
        # By job and token: a job whose lease ran out may come back to us while its first child still lives.
        self._running: dict[tuple[str, int], Running] = {}
        self._drain_until: float | None = None
        self._poll_at = 0.0
        self._room = True  # on the disk, at the last look
        root = Path(service.settings.work_folder or gettempdir())
        self._root = root / f"reference-{service.settings.instance}"

    @property
    def done(self) -> bool:
        return self._runtime.stopping and not self._running

    def start(self) -> None:
        """Removes what an earlier life of this instance left: its files, and its hold on jobs.

        Raises `BadSettings` when that life has not ended.
        """
        service, settings = self._service, self._service.settings
        steps = [self._presence.claim_name, self._remove_files]
        if service.defended(Defence.STARTUP_CLEANUP):
            steps.append(self._recover_dead)
        try:
            for step in steps:
                persist(
                    service.clock,
                    service.randomness,
                    step,
                    within_s=settings.instance_dead_after_s,
                    between=self._give_up_when_stopping,
                )
        except Unavailable as error:
            service.log.warning("started without a look at the attempts log", error=str(error))

    def _remove_files(self) -> None:
        shutil.rmtree(self._root, ignore_errors=True)

    def _give_up_when_stopping(self) -> None:
        if self._runtime.stopping:
            raise Unavailable("told to stop while starting")

    def stop(self) -> None:
        self._remove_files()
        self._presence.say_goodbye()

    def _recover_dead(self) -> None:
        """Gives back what dead instances held, as the attempts log has it; idempotent."""
        service, settings = self._service, self._service.settings
        found = recovery.dead_attempts(
            service.store,
            instance=settings.instance,
            boot_id=self._runtime.boot_id,
            dead_after_s=settings.instance_dead_after_s,
        )
        for job in found:
            moved = recovery.give_back(
                service.store, job, attempts_max=attempts_max(service), only_expired=False
            )
            if moved is not None:
                service.log.info("recovered from a dead instance", job=job.id, attempt=job.attempt)
                if moved.state in TERMINAL:
                    collect(service, job.id)
                else:
                    announce(service, moved)

    def step(self) -> None:
        """Never raises `Unavailable`: what could not be done is tried again in a later step."""
        trouble = False
        actions: list[Callable[[], None]] = [self._presence.beat_if_due]
        # Each by itself: one row that is locked must not cost the other jobs their leases.
        for running in self._running.values():
            actions.append(partial(self._settle_if_ended, running))
            actions.append(partial(self._renew_if_due, running))
        for action in actions:
            try:
                action()
            except Unavailable as error:
                trouble = True
                self._service.log.warning("a dependency is away", error=str(error))
        self._running = {key: one for key, one in self._running.items() if not one.settled}
        self._watch()
        if self._runtime.stopping:
            self._drain()
        elif not trouble:
            trouble = not self._take_jobs()
        self._wait(trouble=trouble)

    # -- taking jobs

    def _take_jobs(self) -> bool:
        """Receives for the free slots and claims; False when the queue or the database is away."""
        settings, now = self._service.settings, self._service.clock.monotonic()
        free = settings.slots - len(self._running)
        if free <= 0 or (self._running and now < self._poll_at):
            return True
        if not self._has_room():
            return False
        wait_s = 0.0 if self._running else settings.receive_wait_s
        try:
            messages = self._service.jobs_queue.receive(wait_s=wait_s, most=free)
            self._poll_at = self._service.clock.monotonic() + (0.0 if messages else POLL_S)
            for message in messages:
                self._take(message)
        except Unavailable as error:
            self._service.log.warning("no jobs to be had", error=str(error))
            return False
        return True

    def _has_room(self) -> bool:
        """Whether a job that is taken now will find room on the disk; `disk_budget` off: nobody looks."""
        service = self._service
        if not service.defended(Defence.DISK_BUDGET):
            return True
        self._root.mkdir(parents=True, exist_ok=True)
        free = disk.free_bytes(service.settings, self._root)
        service.metrics.set("reference_disk_free_bytes", free)
        enough = free >= service.settings.disk_reserve_bytes
        if not enough and self._room:
            service.metrics.count("reference_disk_waits_total")
            service.log.warning("no room on the disk, no job is taken", free_bytes=free)
        self._room = enough
        return enough

    def _take(self, message: Message) -> None:
        queue = self._service.jobs_queue
        if self._runtime.stopping:
            # Received while SIGTERM came: not ours to claim any more. Deleting alone would leave the job
            # to the sweeper, keeping it hides it until the queue's visibility timeout.
            queue.send(message.body)
            queue.delete(message)
            return
        asked_at = self._service.clock.monotonic()
        job_id = message.body.get("job")
        job = self._claim(str(job_id)) if is_job_id(job_id) else None
        try:
            if job is not None:
                self._service.points.reach("worker.claim.committed", job=job.id, attempt=job.attempt)
            queue.delete(message)  # after the commit: until then nobody else knows of the job
        finally:
            if job is not None:
                self._start_child(job, asked_at)

    def _claim(self, job_id: str) -> Job | None:
        service = self._service
        try:
            job = work.claim(
                service.store,
                job_id,
                self._claimant,
                lease_s=service.settings.lease_s,
                also_awaiting_upload=not service.defended(Defence.CLAIM_ONLY_QUEUED),
            )
        except CommitUnknown:
            held = work.find_claim(service.store, job_id, self._claimant)
            if held is None:  # it did not happen, or not yet: the event is kept, and comes again
                raise
            return None if (held.id, held.token) in self._running else held
        service.metrics.count("reference_claims_total", got="yes" if job else "no")
        service.log.info(
            "claimed" if job else "not to be claimed",
            job=job_id,
            attempt=job.attempt if job else None,
            trace=job.trace if job else None,
        )
        return job

    def _start_child(self, job: Job, asked_at: float) -> None:
        """`asked_at`: when we asked for the claim, so its lease ends no sooner than one lease later."""
        service, settings = self._service, self._service.settings
        folder = self._root / f"{job.id}-{job.token}"
        isolated = service.defended(Defence.CHILD_ISOLATION)

        def attempt(stopper: Stopper) -> Mapping[str, Any]:
            given = stopper if isolated else Beating(service, self._presence, job, stopper)
            journal = Journal()
            with trace.within(job.trace):
                report = execute(replace(service, metrics=journal), job, given, folder)
            return {**report, "metrics": journal.entries()}

        start = self._runtime.spawn if isolated else self._runtime.run_inline
        child = start(f"{job.id}-{job.attempt}", attempt)
        self._running[job.id, job.token] = Running(
            job=job,
            child=child,
            folder=folder,
            beat_due_at=asked_at + settings.heartbeat_s,
            lease_ends_at=asked_at + settings.lease_s,
            kill_at=service.clock.monotonic() + settings.job_timeout_s,
        )

    # -- while they run

    def _renew_if_due(self, running: Running) -> None:
        settings, now = self._service.settings, self._service.clock.monotonic()
        if running.lost or running.unrenewed or now < running.beat_due_at or running.child.end is not None:
            return
        rss_bytes = running.child.rss_bytes()
        ours = work.heartbeat(self._service.store, running.job, lease_s=settings.lease_s, rss_bytes=rss_bytes)
        running.beat_due_at = now + settings.heartbeat_s
        running.lease_ends_at = now + settings.lease_s
        if not ours:
            self._service.metrics.count("reference_leases_lost_total")
            self._service.log.warning("lease lost", **running.named)
            running.lost = True
            running.child.kill()

    def _watch(self) -> None:
        """Kills what has lived too long, and what would work on when others may have its job.

        The latter is the fence's outer half: with `fencing` off nobody asks whose a job is.
        """
        now = self._service.clock.monotonic()
        fenced = self._service.defended(Defence.FENCING)
        for running in self._running.values():
            if running.child.end is not None or running.timed_out or running.unrenewed:
                continue
            running.timed_out = now >= running.kill_at
            running.unrenewed = fenced and not running.timed_out and now >= running.lease_ends_at
            if running.unrenewed:
                self._service.log.warning("lease not renewed in time", **running.named)
            if running.timed_out or running.unrenewed:
                running.child.kill()

    def _drain(self) -> None:
        """Lets jobs finish within the grace period, then asks, then kills: all are handed back."""
        now = self._service.clock.monotonic()
        if self._drain_until is None:
            self._drain_until = now + self._service.settings.drain_grace_s
            self._service.log.info("draining", running=len(self._running))
        if now < self._drain_until:
            return
        for running in self._running.values():
            if running.stop_asked_at is None:
                running.stop_asked_at = now
                running.child.ask_to_stop()
            elif now >= running.stop_asked_at + STOP_PATIENCE_S:
                running.child.kill()

    def _wait(self, *, trouble: bool) -> None:
        """Until the next thing is due; not at all when the queue itself is waited on."""
        settings, now = self._service.settings, self._service.clock.monotonic()
        if not self._running:
            if trouble:
                self._runtime.wait(TROUBLE_S)
            elif not self._runtime.stopping and settings.receive_wait_s < POLL_S:
                self._runtime.wait(POLL_S - settings.receive_wait_s if now < self._poll_at else 0.0)
            return
        if any(running.child.end is not None for running in self._running.values()) and not trouble:
            return
        due = [self._presence.due_at]
        for running in self._running.values():
            due += [running.beat_due_at, running.kill_at, running.lease_ends_at]
            if running.stop_asked_at is not None:
                due.append(running.stop_asked_at + STOP_PATIENCE_S)
        if self._drain_until is not None and now < self._drain_until:
            due.append(self._drain_until)
        if not self._runtime.stopping and len(self._running) < settings.slots:
            due.append(self._poll_at)
        least_s = TROUBLE_S if trouble else 0.0
        self._runtime.wait(max(least_s, min(due) - now, 0.005))

    # -- when they end

    def _settle_if_ended(self, running: Running) -> None:
        end = running.child.end
        if end is not None:
            moved = self._settle(running, end)
            note_end(self._service.metrics, running, end, moved)
            running.settled = True

    def _settle(self, running: Running, end: ChildEnd) -> Job | None:
        """Makes the job's next move. Safe to repeat: each move is conditional on our token."""
        if self._service.defended(Defence.EAGER_CLEANUP):
            shutil.rmtree(running.folder, ignore_errors=True)
        service, job = self._service, running.job
        moved = None if running.lost else self._move_on(running, end)
        if moved is None:
            # Somebody else has moved the job (or a commit whose answer was lost did). Our child may have
            # stored more since, and nobody else would remove that.
            current = lifecycle.get_job(service.store, job.id)
            if current is not None:
                discard_stale(service.store, current, job.token)
                collect(service, job.id)
            service.log.info("no longer ours", **running.named)
            return None
        service.points.reach("worker.finish.committed", job=job.id, attempt=job.attempt, state=moved.state)
        service.log.info(
            "attempt ended",
            **running.named,
            state=moved.state,
            reason=moved.reason,
            signal=end.signal,
            exit_code=end.exit_code,
            peak_rss_bytes=end.peak_rss_bytes,
            error=(end.result or {}).get("error"),
        )
        if moved.state in TERMINAL:
            collect(service, job.id)
        else:
            announce(service, moved)
        return moved

    def _move_on(self, running: Running, end: ChildEnd) -> Job | None:
        service, job = self._service, running.job
        result = end.result or {}
        outcome = result.get("outcome")
        if outcome == "succeeded":
            return work.succeed(
                service.store,
                job,
                result_prefix=str(result["result_prefix"]),
                peak_rss_bytes=end.peak_rss_bytes,
            )
        if outcome == "lease_lost":
            return None
        if outcome == "handed_back" or (outcome is None and running.stop_asked_at is not None):
            handed_back = AttemptEnd(outcome=Outcome.HANDED_BACK, peak_rss_bytes=end.peak_rss_bytes)
            return work.requeue(service.store, job, handed_back)
        if outcome is None and running.unrenewed:  # as the sweeper would
            limit = attempts_max(service)
            return recovery.give_back(service.store, job, attempts_max=limit, only_expired=False)
        reason = judge(end, timed_out=running.timed_out)
        failed = AttemptEnd(outcome=Outcome.FAILED, reason=reason, peak_rss_bytes=end.peak_rss_bytes)
        if reason in PERMANENT or is_used_up(service, job):
            return work.fail(service.store, job, failed)
        return work.requeue(service.store, job, failed)
