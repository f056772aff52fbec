"""What happened to the faults, the processes and the run itself. Times are seconds since the run began."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from unstuck.checks.job_story import data_of, seconds, text_of
from unstuck.history import Event

BUDGET_S = 60.0  # the recovery budget when a run declares none


@dataclass(slots=True)
class FaultStory:
    """All that is known of one fault of the plan; `fired` and `landed` hold one event a stroke."""

    index: int
    name: str
    setup: bool = False  # there from the beginning: no work can be in flight yet
    armed: Event | None = None
    fired: list[Event] = field(default_factory=list)
    landed: list[Event] = field(default_factory=list)
    healed: list[Event] = field(default_factory=list)
    missed: list[Event] = field(default_factory=list)

    @property
    def strokes(self) -> Iterator[Stroke]:
        """Each landing with the firing and the healing that belong to it, as far as they are known."""
        for nth, landed in enumerate(self.landed):
            fired = _of_blow(self.fired, landed, nth)
            yield Stroke(self, fired or landed, landed, _of_blow(self.healed, landed, nth))


def _of_blow(events: list[Event], landed: Event, nth: int) -> Event | None:
    """The one of the same blow; by order in a history that numbers no blows, where they may not overlap.

    1. blow 1 fires, 2. blow 2 fires and misses, or lands first, 3. blow 1 lands: order would pair 3 with
    whatever came second.
    """
    blow = landed.data.get("blow")
    if blow is None:
        return events[nth] if nth < len(events) else None
    return next((event for event in events if event.data.get("blow") == blow), None)


class Stroke(NamedTuple):
    """One blow of a fault."""

    fault: FaultStory
    fired: Event
    landed: Event
    healed: Event | None

    @property
    def struck_s(self) -> float:
        """When the blow was dealt; landed, when it was seen to have worked, is later."""
        struck_ns = self.landed.data.get("struck_at_ns")
        return struck_ns / 1e9 if isinstance(struck_ns, int) else seconds(self.fired)

    @property
    def over_s(self) -> float:
        """When recovery could begin: healed, for a lasting fault; else landed."""
        return seconds(self.landed if self.healed is None else self.healed)

    @property
    def in_flight(self) -> int | None:
        """How many jobs were not terminal when it struck; None: nobody counted."""
        count = self.landed.data.get("in_flight")
        return count if isinstance(count, int) else None

    @property
    def jobs(self) -> tuple[str, ...] | None:
        """The jobs that it hit; None: it does not say."""
        return _names(self.landed, "jobs")

    @property
    def processes(self) -> tuple[str, ...] | None:
        """The processes that it hit; None: it does not say."""
        return _names(self.landed, "processes")


def _names(event: Event, field: str) -> tuple[str, ...] | None:
    names = event.data.get(field)
    return tuple(name for name in names if isinstance(name, str)) if isinstance(names, list) else None


@dataclass(slots=True)
class Life:
    """One process from its start to its exit."""

    begun: Event
    signals: list[Event] = field(default_factory=list)  # not those that only a child of it got
    ready: Event | None = None
    exit: Event | None = None
    refused: list[Event] = field(default_factory=list)

    def alive_s(self, at_s: float) -> bool:
        return seconds(self.begun) <= at_s and (self.exit is None or at_s < seconds(self.exit))

    @property
    def asked_to_stop(self) -> Event | None:
        """The first SIGTERM that it got itself."""
        return next((event for event in self.signals if event.data.get("signal") == "SIGTERM"), None)

    @property
    def asked_when_ready(self) -> bool:
        """That SIGTERM came when it had said that it was ready, so that it may be expected to drain."""
        asked = self.asked_to_stop
        return asked is not None and self.ready is not None and self.ready.number < asked.number

    def paused(self, from_s: float, until_s: float) -> bool:
        """True when it was stopped (SIGSTOP) for any part of that time."""
        stopped_s: float | None = None
        for event in self.signals:
            if event.data.get("signal") == "SIGSTOP":
                stopped_s = seconds(event)
            elif event.data.get("signal") == "SIGCONT" and stopped_s is not None:
                if stopped_s < until_s and seconds(event) > from_s:
                    return True
                stopped_s = None
        return stopped_s is not None and stopped_s < until_s


@dataclass(slots=True)
class ProcessStory:
    """A named process of a role; each start begins a new life."""

    name: str
    role: str | None = None
    lives: list[Life] = field(default_factory=list)
    usage: list[Event] = field(default_factory=list)
    points: list[Event] = field(default_factory=list)  # test points that it reached or left

    def life_at(self, at_s: float) -> Life | None:
        return next((life for life in reversed(self.lives) if life.alive_s(at_s)), None)


@dataclass(slots=True)
class Sweep:
    """One recovery sweep of the service. `ended` None: nobody has said so yet."""

    begun: Event
    ended: Event | None = None

    @property
    def run(self) -> int:
        return int(self.begun.data["run"])

    @property
    def who(self) -> str:
        """`scheduler-1, schedule`."""
        return f"{text_of(self.begun, 'actor')}, {text_of(self.begun, 'trigger')}"

    @property
    def triggered(self) -> int:
        """How many jobs it set going, as far as it was recorded."""
        count = data_of(self.ended).get("triggered")
        return count if isinstance(count, int) else 0


@dataclass(slots=True)
class RunStory:
    """Facts of the run itself."""

    start: Event | None = None
    budget: Event | None = None  # every fault is healed and every role is up
    follow: Event | None = None  # the budget was not enough: from here on was only looked on
    end: Event | None = None
    steps_s: list[float] = field(default_factory=list)  # by how much the wall clock jumped

    @property
    def end_reason(self) -> str | None:
        """`settled`, `budget`, `interrupted`, `error`; None: the run never ended."""
        return text_of(self.end, "reason")

    @property
    def in_sim(self) -> bool:
        """The run's seconds are virtual: what took them tells nothing of a machine."""
        return data_of(self.start).get("world") == "sim"

    @property
    def played_out(self) -> bool:
        """The run came to its own end, so that what is missing will not come any more."""
        return self.end_reason in ("settled", "budget")

    @property
    def budget_s(self) -> float:
        """The recovery budget."""
        value = data_of(self.start).get("budget_s")
        return float(value) if isinstance(value, int | float) else BUDGET_S

    @property
    def budget_over_s(self) -> float | None:
        """When the recovery budget was over and somebody looked on; None: nobody did."""
        return None if self.follow is None else seconds(self.follow)

    @property
    def sees_effects(self) -> bool:
        """False for a target whose effects nobody can see."""
        return data_of(self.start).get("effects_seen") is not False

    @property
    def tells_lost_from_done(self) -> bool:
        """False where a job that is seen nowhere counts as done, and nobody can see that it was."""
        return self.sees_effects or data_of(self.start).get("absent") != "succeeded"

    @property
    def sees_reasons(self) -> bool:
        """False for a target that does not say why a job failed."""
        return data_of(self.start).get("reasons_seen") is not False

    @property
    def recovery_period_s(self) -> float | None:
        """How long the target may take by itself until it takes up what was dropped, as it declares."""
        timings = data_of(self.start).get("timings")
        value = timings.get("recovery_period_s") if isinstance(timings, dict) else None
        return float(value) if isinstance(value, int | float) else None

    @property
    def promise(self) -> str:
        """What the target promises of deliveries."""
        return text_of(self.start, "promise") or "effectively_once"
