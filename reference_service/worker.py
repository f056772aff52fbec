"""The worker: learns of jobs from the queue, claims them, and runs each in a child of its own.

Single-threaded. The parent only claims, renews leases, watches and judges; the children do the work.
Whatever happens to a child, the parent makes the job's next move; whatever happens to the parent, the
lease runs out and the sweeper does.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from reference_service import descriptors, disk, trace
from reference_service.cleanup import give_back_dead
from reference_service.domain import Defence, Job, is_job_id
from reference_service.execution import execute
from reference_service.metrics import Journal
from reference_service.open_files import NO_CHILD
from reference_service.ports import (
    Child,
    CommitUnknown,
    Message,
    Runtime,
    Stopper,
    Unavailable,
)
from reference_service.presence import Presence
from reference_service.retry import persist
from reference_service.room import Room
from reference_service.running import Beating, Running, note_end
from reference_service.service import Service
from reference_service.settling import settle
from reference_service.store import work
from reference_service.timeouts import first_timeout_s, stage_timeout_s
from reference_service.unverified import refuses_unverified

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
        self._address = service.jobs_queue.address
        self._presence = Presence(service, runtime, "worker", self._address)
        self._claimant = work.Claimant(
            instance=service.settings.instance, boot_id=runtime.boot_id, pid=runtime.pid
        )
        # By job and token: a job whose lease ran out may come back to us while its first child still lives.
        self._running: dict[tuple[str, int], Running] = {}
        self._in_doubt: dict[str, float] = {}  # jobs whose claim nobody answered, and when it was asked for
        self._drain_until: float | None = None
        self._poll_at = 0.0
        self._root = disk.root_of(service.settings)
        self._room = Room(service, runtime, self._root)

    @property
    def done(self) -> bool:
        return self._runtime.stopping and not self._running

    def start(self) -> None:
        """Removes what an earlier life of this instance left: its files, and its hold on jobs.

        Raises `BadSettings` when that life has not ended.
        """
        service, settings = self._service, self._service.settings
        steps: list[Callable[[], None]] = [self._presence.claim_name, self._remove_files]
        if service.defended(Defence.STARTUP_CLEANUP):
            steps.append(self._give_back_dead)
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

    def _give_back_dead(self) -> None:
        give_back_dead(self._service, self._runtime)

    def _remove_files(self) -> None:
        shutil.rmtree(self._root, ignore_errors=True)

    def _give_up_when_stopping(self) -> None:
        if self._runtime.stopping:
            raise Unavailable("told to stop while starting")

    def stop(self) -> None:
        self._remove_files()
        self._presence.say_goodbye()

    def step(self) -> None:
        """Never raises `Unavailable`: what could not be done is tried again in a later step."""
        trouble = False
        actions: list[Callable[[], None]] = [self._presence.beat_if_due]
        # Each by itself: one row that is locked must not cost the other jobs their leases.
        for running in self._running.values():
            actions.append(partial(self._settle_if_ended, running))
            actions.append(partial(self._renew_if_due, running))
        actions += [partial(self._look_up, job_id, asked_at) for job_id, asked_at in self._in_doubt.items()]
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
        else:
            trouble = trouble or not self._take_jobs()
            if trouble or len(self._running) >= self._service.settings.slots:
                self._service.jobs_queue.refuse()
        self._wait(trouble=trouble)

    # -- taking jobs

    def _take_jobs(self) -> bool:
        """Receives for the free slots and claims; False without room, or when queue or database is away."""
        settings, now = self._service.settings, self._service.clock.monotonic()
        free = settings.slots - len(self._running)
        if free <= 0 or (self._running and now < self._poll_at and self._address is None):
            return True
        free = self._room.most(free)
        if free == 0:
            return False
        wait_s = 0.0 if self._running or self._address is not None else settings.receive_wait_s
        try:
            messages = self._service.jobs_queue.receive(wait_s=wait_s, most=free)
            self._poll_at = self._service.clock.monotonic() + (0.0 if messages else POLL_S)
            for message in messages:
                self._take(message)
        except Unavailable as error:
            self._service.log.warning("no jobs to be had", error=str(error))
            return False
        return True

    def _take(self, message: Message) -> None:
        queue, job_id = self._service.jobs_queue, message.body.get("job")
        acked = not self._service.defended(Defence.ACK_AFTER_CLAIM)
        if acked:
            queue.delete(message)
        self._service.points.reach("worker.event.received", job=str(job_id) if is_job_id(job_id) else None)
        if self._runtime.stopping:  # SIGTERM came meanwhile: not ours to claim any more
            self._decline([message])
            return
        asked_at = self._service.clock.monotonic()
        job = self._claim(str(job_id), asked_at) if is_job_id(job_id) else None
        try:
            if job is not None:
                self._service.points.reach("worker.claim.committed", job=job.id, attempt=job.attempt)
            if not acked:
                queue.delete(message)  # after the commit: until then nobody else knows of the job
        finally:
            if job is not None:
                self._start_child(job, asked_at)

    def _decline(self, messages: Sequence[Message]) -> None:
        """For events that come while this worker stops: another one gets them.

        `refuse_while_draining` off takes them all the same, as a server does that puts what it accepts on a
        list of its own: they die with this process.
        """
        for message in messages:
            if self._service.defended(Defence.REFUSE_WHILE_DRAINING):
                self._service.jobs_queue.give_back(message)
            else:
                self._service.jobs_queue.delete(message)

    def _claim(self, job_id: str, asked_at: float) -> Job | None:
        service = self._service
        try:
            job = work.claim(
                service.store,
                job_id,
                self._claimant,
                lease_s=service.settings.lease_s,
                also_unverified=not refuses_unverified(service),
                also_awaiting_upload=not service.defended(Defence.CLAIM_ONLY_QUEUED),
            )
        except CommitUnknown:
            self._in_doubt[job_id] = asked_at
            held = work.find_claim(service.store, job_id, self._claimant)
            if held is None:  # it did not happen, or not yet: the event is kept, and comes again
                raise
            del self._in_doubt[job_id]
            return None if (held.id, held.token) in self._running else held
        service.metrics.count("reference_claims_total", got="yes" if job else "no")
        service.log.info(
            "claimed" if job else "not to be claimed",
            job=job_id,
            attempt=job.attempt if job else None,
            trace=job.trace if job else None,
        )
        return job

    def _look_up(self, job_id: str, asked_at: float) -> None:
        """A claim that nobody answered may have happened, or happen yet: 1. it is asked about in vain, 2. its
        event comes again, to whomever, who finds the job held and forgets it, 3. the job is ours, its attempt
        charged, and nobody works on it.
        """
        held = work.find_claim(self._service.store, job_id, self._claimant)
        if held is None and self._service.clock.monotonic() < asked_at + self._service.settings.lease_s:
            return
        del self._in_doubt[job_id]
        if held is not None and (held.id, held.token) not in self._running:
            self._start_child(held, asked_at)

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
        beside = [one.job for one in self._running.values() if one.child.end is None]
        refusal = self._room.refusal(job, beside)
        child: Child
        try:
            if refusal is not None:
                child = descriptors.Stillborn(refusal)
            else:
                child = start(f"{job.id}-{job.attempt}", attempt)
        except OSError as error:
            if error.errno not in NO_CHILD or not service.defended(Defence.DESCRIPTOR_PATIENCE):
                raise
            child = descriptors.Stillborn(descriptors.report(service, job, error))
        self._room.note_begun(begun=not isinstance(child, descriptors.Stillborn))
        self._running[job.id, job.token] = Running(
            job=job,
            child=child,
            folder=folder,
            beat_due_at=asked_at + settings.heartbeat_s,
            lease_ends_at=asked_at + settings.lease_s,
            kill_at=service.clock.monotonic() + first_timeout_s(service, job),
        )

    # -- while they run

    def _renew_if_due(self, running: Running) -> None:
        """Each heartbeat, and before the watchdog kills: its stage may have ended since the last one.

        1. `frames` ends, just before its time is over, 2. `scenes` begins, 3. the time is over, and the next
        heartbeat is due later: whoever killed by what the last one said would kill `scenes`.
        """
        settings, now = self._service.settings, self._service.clock.monotonic()
        if running.lost or running.unrenewed or now < running.hear_at or running.child.end is not None:
            return
        rss_bytes = running.child.rss_bytes()
        held = work.heartbeat(self._service.store, running.job, lease_s=settings.lease_s, rss_bytes=rss_bytes)
        running.beat_due_at = now + settings.heartbeat_s
        running.lease_ends_at = now + settings.lease_s
        running.heard_at = now
        if held is not None:
            self._note_stage(running, held.stage)
        else:
            self._service.metrics.count("reference_leases_lost_total")
            self._service.log.warning("lease lost", **running.named)
            running.lost = True
            running.child.kill()

    def _note_stage(self, running: Running, stage: str | None) -> None:
        """A stage has its time from when we hear of it: at most a heartbeat later than it began."""
        if stage != running.stage and self._service.defended(Defence.TIMEOUT_BY_SIZE):
            running.stage = stage
            timeout_s = stage_timeout_s(self._service, running.job, stage)
            running.kill_at = self._service.clock.monotonic() + timeout_s

    def _watch(self) -> None:
        """Kills what has lived too long, and what would work on when others may have its job.

        Nobody has lived too long whose stage cannot be read: it may be another one. The second is the fence's
        outer half: with `fencing` off nobody asks whose a job is.
        """
        now = self._service.clock.monotonic()
        fenced = self._service.defended(Defence.FENCING)
        for running in self._running.values():
            if running.child.end is not None or running.timed_out or running.unrenewed:
                continue
            running.timed_out = running.heard_at >= running.kill_at
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
        if self._service.defended(Defence.REFUSE_WHILE_DRAINING):
            self._service.jobs_queue.refuse()
        elif self._address is not None:
            self._decline(self._service.jobs_queue.receive(wait_s=0.0, most=self._service.settings.slots))
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
            elif self._address is not None and not self._runtime.stopping:
                self._runtime.wait(max(0.005, self._presence.due_at - now))
            elif not self._runtime.stopping:
                # The queue was waited on; here, whoever asks for figures is heard.
                rest_s = POLL_S - settings.receive_wait_s if now < self._poll_at else 0.0
                self._runtime.wait(max(0.0, rest_s))
            return
        if any(running.child.end is not None for running in self._running.values()) and not trouble:
            return
        due = [self._presence.due_at]
        for running in self._running.values():
            due += [running.hear_at, running.lease_ends_at]
            if running.stop_asked_at is not None:
                due.append(running.stop_asked_at + STOP_PATIENCE_S)
        if self._drain_until is not None and now < self._drain_until:
            due.append(self._drain_until)
        if not self._runtime.stopping and len(self._running) < settings.slots and self._address is None:
            due.append(self._poll_at)
        least_s = TROUBLE_S if trouble else 0.0
        self._runtime.wait(max(least_s, min(due) - now, 0.005))

    # -- when they end

    def _settle_if_ended(self, running: Running) -> None:
        end = running.child.end
        if end is not None:
            moved = settle(self._service, running, end)
            note_end(self._service.metrics, running, end, moved)
            running.settled = True
