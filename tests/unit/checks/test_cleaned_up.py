"""cleaned_up: a job that has ended leaves nothing behind that only its processing needed."""

from __future__ import annotations

from typing import Any

from tests.unit.checks.draft import Draft
from unstuck.checks import cleaned_up as subject
from unstuck.checks.port import Verdict


def ended(after: str = "succeeded", left: dict[str, int] | None = None) -> Draft:
    draft = Draft()
    draft.queued("j-1")
    draft.claimed("j-1", attempt=1, token=1)
    draft.move("j-1", f"active>{after}", attempt=1, token=1)
    facts: dict[str, Any] = {} if left is None else {"left": left}
    draft.add("outcome", job="j-1", state=after, held=None, **facts)
    return draft


def test_nothing_that_was_looked_at_is_inconclusive() -> None:
    """Nobody looked; or the job has not ended, and may need what it has."""
    assert ended().check(subject).verdict is Verdict.INCONCLUSIVE
    waiting = ended("queued", {"rows": 1, "objects": 4})
    assert waiting.check(subject).verdict is Verdict.INCONCLUSIVE


def test_nothing_left_passes() -> None:
    """However it ended."""
    for after in ("succeeded", "failed", "cancelled"):
        assert ended(after, {"rows": 0, "objects": 0}).check(subject).verdict is Verdict.PASS


def test_a_row_or_an_object_fails() -> None:
    """The evidence is the job's end, and what it left."""
    for left in ({"rows": 1, "objects": 0}, {"rows": 0, "objects": 2}):
        assert ended(left=left).check(subject).verdict is Verdict.FAIL
    result = ended(left={"rows": 1, "objects": 2}).check(subject)
    assert "j-1 is succeeded, and has left 1 row and 2 objects" in result.summary
