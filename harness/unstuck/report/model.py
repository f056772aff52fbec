"""What every report shows of a run, as frozen data. All renderers read this and nothing else.

Times are seconds since the run began. Texts are as the outside gave them: each renderer makes them safe.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from unstuck.checks.port import Verdict


@dataclass(frozen=True, slots=True, kw_only=True)
class FaultLine:
    """One fault of the scenario: what it was to do, and how far it got."""

    index: int
    name: str
    what: str  # "replace every worker (SIGTERM, 5 s of grace, then SIGKILL)"
    when: str  # "when a job enters active, stage scenes"
    armed: bool
    fired: int
    landed: int
    healed: int
    missed: int
    strokes: tuple[tuple[float, float], ...] = ()  # of each: fired, and over (healed, or landed)
    how: str = ""  # what was seen when it landed
    condition: str = ""  # what `while:` demanded and what was seen
    in_flight: int | None = None  # jobs that were not terminal when it struck, the least at any stroke
    setup: bool = False
    problem: str = ""  # why a run with this fault cannot pass; empty: nothing is wrong


@dataclass(frozen=True, slots=True, kw_only=True)
class Stay:
    """A job in one state, from then until then (None: to the end of the run)."""

    state: str
    from_s: float
    until_s: float | None
    holder: str | None = None
    attempt: int | None = None
    peak_bytes: int | None = None  # of its memory, as the service says of the attempt
    stage_peaks: tuple[tuple[str, int], ...] = ()  # the same, by stage, in their order


@dataclass(frozen=True, slots=True, kw_only=True)
class JobLine:
    """One job: where it went, and where it ended."""

    id: str
    tag: str | None
    state: str | None
    reason: str | None
    outcome: str  # its class: ok, lost, stuck, …
    allowed: bool  # by the delivery promise
    attempts: int
    rescued: str | None = None  # "rescued after 0.300 s", "never"; None: nothing hit it
    stays: tuple[Stay, ...] = ()
    stages: tuple[tuple[float, str], ...] = ()
    effects: tuple[tuple[float, bool], ...] = ()  # when, and whether it was applied
    broken: bool = False  # some property names it in its evidence


@dataclass(frozen=True, slots=True, kw_only=True)
class LifeLine:
    """A process from a start to its exit (None: it ran until the end)."""

    from_s: float
    until_s: float | None
    end: str = ""  # "exit 0", "SIGKILL", …
    expected: bool = True  # the harness asked for the exit
    signals: tuple[tuple[float, str], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcessLine:
    """A process by name, all its lives, and the most memory that it was seen with."""

    name: str
    role: str
    lives: tuple[LifeLine, ...]
    rss_bytes_max: int | None = None
    limit_bytes: int | None = None
    memory: tuple[tuple[float, int], ...] = ()  # when, and bytes in use then; only where there is a limit
    log: str | None = None  # relative to the run's folder; None: it said nothing, or nothing was kept


@dataclass(frozen=True, slots=True, kw_only=True)
class PropertyLine:
    """A property and its verdict."""

    name: str
    promise: str
    verdict: Verdict
    judged: int
    summary: str
    expected: bool  # named in the scenario's `expect`
    figures: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """The place of an event that shows a broken promise: when, and of which job or process."""

    at_s: float
    text: str
    job: str | None = None
    process: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Recovery:
    """A job that a blow hit: how long after the blow was over it was claimed again, and ended.

    None: it was not (yet), or, for the claim, it had no need to. A claim that came while the fault lasted has
    no such time: `meanwhile_s` is how long after the blow it came; None for every other.
    """

    job: str
    fault: int
    claim_s: float | None
    terminal_s: float | None
    meanwhile_s: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class BrokenPromise:
    """One piece of evidence, with what a person needs to see next."""

    property: str
    promise: str
    verdict: Verdict
    job: str | None
    message: str
    facts: Mapping[str, Any] = field(default_factory=dict)
    stopped: str = ""  # "active, stage scenes, since 1.40 s"
    held_by: str = ""  # "worker-1 (token 3): SIGKILL at 1.52 s"
    moves_on: str = ""  # who should have moved it on
    excerpt: tuple[str, ...] = ()  # the job's own timeline, one event a line
    marks: tuple[Mark, ...] = ()  # the events that show it, in the order of their times
    logs: tuple[str, ...] = ()  # relative to the run's folder


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """A run, judged and put into words."""

    title: str
    name: str
    about: str
    case: Mapping[str, Any]
    verdict: Verdict
    reasons: tuple[str, ...]  # why it is not a pass
    done: tuple[str, ...]  # what was done to the service, a sentence each
    workload: tuple[str, ...]
    faults: tuple[FaultLine, ...]
    jobs: tuple[JobLine, ...]
    states: Mapping[str, int]
    outcomes: Mapping[str, int]
    properties: tuple[PropertyLine, ...]
    broken: tuple[BrokenPromise, ...]
    recovery: Mapping[str, float]
    processes: tuple[ProcessLine, ...]
    duration_s: float
    budget_from_s: float | None
    budget_s: float
    end_reason: str | None
    seed: int
    defences_off: tuple[str, ...]
    version: str
    date: str | None
    folder: str | None  # as the user would type it
    target: str | None = None  # with its configuration, `name:configuration`
    recoveries: tuple[Recovery, ...] = ()
    claim_budget_s: float | None = None  # to the next claim of a job that was hit; None: not demanded
    terminal_budget_s: float | None = None  # to its end
    notes: tuple[str, ...] = ()  # what a reader should know besides: a history cut short, …
    in_sim: bool = False  # its times are virtual

    @property
    def replay(self) -> str | None:
        """The command that runs exactly this again; None when nothing was kept."""
        return f"unstuck replay {self.folder}" if self.folder else None

    @property
    def recovery_s(self) -> float | None:
        """The longest time from when a blow was over to the next claim of a job that it hit; None when none
        was hit, and when each was claimed while the fault lasted."""
        most_s = self.recovery.get("claim_max_s")
        return None if not most_s and self.meanwhile_s is not None else most_s

    @property
    def meanwhile_s(self) -> float | None:
        """The longest time from a blow to a claim that came while the fault lasted; None without one."""
        return max((one.meanwhile_s for one in self.recoveries if one.meanwhile_s is not None), default=None)
