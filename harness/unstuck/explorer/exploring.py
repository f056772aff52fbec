"""Explores a target: baselines first, then a trial for each crash point and mode; what was not covered."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Protocol

from unstuck.campaign import RunRecord, Stage, Tell, run_many
from unstuck.errors import ExitCode
from unstuck.explorer.life import read_life
from unstuck.explorer.messages import CLIENT, Message, begin_ns, counted, read_messages, role_of, unframed
from unstuck.explorer.outcomes import Outcome, outcome_of, passed_by
from unstuck.explorer.points import PLACES, CrashPoint, Settled, named_points, points_of, settle
from unstuck.explorer.trials import Approach, Mode, Trial, baseline, modes_of, trial, untried
from unstuck.history import History, read_history
from unstuck.scenario import Scenario

JOBS_IN_BUDGET = 3
"""Once from the beginning, and the machine may be three times as busy: late is not stuck."""
HEALTHY = 2  # baselines of each set-up: what only one of them shows is not found again


class Places(Protocol):
    """Where runs take place; `see_messages`: every message on the links is recorded."""

    def __call__(self, *, see_messages: bool) -> AbstractContextManager[Stage]: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What to explore, with what, and where its runs go. `link`: a glob of links as scenarios name them."""

    approach: Approach
    modes: tuple[Mode, ...]
    link: str
    reports: Path
    seed: int
    jobs: int
    places: Places
    stop: threading.Event
    progress: Tell = lambda _: None
    expect: Callable[[int], None] = lambda _: None  # hears how many runs are to come
    defences_off: tuple[str, ...] = ()
    named: frozenset[str] = frozenset()  # test points to strike at as well
    stretch: bool = True  # the budget, where the job alone takes long on this machine today


@dataclass(frozen=True, slots=True, kw_only=True)
class Uncovered:
    """What an exploration owes, and why."""

    what: str
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempted:
    """A trial, its run, and what came of it."""

    trial: Trial
    record: RunRecord
    outcome: Outcome


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    """Messages that matter in the first baseline, by the links' own count and by ours.

    `linked`: all that the links counted; `seen`: all that were recorded; `starting`: before the first client;
    `left_out`: on links that were not asked for; `covered`: those with a crash point of their own.
    """

    linked: int = 0
    seen: int = 0
    starting: int = 0
    left_out: int = 0
    covered: int = 0

    @property
    def owed(self) -> int:
        return self.seen - self.starting - self.left_out


@dataclass(frozen=True, slots=True, kw_only=True)
class Explored:
    """All that an exploration found. `failed`: why there was no trial at all."""

    attempted: tuple[Attempted, ...] = ()
    uncovered: tuple[Uncovered, ...] = ()
    counts: Counts = field(default_factory=Counts)
    approach: Approach
    baselines: tuple[RunRecord, ...] = ()
    passed_by: tuple[str, ...] = ()  # test points that the job does not come to
    failed: str | None = None

    @property
    def exit_codes(self) -> tuple[ExitCode, ...]:
        """Of each part: whoever asks takes the worst."""
        codes = [one.outcome.exit_code for one in self.attempted]
        codes += [record.exit_code for record in self.baselines if record.exit_code is not ExitCode.PASS]
        if self.uncovered or self.failed or not self.attempted:
            codes.append(ExitCode.INCONCLUSIVE)
        return tuple(codes)


def explore(order: Order) -> Explored:
    """Runs everything. Raises `UsageError` for what is wrong before anything starts."""
    approach = order.approach
    healthy, beside = _scenarios(approach, order.modes)
    records = _run(order, [*healthy, *beside], see_messages=True)
    failed = _unhealthy(records)
    if failed is not None:
        return Explored(approach=approach, baselines=tuple(records), failed=failed)
    histories = [_history(record) for record in records]
    if approach.workers is None:
        approach = replace(approach, workers=_workers(histories))
        _, beside = _scenarios(approach, order.modes)
        more = _run(order, beside, see_messages=True)
        records += more
        if (failed := _unhealthy(more)) is not None:
            return Explored(approach=approach, baselines=tuple(records), failed=failed)
        histories += [_history(record) for record in more]
    alone, together = histories[: len(healthy)], histories[len(healthy) :]
    if order.stretch:
        approach = replace(approach, budget_s=approach.budget_s + JOBS_IN_BUDGET * _job_s(records))
    return _explored(replace(order, approach=approach), records, alone, together)


