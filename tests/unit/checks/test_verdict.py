"""The verdict of a run, from its history alone."""

from __future__ import annotations

from typing import Any

import pytest

from tests.unit.checks.draft import Draft
from unstuck import checks
from unstuck.checks import verdict as subject
from unstuck.checks.port import Verdict
from unstuck.checks.verdict import RunVerdict, combine, judge
from unstuck.errors import ExitCode, UsageError


def healthy(expect: dict[str, Any] | None = None, **start: Any) -> Draft:
    """One job whose worker was killed in flight, and which recovered."""
    draft = Draft(expect={"every_job_terminal": {}} if expect is None else expect, **start)
    draft.queued("j-1")
    draft.claimed("j-1")
    draft.fault("armed")
    draft.fault("fired", condition={"wanted": "active_jobs >= 1", "seen": 1, "held": True})
    draft.fault("landed", how="pid 7 gone", in_flight=1, processes=["worker-1"])
    draft.move("j-1", "active>queued", attempt=1, token=1)
    draft.claimed("j-1", worker="worker-2", attempt=2, token=2)
    draft.effect("j-1", token=2)
    draft.move("j-1", "active>succeeded", attempt=2, token=2)
    return draft


def judged(draft: Draft, reason: str = "settled", cut: str | None = None) -> RunVerdict:
    draft.end(reason)
    return judge(draft.history(cut))


def test_a_run_as_it_should_be_passes() -> None:
    """Every fault landed in flight, and what was expected was judged and held."""
    verdict = judged(healthy())
    assert (verdict.verdict, verdict.reasons, verdict.exit_code) == (Verdict.PASS, (), ExitCode.PASS)
    assert [result.name for result in verdict.properties] == list(checks.property_names())
    assert [result.name for result in verdict.properties if result.expected] == ["every_job_terminal"]
    row = verdict.faults[0]
    assert (row.fired, row.landed, row.in_flight, row.how, row.problem) == (1, 1, 1, "pid 7 gone", None)
    assert row.condition == "active_jobs >= 1, seen 1"
    assert verdict.jobs[0].kind == "restarted"
    assert verdict.figures["events"] == len(healthy().events) + 2
    assert "recovery_within.claim_max_s" in verdict.figures


def test_a_broken_promise_fails_also_when_nobody_expected_it() -> None:
    """The other properties are always on."""
    draft = healthy()
    draft.move("j-1", "succeeded>queued", attempt=2, token=2)
    draft.move("j-1", "queued>cancelled", attempt=2, token=2)
    verdict = judged(draft)
    assert (verdict.verdict, verdict.exit_code) == (Verdict.FAIL, ExitCode.FAIL)
    assert verdict.reasons[0].startswith("terminal_is_final: ")


def test_an_expected_property_without_anything_to_judge_is_inconclusive() -> None:
    """Vacuous truth is no pass; where nobody expected it, it is only reported."""
    verdict = judged(healthy({"drains_cleanly": {}}))
    assert (verdict.verdict, verdict.exit_code) == (Verdict.INCONCLUSIVE, ExitCode.INCONCLUSIVE)
    assert verdict.reasons == ("drains_cleanly was expected, and is inconclusive: nothing to judge",)


FAULTS: list[tuple[tuple[str, ...], dict[str, Any], str]] = [
    ((), {}, "was never armed"),
    (("armed",), {}, "never fired"),
    (("armed", "fired"), {"in_flight": 1}, "fired 1 x and landed 0 x"),
    (("armed", "fired", "missed"), {}, "missed"),
    (("armed", "fired", "missed"), {"why": "nobody got SIGTERM"}, "missed: nobody got SIGTERM"),
    (("armed", "fired", "landed"), {"in_flight": 0}, "struck while no work was in flight"),
    (("armed", "fired", "landed"), {}, "struck while no work was in flight"),
    (
        ("armed", "fired", "landed"),
        {"in_flight": 1, "condition": {"wanted": "active_jobs >= 1", "seen": 0, "held": False}},
        "struck while its condition did not hold (active_jobs >= 1, seen 0)",
    ),
]


