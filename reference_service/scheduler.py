"""The scheduler: begins a recovery sweep whenever the schedule says so. Of many, one at a time sweeps.

A separate process from the sweeper, so that the death of one is not the death of both.
"""

from __future__ import annotations

from collections.abc import Callable

from reference_service import recovery_sweep
from reference_service.domain import Defence
from reference_service.ports import Runtime, Unavailable
from reference_service.presence import Presence
from reference_service.service import Service
from reference_service.store import recovery_runs
from reference_service.store.recovery_runs import NotNow, Paused

LOOK_EVERY_S = 1.0  # at the clock, at least: it may be set meanwhile


class Schedule:
    """Says once for each time of a cron expression (UTC) that it has come, by whatever clock it is told.

    Times that were missed, by a clock that jumped or a process that was away, count as one; a clock that is
    set back makes it neither say one twice nor wait until the clock is where it was.
    """

    def __init__(self, expression: str, since: float) -> None:
        """`since`: seconds since 1970; times until then have been seen to."""
        self._expression = expression
        self._since = self._before = since

    def has_come(self, now: float) -> bool:
        since, self._before, self._since = self._since, self._since, now
        return since <= now and self._after(since) <= now

    def put_off(self) -> None:
        """The time that has just come could not be kept: it comes again at the next look."""
        self._since = self._before

    def in_s(self, now: float) -> float:
        """How long until the next time."""
        return max(0.0, self._after(now) - now)

    def _after(self, moment: float) -> float:
        from croniter import croniter  # noqa: PLC0415  no other role is to wait for its import

        return float(croniter(self._expression, moment).get_next(float))


def loop(service: Service, runtime: Runtime, on_ready: Callable[[], None] = lambda: None) -> None:
    """Sweeps by the schedule until told to stop. Survives any `Unavailable`; a sweep that was due while the
    database was away, or recovery paused, comes when that ends.

    The first sweep makes up for times that passed since the last one that is on record: a process that is
    restarted more often than it sweeps would otherwise never come to it.
    """
    presence = Presence(service, runtime, "scheduler")
    scheduler = _Scheduler(service, runtime)
    on_ready()
    while not runtime.stopping:
        for part in (presence.beat_if_due, scheduler.sweep_if_due):
            try:
                part()
            except Unavailable as error:
                service.log.warning("a dependency is away", error=str(error))
        runtime.wait(scheduler.wait_s())
    presence.say_goodbye()


class _Scheduler:
    def __init__(self, service: Service, runtime: Runtime) -> None:
        self._service = service
        self._runtime = runtime
        self._schedule: Schedule | None = None
        self._put_off = False  # it is paused, which was said
        self._told_to_pause = False  # `recovery_pause_persistence` off: this process alone knows

    def sweep_if_due(self) -> None:
        """Raises `Unavailable`."""
        service = self._service
        if not service.defended(Defence.RECOVERY_SWEEP):
            return
        now = service.clock.now()
        if self._schedule is None:
            last = recovery_runs.last_scheduled(service.store)
            since = now if last is None else min(last, now)
            self._schedule = Schedule(service.settings.recovery_schedule, since)
        if not service.defended(Defence.RECOVERY_PAUSE_PERSISTENCE) and self._is_told_to_pause():
            return
        if not self._schedule.has_come(now):
            return
        try:
            recovery_sweep.run_once(service, trigger="schedule", stopping=lambda: self._runtime.stopping)
            self._put_off = False
        except Unavailable:
            self._schedule.put_off()
            raise
        except Paused as error:
            self._schedule.put_off()  # jobs have waited for long when it ends
            if not self._put_off:
                service.log.info("no recovery run now", why=str(error))
            self._put_off = True
        except NotNow as error:
            service.log.info("no recovery run now", why=str(error))

    def _is_told_to_pause(self) -> bool:
        """Takes the pause as a message to this process, and forgets it when it ends."""
        if recovery_runs.control(self._service.store).paused_at is not None:
            self._told_to_pause = True
            recovery_runs.resume(self._service.store)
        return self._told_to_pause

    def wait_s(self) -> float:
        settings = self._service.settings
        due_s = LOOK_EVERY_S if self._schedule is None else self._schedule.in_s(self._service.clock.now())
        return max(0.01, min(due_s, LOOK_EVERY_S, settings.heartbeat_s))