def _explored(
    order: Order, records: list[RunRecord], alone: list[History], together: list[History]
) -> Explored:
    """The trials, once it is known what there is to try."""
    read = [_Read.of(history) for history in alone]
    settled = settle([one.points for one in read])
    points = [point for point in settled.points if fnmatchcase(point.link, order.link)]
    uncovered = _unsettled(settled, order.link)
    uncovered += [Uncovered(what="a connection", why=why) for why in unframed(alone[0])]
    shared = (
        settle([read[0].points, *(_Read.of(history).points for history in together)]) if together else None
    )
    approach = order.approach
    named = named_points(order.named, approach.replicas, approach.workers or ())
    uncovered += [
        Uncovered(what=f"test point {name}", why=why)
        for name, why in untried(order.named, named, order.modes).items()
    ]
    trials = list(_trials(order, [*points, *named], read[0].messages, shared, uncovered))
    counts = _counts(alone[0], read[0], points, order.link)
    if counts.seen < counts.linked:
        missing = counts.linked - counts.seen
        uncovered.append(
            Uncovered(what=f"{missing} messages", why="the links counted them, and they were not recorded")
        )
    ran = _run(order, [one.scenario for one in trials], see_messages=False)
    attempted = tuple(
        Attempted(trial=one, record=record, outcome=outcome_of(record))
        for one, record in zip(trials, ran, strict=True)
    )
    astray = [one for one in attempted if one.trial.point.is_named and passed_by(one.record)]
    attempted = tuple(one for one in attempted if one not in astray)
    untold = [one for one in attempted if one.outcome.word is None]
    stopped = [one for one in untold if one.outcome.exit_code is ExitCode.INTERRUPTED]
    if stopped:
        uncovered.append(Uncovered(what=f"{len(stopped)} trials", why="interrupted"))
    uncovered += [
        Uncovered(what=f"{_told(one.trial.point)}, {one.trial.mode}", why=one.outcome.why)
        for one in untold
        if one not in stopped
    ]
    return Explored(
        approach=order.approach, attempted=attempted, uncovered=tuple(uncovered), counts=counts,
        baselines=tuple(records),
        passed_by=tuple(dict.fromkeys(one.trial.point.label for one in astray)),
    )  # fmt: skip


def _unsettled(settled: Settled, link: str) -> list[Uncovered]:
    """A line a message: the places of one have the same reason more often than not."""
    reasons: dict[tuple[str, str, str], list[str]] = {}
    for one in settled.unsettled:
        if fnmatchcase(one.group.link, link):
            places = reasons.setdefault((one.group.label, one.group.link, one.why), [])
            places.append(PLACES[one.group.on])
    return [
        Uncovered(what=f"{label} on {name}, {' and '.join(places)}", why=why)
        for (label, name, why), places in reasons.items()
    ]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Read:
    """A baseline, as far as crash points need it."""

    messages: tuple[Message, ...]
    points: tuple[CrashPoint, ...]

    @classmethod
    def of(cls, history: History) -> _Read:
        messages = read_messages(history)
        life = read_life(history, has_client_links=any(one.role == CLIENT for one in messages))
        return cls(messages=messages, points=points_of(messages, life, from_ns=begin_ns(history)))


def _scenarios(approach: Approach, modes: Iterable[Mode]) -> tuple[list[Scenario], list[Scenario]]:
    """The baselines, and those with a second worker beside, where trials will have one."""
    healthy = [baseline(approach, number=number, beside=False) for number in range(1, HEALTHY + 1)]
    needed = "pause" in modes and bool(approach.beside)
    return healthy, [baseline(approach, number=HEALTHY + 1, beside=True)] if needed else []