@pytest.mark.parametrize(("phases", "facts", "problem"), FAULTS)
def test_a_fault_that_did_not_strike_as_planned_is_inconclusive(
    phases: tuple[str, ...], facts: dict[str, Any], problem: str
) -> None:
    """A run proves nothing about a fault that did not land, in flight, under its condition."""
    draft = healthy(faults=[{"name": "kill"}, {"name": "pause"}])
    draft.fault(*phases, index=1, name="pause", **facts)
    verdict = judged(draft)
    assert verdict.verdict is Verdict.INCONCLUSIVE
    assert verdict.reasons == (f"fault 1 (pause) {problem}",)


def test_a_fault_may_be_declared_by_its_name_alone() -> None:
    """The run's start lists the plan's faults, as objects or as names."""
    assert "fault 1 (pause) was never armed" in judged(healthy(faults=["kill", "pause"])).reasons


def test_a_fault_of_the_set_up_needs_no_work_in_flight() -> None:
    """What is so from the beginning hits nobody; it must land all the same."""
    draft = healthy()
    draft.fault("armed", index=1, name="notifications_off", setup=True)
    draft.fault("fired", "landed", index=1, name="notifications_off")
    assert judged(draft).verdict is Verdict.PASS


def test_the_end_of_another_fault_needs_no_work_in_flight() -> None:
    """It is no blow: all may be done when a fault, which had its own work in flight, is ended early."""
    draft = healthy()
    draft.fault("armed", "fired", "landed", index=1, name="heal", in_flight=0)
    assert judged(draft).verdict is Verdict.PASS


def test_a_broken_promise_is_a_failure_also_when_a_fault_did_not_land() -> None:
    """The reasons name both."""
    draft = healthy()
    draft.fault("armed", index=1, name="pause")
    draft.move("j-1", "succeeded>failed", attempt=2, token=2)
    verdict = judged(draft)
    assert verdict.verdict is Verdict.FAIL
    assert verdict.reasons[-1] == "fault 1 (pause) never fired"


@pytest.mark.parametrize("reason", ["interrupted", "error"])
def test_a_run_that_did_not_come_to_its_end_proves_nothing(reason: str) -> None:
    """Not even a failure: the harness may have caused it."""
    draft = healthy()
    draft.move("j-1", "succeeded>queued", attempt=2, token=2)
    verdict = judged(draft, reason)
    assert verdict.verdict is Verdict.INCONCLUSIVE
    assert verdict.reasons[0] == f"the run did not come to its own end: {reason}"
    assert verdict.exit_code is (ExitCode.HARNESS if reason == "error" else ExitCode.INCONCLUSIVE)


def test_a_run_that_ended_by_an_error_is_a_harness_error() -> None:
    """Its text is passed on."""
    draft = healthy()
    draft.end("error", error="disk full")
    assert judge(draft.history()).harness_errors == ("the run ended by an error: disk full",)
    assert "it does not say which" in judged(healthy(), "error").harness_errors[0]


def test_a_cut_history_proves_nothing() -> None:
    """The end is missing, and perhaps more."""
    assert judge(healthy().history("line 9 is cut; read up to there")).reasons[:2] == (
        "the history is cut: line 9 is cut; read up to there",
        "the history has no end of the run",
    )
    assert judged(healthy(), cut="line 40 is cut").verdict is Verdict.INCONCLUSIVE


def test_an_empty_history_proves_nothing() -> None:
    """Nothing at all is inconclusive, and every property says so."""
    verdict = judge(Draft(start=False).history())
    assert verdict.verdict is Verdict.INCONCLUSIVE
    assert "the history has no start of a run" in verdict.reasons
    assert {result.verdict for result in verdict.properties} == {Verdict.INCONCLUSIVE}
    assert verdict.figures["length_s"] == 0


