"""What a rule is: a module that judges one workload, with its reasons and an example of each kind."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Final, Protocol

from unstuck.preflight.finding import Open, Outcome, Severity
from unstuck.preflight.measured import ANY, Measured
from unstuck.preflight.model import Kind, Setting, Workload
from unstuck.preflight.readers.kinds import tokens

_LIGHT: Final = frozenset(
    {"sweeper", "relay", "beat", "scheduler", "cron", "dispatcher", "outbox", "reaper", "poller", "exporter"}
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Example:
    """A small manifest that shows a rule, with the figures that it needs."""

    file: str
    text: str
    longest_stage_s: float | None = None
    peak_mib: float | None = None

    @property
    def measured(self) -> Measured:
        peaks = {} if self.peak_mib is None else {ANY: self.peak_mib}
        return Measured(longest_stage_s=self.longest_stage_s, peaks_mib=peaks)


@dataclass(frozen=True)
class Context:
    """Everything that was given, for rules that look beyond one workload. Not slotted: it caches."""

    workloads: tuple[Workload, ...]
    measured: Measured = field(default_factory=Measured)

    @cached_property
    def _works(self) -> Kind:
        found = {one.kind for one in self.workloads if _does_stages(one)}
        return next((kind for kind in (Kind.WORKER, Kind.JOB) if kind in found), Kind.SERVICE)

    def works(self, workload: Workload) -> bool:
        """True for what does the long work: the workers; where there are none, the jobs, else the services.

        Sweepers, relays and their like take jobs by the second, and are no workers in this sense; neither is
        a job that prepares the rest.
        """
        return workload.kind is self._works and (workload.kind is Kind.SERVICE or _does_stages(workload))

    def peak_mib(self, workload: Workload) -> tuple[float, str] | None:
        """(the measured peak, whose) of the role that the workload's name has in it; None: not measured.

        Of several roles that of the most words, else that of the highest peak.
        """
        peaks = self.measured.peaks_mib
        if ANY in peaks:
            return peaks[ANY], "the measured peak"
        called = tokens(workload.name)
        if workload.entry is not None:
            called |= tokens(" ".join(workload.entry.words))
        roles = [role for role in peaks if tokens(role) <= called or tokens(f"{role}s") <= called]
        if not roles:
            return None
        named = tokens(workload.name)
        role = max(roles, key=lambda one: (tokens(one) <= named, len(tokens(one)), peaks[one]))
        return peaks[role], f"the measured peak of {role}"


def _does_stages(workload: Workload) -> bool:
    return (
        workload.kind in (Kind.WORKER, Kind.JOB)
        and not tokens(workload.name) & _LIGHT
        and not _is_setup(workload)
    )


def _is_setup(workload: Workload) -> bool:
    """A job that prepares the rest (migrations, buckets) does none of the work."""
    return bool(
        tokens(workload.name) & {"migrate", "migration", "migrations", "init", "setup", "seed", "release"}
    )


class Rule(Protocol):
    """A module of `unstuck.preflight.rules` that has these names is a rule."""

    __name__: str
    ID: str  # US and three digits; never given twice, never given again
    TITLE: str  # what must be, in a few words
    SEVERITY: Severity
    WHY: str
    FIX: str
    BAD: Example
    GOOD: Example

    def judge(self, workload: Workload, context: Context) -> Iterator[Outcome]:
        """What the rule says of one workload; nothing where it does not apply. Never raises."""
        ...


def of_service(workload: Workload) -> Severity | None:
    """A warning for services, which may do other things than the long work; else the rule's own."""
    return Severity.WARNING if workload.kind is Kind.SERVICE else None


def lacks_stage(line: int, measured: Measured) -> Open:
    """For a rule that needs the longest stage."""
    return _lacks(line, measured, figure="the longest stage", flag="--longest-stage-s SECONDS")


def lacks_peak(line: int, measured: Measured) -> Open:
    """For a rule that needs the peak of memory of a workload."""
    return _lacks(line, measured, figure="the peak of memory", flag="--peak-mib [ROLE=]MIB")


def _lacks(line: int, measured: Measured, *, figure: str, flag: str) -> Open:
    """Says why a run that was given has not told it, and what would."""
    lacks, step = f"{figure} was not measured", f"Give --run RUN or {flag}."
    if measured.runs:
        lacks = f"{figure} was not measured by {_some(measured.runs)}"
        step = f"Give another --run RUN or {flag}."
    elif measured.in_sim:
        lacks = f"{figure} was not measured: the sim has virtual time and fakes ({_some(measured.in_sim)})"
        step = f"Give --run RUN of real processes, or {flag}."
    return Open(line=line, lacks=lacks, step=step)


def _some(runs: Sequence[str]) -> str:
    return runs[0] if len(runs) == 1 else f"{runs[0]} and {len(runs) - 1} more"


def unreadable(setting: Setting[float] | Setting[str] | Setting[bool]) -> Open:
    """For a value that is said, but not known here."""
    return Open(
        line=setting.line,
        lacks=f"{setting.text} is not known here",
        step="Write the value out, or judge it by hand.",
    )
