"""The verdict of a run, from its history alone.

A run passes only when every fault was armed, fired and landed, the condition of each held when it
struck, work was in flight then (unless the fault is set-up), and each expected property had something
to judge and held. A broken promise is a failure even when a fault did not land. A history that is cut,
a wall clock that was stepped, and a run that did not come to its own end prove nothing either way.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from unstuck.checks import PROPERTIES
from unstuck.checks.classes import JobClass, classify
from unstuck.checks.port import Property, PropertyResult, Verdict
from unstuck.checks.result import conclude
from unstuck.checks.story import FaultStory, RunStory, Story, data_of, text_of
from unstuck.collector import collector_paused
from unstuck.errors import ExitCode, UsageError, did_you_mean
from unstuck.history import History

CLOCK_STEP_S = 0.5  # slewing, of at most 0.5 ms a second, stays far below
NO_BLOW = "heal"  # the fault that only ends another one, which had to have its own work in flight


@dataclass(frozen=True, slots=True, kw_only=True)
class FaultRow:
    """What became of one fault of the plan. Counts are of strokes; `times: each` has several."""

    index: int
    name: str
    setup: bool
    armed: bool
    fired: int
    landed: int
    healed: int
    missed: int
    in_flight: int | None  # the least at any stroke
    condition: str | None  # what `while:` demanded and what was seen, of the first stroke that says so
    condition_held: bool
    how: str | None  # what was seen to happen, of the first stroke
    problem: str | None  # why a run with this fault cannot pass


@dataclass(frozen=True, slots=True, kw_only=True)
class RunVerdict:
    """All that is concluded from a history. `reasons` says why it is not a pass; empty when it is.

    `harness_errors` are failures of Unstuck itself: the exit code is 4 unless a promise was broken.
    `spoilt`: those of the reasons for which the run proves nothing either way.
    """

    verdict: Verdict
    reasons: tuple[str, ...]
    properties: tuple[PropertyResult, ...]
    faults: tuple[FaultRow, ...]
    jobs: tuple[JobClass, ...]
    figures: Mapping[str, float] = field(default_factory=dict)
    harness_errors: tuple[str, ...] = ()
    spoilt: tuple[str, ...] = ()

    @property
    def exit_code(self) -> ExitCode:
        """What one run alone leads to."""
        if self.verdict is Verdict.FAIL:
            return ExitCode.FAIL
        if self.harness_errors:
            return ExitCode.HARNESS
        return ExitCode.PASS if self.verdict is Verdict.PASS else ExitCode.INCONCLUSIVE


def judge(history: History, expect: Mapping[str, Mapping[str, Any]] | None = None) -> RunVerdict:
    """Judges a run. `expect` maps properties to parameters; None: as the run's first event says.

    Raises `UsageError` when `expect` names no property of ours, or gives one what it does not take.
    """
    with collector_paused():
        return _judge(Story(history), expect)


def _judge(story: Story, expect: Mapping[str, Mapping[str, Any]] | None) -> RunVerdict:
    expect = _expected(data_of(story.run.start).get("expect", {}) if expect is None else expect)
    errors: list[str] = []
    results = tuple(_judged(each, story, expect, errors) for each in PROPERTIES)
    faults = tuple(_fault_row(fault) for fault in story.faults.values())
    if story.run.end_reason == "error":
        errors.append(
            f"the run ended by an error: {text_of(story.run.end, 'error') or 'it does not say which'}"
        )
    spoilt = _spoilt(story.history, story.run)
    broken = [f"{r.name}: {r.summary}" for r in results if r.verdict is Verdict.FAIL]
    idle = [f"fault {row.index} ({row.name}) {row.problem}" for row in faults if row.problem is not None]
    unjudged = [
        f"{r.name} was expected, and is inconclusive: {r.summary}"
        for r in results
        if r.expected and r.verdict is Verdict.INCONCLUSIVE
    ]
    unread = dict.fromkeys(story.doubts)
    doubts = [*idle, *unjudged, *_refused(story), *unread, *(f"harness error: {error}" for error in errors)]
    if spoilt:
        verdict = Verdict.INCONCLUSIVE
    elif broken:
        verdict = Verdict.FAIL
    else:
        verdict = Verdict.INCONCLUSIVE if doubts else Verdict.PASS
    return RunVerdict(
        verdict=verdict,
        reasons=(*spoilt, *broken, *doubts),
        properties=results,
        faults=faults,
        jobs=classify(story),
        figures=_figures(story, results),
        harness_errors=tuple(errors),
        spoilt=tuple(spoilt),
    )


def combine(verdicts: Iterable[RunVerdict]) -> ExitCode:
    """The exit code of several runs: 1 beats 4 beats 3 beats 0. None at all prove nothing: 3."""
    codes = {verdict.exit_code for verdict in verdicts}
    for code in (ExitCode.FAIL, ExitCode.HARNESS, ExitCode.INCONCLUSIVE, ExitCode.PASS):
        if code in codes:
            return code
    return ExitCode.INCONCLUSIVE


def _expected(expect: Any) -> Mapping[str, Mapping[str, Any]]:
    known = [each.NAME for each in PROPERTIES]
    if not isinstance(expect, Mapping):
        raise UsageError(f"expect={expect!r} must map properties to parameters. Give the scenario again.")
    for name, params in expect.items():
        if name not in known:
            raise UsageError(f"expect: {name!r} is no property.{did_you_mean(str(name), known)}")
        if not isinstance(params, Mapping):
            raise UsageError(f"expect: {name}={params!r} must map parameters to values. Write {{}} for none.")
    return expect


def _judged(
    each: Property, story: Story, expect: Mapping[str, Mapping[str, Any]], errors: list[str]
) -> PropertyResult:
    """A check that crashes is a bug of ours: its property is inconclusive, and the run has the error."""
    try:
        result = each.check(story, expect.get(each.NAME, {}))
    except UsageError:
        raise
    except Exception as error:  # noqa: BLE001  whatever it is, the other properties are judged
        errors.append(f"the check of {each.NAME} crashed: {error!r}")
        result = conclude(each.NAME, judged=0, summary="")
        result = replace(result, summary=f"the check crashed: {error!r}")
    return replace(result, expected=each.NAME in expect)


def _spoilt(history: History, run: RunStory) -> list[str]:
    """Why nothing can be concluded from this run."""
    reasons: list[str] = []
    if history.cut is not None:
        reasons.append(f"the history is cut: {history.cut}")
    steps_s = [step_s for step_s in run.steps_s if abs(step_s) > CLOCK_STEP_S]
    if steps_s:
        reasons.append(f"the wall clock was stepped by {max(steps_s, key=abs):.3f} s")
    if run.start is None:
        reasons.append("the history has no start of a run")
    if run.end_reason is None:
        reasons.append("the history has no end of the run")
    elif not run.played_out:
        reasons.append(f"the run did not come to its own end: {run.end_reason}")
    return reasons


def _refused(story: Story) -> list[str]:
    """Why there is no job at all, when each submission failed."""
    submits = [op for op in story.ops if op.action == "submit"]
    if not submits or any(op.outcome == "ok" for op in submits):
        return []
    why = next(
        (error for op in submits if (error := text_of(op.ended, "error")) is not None), "nobody says why"
    )
    return [f"no submission was answered with a job: {why}"]


def _fault_row(fault: FaultStory) -> FaultRow:
    found = [event.data.get("condition") for event in fault.fired]
    conditions = [condition for condition in found if isinstance(condition, Mapping)]
    counts = [stroke.in_flight for stroke in fault.strokes]
    known = [count for count in counts if count is not None]
    held = all(condition.get("held") is True for condition in conditions)
    landed = fault.landed[0] if fault.landed else None
    row = FaultRow(
        index=fault.index,
        name=fault.name,
        setup=fault.setup,
        armed=fault.armed is not None,
        fired=len(fault.fired),
        landed=len(fault.landed),
        healed=len(fault.healed),
        missed=len(fault.missed),
        in_flight=min(known, default=None),
        condition=_condition_text(conditions[0]) if conditions else None,
        condition_held=held,
        how=text_of(landed, "how"),
        problem=None,
    )
    return replace(row, problem=_problem(row, fault, unknown=len(known) < len(counts)))


def _condition_text(condition: Mapping[str, Any]) -> str:
    return f"{condition.get('wanted')}, seen {condition.get('seen')}"


def _problem(row: FaultRow, fault: FaultStory, *, unknown: bool) -> str | None:
    why = text_of(fault.missed[0], "why") if fault.missed else None
    rules = (
        (not row.armed, "was never armed"),
        (row.missed > 0, "missed" if why is None else f"missed: {why}"),
        (row.fired == 0, "never fired"),
        (row.landed < row.fired, f"fired {row.fired} x and landed {row.landed} x"),
        (not row.condition_held, f"struck while its condition did not hold ({row.condition})"),
        (
            not row.setup and row.name != NO_BLOW and (unknown or row.in_flight == 0),
            "struck while no work was in flight",
        ),
    )
    return next((problem for is_so, problem in rules if is_so), None)


def _figures(story: Story, results: Iterable[PropertyResult]) -> dict[str, float]:
    figures: dict[str, float] = {"events": len(story.history.events), "length_s": story.end_s}
    for result in results:
        figures.update({f"{result.name}.{name}": value for name, value in result.figures.items()})
    return figures
