"""backlog_within: no more jobs wait at a time than are allowed."""

from __future__ import annotations

from tests.unit.checks.draft import Draft
from unstuck.checks import backlog_within as subject
from unstuck.checks.port import Verdict


def three_in_a_row(tag: str = "job") -> Draft:
    """Two wait, one of them is claimed, and then the third comes."""
    draft = Draft()
    for name in ("j-1", "j-2"):
        draft.move(name, ">awaiting_upload", tag=tag)
        draft.move(name, "awaiting_upload>queued", tag=tag)
    draft.move("j-1", "queued>active", attempt=1, token=1)
    draft.move("j-3", ">queued", tag=tag)
    draft.end()
    return draft


def test_nothing_that_waits_is_inconclusive() -> None:
    """Neither without jobs nor without a bound is there anything to judge."""
    draft = Draft()
    draft.end()
    assert draft.check(subject, most=1).verdict is Verdict.INCONCLUSIVE
    assert three_in_a_row().check(subject).verdict is Verdict.INCONCLUSIVE


def test_a_backlog_within_its_bound_passes() -> None:
    """What was claimed waits no more."""
    result = three_in_a_row().check(subject, most=2)
    assert (result.verdict, result.judged, result.figures) == (Verdict.PASS, 3, {"highest": 2})


def test_a_backlog_above_its_bound_fails() -> None:
    """With the moment at which it was highest."""
    result = three_in_a_row().check(subject, most=1)
    assert result.verdict is Verdict.FAIL
    assert result.evidence[0].message == "2 jobs waited at 0.050 s, 1 are allowed"


def test_only_jobs_of_the_tag_count() -> None:
    """Others may wait as they like."""
    assert three_in_a_row("other").check(subject, most=1, tag="job").verdict is Verdict.INCONCLUSIVE
    assert three_in_a_row("job").check(subject, most=1, tag="job").verdict is Verdict.FAIL