def _run(order: Order, scenarios: Sequence[Scenario], *, see_messages: bool) -> list[RunRecord]:
    if not scenarios:
        return []
    order.expect(len(scenarios))
    return run_many(
        scenarios, reports=order.reports, seed=order.seed, jobs=order.jobs, defences_off=order.defences_off,
        progress=order.progress, stop=order.stop, place=order.places(see_messages=see_messages),
    )  # fmt: skip


def _unhealthy(records: Iterable[RunRecord]) -> str | None:
    """Why nothing can be concluded from trials: the job does not go through when nothing is done to it."""
    for record in records:
        if record.exit_code is not ExitCode.PASS:
            reasons = record.verdict.reasons if record.verdict else ()
            why = record.error or next(iter(reasons), "it did not pass")
            return f"without any fault, {record.scenario.name} is no pass: {why}"
    return None


def _job_s(records: Iterable[RunRecord]) -> float:
    """How long the job took when nothing was done to it; the longest."""
    took = [job.took_s or 0.0 for record in records if record.verdict for job in record.verdict.jobs]
    return max(took, default=0.0)


def _history(record: RunRecord) -> History:
    assert record.folder is not None  # it passed
    return read_history(record.folder / "history.jsonl")


def _workers(histories: Iterable[History]) -> frozenset[str]:
    """The roles whose processes were seen to carry out the job."""
    return frozenset(
        role_of(str(event.process or event.data.get("worker")))
        for history in histories
        for event in history.events
        if (event.kind == "attempt" and event.phase == "begin" and event.process)
        or (event.kind == "transition" and event.data.get("worker"))
    )


def _trials(
    order: Order,
    points: Iterable[CrashPoint],
    messages: Iterable[Message],
    shared: Settled | None,
    uncovered: list[Uncovered],
) -> Iterable[Trial]:
    """A trial a point and mode. `shared`: points that are the same with a second worker beside."""
    labels: dict[str, set[str]] = {}
    for message in messages:
        labels.setdefault(message.link, set()).add(message.label)
    for point in points:
        for mode in modes_of(point, order.modes):
            named = point
            if mode == "pause" and shared is not None and not point.is_named:
                found = next((one for one in shared.points if one.is_at(point)), None)
                if found is None:
                    uncovered.append(
                        Uncovered(
                            what=f"{_told(point)}, {mode}", why="with a second worker it is not the same"
                        )
                    )
                    continue
                named = found
            yield trial(order.approach, named, mode, labels.get(point.link, ()))


def _told(point: CrashPoint) -> str:
    return (
        f"{point.told} of {point.link}" if point.is_named else f"{point.told} on {point.link}, {point.place}"
    )


def _counts(history: History, read: _Read, points: Iterable[CrashPoint], link: str) -> Counts:
    """Of the first baseline, up to the moment when the links told their own count."""
    start_ns = begin_ns(history)
    linked, told_at = counted(history)
    seen = [one for one in read.messages if one.counted is not None and one.counted < told_at]
    there = [one for one in seen if (one.counted_ns or 0) >= start_ns]
    asked = [one for one in there if fnmatchcase(one.link, link)]
    covered = {(point.link, point.label, None if point.repeated else point.at_ns) for point in points}
    return Counts(
        linked=linked,
        seen=len(seen),
        starting=len(seen) - len(there),
        left_out=len(there) - len(asked),
        covered=sum(
            any((one.link, one.label, at_ns) in covered for at_ns in (None, one.requested_ns, one.replied_ns))
            for one in asked
        ),
    )


def trials_by_point(attempted: Iterable[Attempted]) -> Mapping[CrashPoint, Mapping[Mode, Attempted]]:
    """The trials of each point, in the order of the points."""
    table: dict[tuple[object, ...], tuple[CrashPoint, dict[Mode, Attempted]]] = {}
    for one in attempted:
        point = one.trial.point
        key = (point.link, point.label, point.on, point.at_ns)
        table.setdefault(key, (point, {}))[1][one.trial.mode] = one
    return dict(table.values())
