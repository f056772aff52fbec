"""calls_in_vain: a dependency that is away is left alone."""

from __future__ import annotations

from tests.unit.checks.draft import Draft
from unstuck.checks import calls_in_vain as subject
from unstuck.checks.port import Verdict


def asked(times: int, link: str = "worker-1.vision", draft: Draft | None = None) -> Draft:
    draft = draft or Draft()
    for _ in range(times):
        draft.add("message", "refused", process=link.partition(".")[0], link=link, facts={})
    return draft


def test_nothing_to_judge_is_inconclusive() -> None:
    """Nobody asked in vain; or nobody said how often one may."""
    assert asked(0).check(subject, link="worker.vision", most=3).verdict is Verdict.INCONCLUSIVE
    assert asked(3).check(subject).verdict is Verdict.INCONCLUSIVE


def test_as_often_as_allowed_passes() -> None:
    """All processes of the role count together, and other links do not."""
    draft = asked(9, "worker-1.sink", asked(2, "worker-2.vision", asked(1)))
    result = draft.check(subject, link="worker.vision", most=3)
    assert (result.verdict, result.figures) == (Verdict.PASS, {"in_vain": 3})


def test_once_more_fails() -> None:
    """The evidence is the last call."""
    result = asked(3, "worker-2.vision", asked(1)).check(subject, link="worker.vision", most=3)
    assert result.verdict is Verdict.FAIL
    assert "worker.vision was asked 4 times in vain, 3 are allowed" in result.summary


def test_without_a_link_each_is_judged_by_itself() -> None:
    """Three on each of two links are not six."""
    draft = asked(3, "relay-1.queue", asked(3))
    assert draft.check(subject, most=3).verdict is Verdict.PASS
    assert draft.check(subject, most=2).verdict is Verdict.FAIL


def test_a_request_that_was_given_up_without_a_reply_counts() -> None:
    """An API that hangs is asked in vain as one that is gone."""
    draft = asked(1)
    draft.add("message", "unanswered", process="worker-1", link="worker-1.vision", facts={})
    assert draft.check(subject, most=1).verdict is Verdict.FAIL
    assert draft.check(subject, most=2).verdict is Verdict.PASS


def test_what_a_fault_answered_was_in_vain_and_what_it_only_delayed_was_not() -> None:
    """A rule's message counts when its fault keeps the answer away."""
    draft = Draft(faults=[{"name": "error_message"}, {"name": "delay_message"}])
    for rule in ("fault-0", "fault-0", "fault-1", "other"):
        draft.add("message", "matched", process="worker-1", link="worker-1.vision", rule=rule)
    assert draft.check(subject, most=1).verdict is Verdict.FAIL
    assert draft.check(subject, most=2).verdict is Verdict.PASS
