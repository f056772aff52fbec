"""effects: what a job does to the outside happens as often as promised."""

from __future__ import annotations

import pytest

from tests.unit.checks.draft import Draft
from unstuck.checks import effects as subject
from unstuck.checks.port import Verdict


def test_nothing_to_judge_is_inconclusive() -> None:
    """No success and no effect: nothing to judge."""
    draft = Draft()
    draft.queued("j-1")
    assert draft.check(subject).verdict is Verdict.INCONCLUSIVE


def test_one_applied_effect_for_each_success_passes() -> None:
    """Repeats under the same key, which the sink knew, are counted and no doubles."""
    draft = Draft()
    draft.succeeded("j-1")
    draft.effect("j-1", applied=False)
    draft.end()
    result = draft.check(subject)
    assert result.verdict is Verdict.PASS
    assert result.figures == {"applied": 1, "repeated": 1}
    assert result.summary == "1 effect applied for 1 succeeded job, 1 repeat"


def test_two_keys_fail() -> None:
    """An effect under a new key is applied again, and the sink could not know."""
    draft = Draft()
    draft.succeeded("j-1")
    draft.effect("j-1", key="j-1/2")
    result = draft.check(subject)
    assert result.verdict is Verdict.FAIL
    assert "had its effect applied under 2 keys: j-1, j-1/2" in result.summary


def test_one_key_applied_twice_fails() -> None:
    """A sink that applies one key twice breaks the promise just the same."""
    draft = Draft()
    draft.succeeded("j-1")
    draft.effect("j-1")
    assert "had its effect applied 2 times under key j-1" in draft.check(subject).summary


def test_success_without_effect_fails() -> None:
    """Succeeded, and the outside never learnt of it."""
    draft = Draft()
    draft.move("j-1", "active>succeeded")
    draft.end()
    assert "j-1 succeeded without an applied effect" in draft.check(subject).summary


@pytest.mark.parametrize("state", ["failed", "cancelled"])
def test_an_effect_of_a_job_that_did_not_succeed_fails(state: str) -> None:
    """The outside believes what the service denies."""
    draft = Draft()
    draft.effect("j-1")
    draft.move("j-1", f"active>{state}")
    result = draft.check(subject)
    assert result.verdict is Verdict.FAIL
    assert f"is {state}, but had its effect applied" in result.summary


def test_a_refused_effect_of_a_failed_job_is_none() -> None:
    """What the sink did not apply did not happen."""
    draft = Draft()
    draft.effect("j-1", applied=False)
    draft.move("j-1", "active>failed")
    assert draft.check(subject).verdict is Verdict.PASS


@pytest.mark.parametrize(
    ("delivery", "applied", "verdict"),
    [
        ("at_least_once", 2, Verdict.PASS),
        ("at_least_once", 0, Verdict.FAIL),
        ("at_most_once", 0, Verdict.PASS),
        ("at_most_once", 2, Verdict.FAIL),
        ("exactly_once", 2, Verdict.FAIL),
    ],
)
def test_the_promise_decides(delivery: str, applied: int, verdict: Verdict) -> None:
    """A double is fine under at-least-once, a loss under at-most-once; by parameter or by promise."""
    draft = Draft(promise=delivery)
    for _ in range(applied):
        draft.effect("j-1")
    draft.move("j-1", "active>succeeded")
    draft.end()
    assert draft.check(subject).verdict is verdict
    draft.events[0] = draft.events[0]._replace(data={})
    assert draft.check(subject, delivery=delivery).verdict is verdict


def test_what_the_history_does_not_settle_is_unclear() -> None:
    """An effect of a job in an unknown state, or before the run was over, settles nothing."""
    draft = Draft()
    draft.effect("j-1")
    assert "j-1 had an effect, and its state is unknown" in draft.check(subject).summary
    draft.move("j-1", "queued>active")
    result = draft.check(subject)
    assert (result.verdict, result.judged) == (Verdict.INCONCLUSIVE, 1)
    other = Draft()
    other.move("j-2", "active>succeeded")
    assert other.check(subject).verdict is Verdict.INCONCLUSIVE


def own(promise: str, held: str | None, *, reports: bool = True) -> Draft:
    """A job of a target of one's own that has succeeded, and what the last look has seen of it."""
    draft = Draft(promise=promise)
    draft.move("j-1", ">queued", sampled=True)
    if reports:
        draft.add("attempt", "begin", job="j-1", attempt=1)
        draft.effect("j-1")
    draft.move("j-1", "queued>succeeded", sampled=True)
    draft.outcome("j-1", "succeeded", held)
    draft.end()
    return draft


@pytest.mark.parametrize("held", ["lease", "queue"])
def test_a_job_that_is_still_held_after_its_end_may_be_done_again(held: str) -> None:
    """1. its effect was applied, 2. its worker died before it said so, 3. its lease outlives the run."""
    assert own("at_least_once", held).check(subject).verdict is Verdict.PASS
    for promise in ("effectively_once", "at_most_once"):
        result = own(promise, held).check(subject)
        assert result.verdict is Verdict.INCONCLUSIVE
        assert "another delivery may come" in result.summary
        assert own(promise, None).check(subject).verdict is Verdict.PASS


def test_a_target_whose_roles_report_nothing_proves_nothing() -> None:
    """Its file says that they do; that all effects are missing is not the likelier of the two."""
    result = own("at_least_once", None, reports=False).check(subject)
    assert result.verdict is Verdict.INCONCLUSIVE
    assert result.summary.startswith("no job has reported anything")


def test_why_effects_are_not_judged_is_said() -> None:
    """Whoever expects them reads what the target lacks."""
    assert Draft(effects_seen=False).check(subject).summary == "the target shows no effects"
