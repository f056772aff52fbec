"""recovery_runs: sweeps run one at a time, and none begins while recovery is paused."""

from __future__ import annotations

from tests.unit.checks.draft import Draft
from unstuck.checks import recovery_runs as subject
from unstuck.checks.port import Verdict


def begin(draft: Draft, run: int, actor: str = "scheduler-1") -> int:
    return draft.add("sweep", "begin", run=run, trigger="schedule", actor=actor)


def end(draft: Draft, run: int, state: str = "done", triggered: int = 0) -> int:
    return draft.add("sweep", "end", run=run, trigger="schedule", actor="x", state=state, triggered=triggered)


def test_nothing_swept_is_inconclusive() -> None:
    """A pause alone proves nothing."""
    draft = Draft()
    draft.add("sweep", "pause")
    draft.end()
    assert draft.check(subject).verdict is Verdict.INCONCLUSIVE


def test_one_after_the_other_passes() -> None:
    """The last may be under way when the run ends; pauses lie between."""
    draft = Draft()
    begin(draft, 1)
    end(draft, 1, triggered=2)
    draft.add("sweep", "pause")
    draft.add("sweep", "resume")
    begin(draft, 2)
    draft.end()
    result = draft.check(subject)
    assert (result.verdict, result.figures) == (Verdict.PASS, {"sweeps": 2, "triggered": 2})


def test_one_whose_process_died_ends_when_the_service_says_so() -> None:
    """Abandoned, in the transaction that begins the next."""
    draft = Draft()
    begin(draft, 1)
    end(draft, 1, "abandoned")
    begin(draft, 2, "scheduler-2")
    end(draft, 2)
    draft.end()
    assert draft.check(subject).verdict is Verdict.PASS


def test_two_at_once_fail() -> None:
    """Both beginnings are the evidence."""
    draft = Draft()
    first = begin(draft, 1)
    second = begin(draft, 2, "scheduler-2")
    end(draft, 1)
    end(draft, 2)
    draft.end()
    result = draft.check(subject)
    assert (result.verdict, result.evidence[0].events) == (Verdict.FAIL, (first, second))
    assert "run 2 (scheduler-2, schedule) began" in result.evidence[0].message


def test_one_that_begins_while_recovery_is_paused_fails() -> None:
    """Also when nobody ever resumes."""
    for resumed in (True, False):
        draft = Draft()
        paused = draft.add("sweep", "pause")
        begun = begin(draft, 1)
        end(draft, 1)
        if resumed:
            draft.add("sweep", "resume")
        draft.end()
        result = draft.check(subject)
        assert (result.verdict, result.evidence[0].events) == (Verdict.FAIL, (paused, begun))
