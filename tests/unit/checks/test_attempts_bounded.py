"""attempts_bounded: no job is tried for ever."""

from __future__ import annotations

from tests.unit.checks.draft import Draft
from unstuck.checks import attempts_bounded as subject
from unstuck.checks.port import Verdict


def claimed(times: int, *, said: int | None = None, handed_back: int = 0, lost: int = 0) -> Draft:
    """A job that is claimed some times; the attempts log has the first `said` of them: the first were handed
    back, the next were lost, the rest failed.
    """
    draft = Draft()
    draft.queued("j-1")
    for token in range(1, times + 1):
        draft.claimed("j-1", attempt=token, token=token)
        draft.move("j-1", "active>queued", attempt=token, token=token)
    for token in range(1, (times if said is None else said) + 1):
        outcome = (
            "handed_back" if token <= handed_back else "lost" if token <= handed_back + lost else "failed"
        )
        draft.add("said", "attempt", job="j-1", attempt=token, token=token, outcome=outcome)
    return draft


def test_nothing_to_judge_is_inconclusive() -> None:
    """A job that was never claimed was never attempted."""
    assert claimed(0).check(subject).verdict is Verdict.INCONCLUSIVE


def test_as_many_as_allowed_passes() -> None:
    """Three is the default; hand-backs do not count."""
    assert claimed(3).check(subject).verdict is Verdict.PASS
    result = claimed(6, handed_back=3).check(subject)
    assert (result.verdict, result.figures) == (Verdict.PASS, {"most": 3})


def test_one_more_fails() -> None:
    """The evidence is every claim."""
    result = claimed(4).check(subject)
    assert result.verdict is Verdict.FAIL
    assert len(result.evidence[0].events) == 4
    assert "j-1 was attempted 4 times, 3 are allowed" in result.summary
    assert claimed(2).check(subject, most=1).verdict is Verdict.FAIL


def test_what_was_lost_counts_from_the_sixth_on() -> None:
    """Or all of it, where the scenario says how many attempts there may be, and nothing of losses."""
    assert claimed(8, lost=5).check(subject).verdict is Verdict.PASS
    ninth = claimed(9, lost=6).check(subject)
    assert ninth.verdict is Verdict.FAIL
    assert "was attempted 4 times, 3 are allowed, beside 5 that were lost and spared" in ninth.summary
    assert claimed(2, lost=2).check(subject, most=1).verdict is Verdict.FAIL
    assert claimed(3, lost=2).check(subject, most=1, losses_spared=2).verdict is Verdict.PASS


def test_claims_without_a_log_are_unclear() -> None:
    """What nobody says was charged may have been handed back."""
    result = claimed(4, said=3).check(subject)
    assert (result.verdict, result.judged) == (Verdict.INCONCLUSIVE, 1)
    assert "was claimed 4 times; of 1 nothing says whether they count" in result.summary
    assert claimed(3, said=0).check(subject).verdict is Verdict.PASS


def test_a_declared_target_is_bounded_only_where_a_scenario_says_so() -> None:
    """Its own retries are its own affair: three of them are four attempts, and nobody promised fewer."""
    draft = Draft()
    draft.move("j-1", ">queued", sampled=True)
    for number in range(1, 6):
        draft.move("j-1", "queued>active", attempt=number, token=number, worker="w", sampled=True)
        draft.add("attempt", "begin", job="j-1", process="w", attempt=number)
        draft.move("j-1", "active>queued", attempt=number, token=number, sampled=True)
    draft.end()
    assert draft.check(subject).judged == 0
    assert draft.check(subject, most=4).verdict is Verdict.FAIL