@pytest.mark.parametrize(("step_s", "verdict"), [(-3.0, Verdict.INCONCLUSIVE), (0.4, Verdict.PASS)])
def test_a_stepped_wall_clock_proves_nothing(step_s: float, verdict: Verdict) -> None:
    """Leases live by the wall clock; slewing is no step."""
    draft = healthy()
    draft.add("clock", "stepped", by_s=step_s)
    result = judged(draft)
    assert result.verdict is verdict
    assert result.reasons == (("the wall clock was stepped by -3.000 s",) if step_s < 0 else ())
    assert result.spoilt == result.reasons


def test_a_check_that_crashes_is_inconclusive_and_a_harness_error(monkeypatch: pytest.MonkeyPatch) -> None:
    """Never a pass, never a failure of the service; the other properties are judged."""

    def crash(*_: Any) -> Any:
        raise ValueError("boom")

    monkeypatch.setattr(checks.effects, "check", crash)
    verdict = judged(healthy())
    assert (verdict.verdict, verdict.exit_code) == (Verdict.INCONCLUSIVE, ExitCode.HARNESS)
    assert verdict.harness_errors == ("the check of effects crashed: ValueError('boom')",)
    crashed = next(result for result in verdict.properties if result.name == "effects")
    assert (crashed.verdict, crashed.summary) == (
        Verdict.INCONCLUSIVE,
        "the check crashed: ValueError('boom')",
    )


@pytest.mark.parametrize(
    ("expect", "message"),
    [
        ({"effect": {}}, "expect: 'effect' is no property. Did you mean 'effects'?"),
        ({"effects": "exactly_once"}, "effects='exactly_once' must map parameters"),
        ([], "expect=[] must map properties"),
        ({"effects": {"delivery": "twice"}}, "delivery='twice' is no delivery. Known: at_least_once"),
    ],
)
def test_an_expectation_that_we_do_not_know_is_refused(expect: Any, message: str) -> None:
    """A history of another version, or a hand-made one, is a matter of usage."""
    with pytest.raises(UsageError) as caught:
        judge(Draft(expect=expect).history())
    assert message in str(caught.value)


def test_expectations_can_be_given() -> None:
    """Instead of those that the run began with."""
    draft = healthy()
    draft.end()
    verdict = judge(draft.history(), {"effects": {"delivery": "at_least_once"}})
    assert [result.name for result in verdict.properties if result.expected] == ["effects"]


def test_the_worst_of_several_runs_decides() -> None:
    """1 beats 4 beats 3 beats 0; no runs prove nothing."""
    passed, interrupted = judged(healthy()), judged(healthy(), "interrupted")
    harness = judged(healthy(), "error")
    draft = healthy()
    draft.move("j-1", "succeeded>queued", attempt=2, token=2)
    failed = judged(draft)
    assert combine([]) is ExitCode.INCONCLUSIVE
    assert combine([passed]) is ExitCode.PASS
    assert combine([passed, interrupted]) is ExitCode.INCONCLUSIVE
    assert combine([interrupted, harness, passed]) is ExitCode.HARNESS
    assert combine([harness, failed, interrupted]) is ExitCode.FAIL


def test_each_property_is_whole() -> None:
    """A name that is its module's, a promise in one sentence, and parameters with types."""
    for each in checks.PROPERTIES:
        assert each.__name__ == f"unstuck.checks.{each.NAME}"  # type: ignore[attr-defined]  # a module
        assert each.PROMISE.endswith(".")
        assert all(isinstance(kind, type) for kinds in each.PARAMETERS.values() for kind in kinds)
    assert checks.property_parameters()["every_job_terminal"] == {"within_s": (int, float)}
    assert len(set(checks.property_names())) == len(checks.PROPERTIES) == 24
    assert vars(subject)["PROPERTIES"] is checks.PROPERTIES
