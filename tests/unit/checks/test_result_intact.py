"""result_intact: succeeded means outputs that can be watched."""

from __future__ import annotations

from typing import Any

import pytest

from tests.unit.checks.draft import Draft
from unstuck.checks import result_intact as subject
from unstuck.checks.port import Verdict

GOOD: dict[str, Any] = {
    "exists": True,
    "decodes": True,
    "duration_s": 2.04,
    "expected_duration_s": 2.0,
    "streams": ["video"],
}


def drafted(**changes: Any) -> Draft:
    draft = Draft()
    draft.succeeded("j-1")
    draft.outcome("j-1", "succeeded", result={**GOOD, **changes})
    return draft


def test_nothing_to_judge_is_inconclusive() -> None:
    """Without a success there is no result to judge."""
    draft = Draft()
    draft.move("j-1", "active>failed")
    assert draft.check(subject).verdict is Verdict.INCONCLUSIVE


def test_an_intact_result_passes() -> None:
    """A duration within the tolerance is as expected; no expected duration is not held against it."""
    assert drafted().check(subject).verdict is Verdict.PASS
    assert drafted(expected_duration_s=None).check(subject).verdict is Verdict.PASS
    assert drafted(expected_streams=["video"]).check(subject).verdict is Verdict.PASS
    assert drafted(expected_streams=[]).check(subject).verdict is Verdict.PASS
    assert drafted(pictures=80, expected_pictures=80).check(subject).verdict is Verdict.PASS
    assert drafted(pictures=80, expected_pictures=None).check(subject).verdict is Verdict.PASS
    both = drafted(streams=["audio", "video"], expected_streams=["video", "audio"])
    assert both.check(subject).verdict is Verdict.PASS


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"exists": False}, "its outputs do not exist"),
        ({"decodes": False, "problem": "moov atom not found"}, "do not decode (moov atom not found)"),
        ({"streams": []}, "its output has no streams"),
        ({"expected_streams": ["audio"]}, "has the streams ['video'], not ['audio']"),
        ({"problem": "no manifest"}, "succeeded, but no manifest"),
        ({"duration_s": None}, "its output has no duration"),
        ({"duration_s": 1.0}, "its output lasts 1.000 s, not 2.000 s"),
        ({"pictures": 60, "expected_pictures": 80}, "its output has 60 pictures, not 80"),
        ({"expected_pictures": 80}, "its output has no pictures, not 80"),
        ({"sound_behind_s": 0.061}, "its sound comes 0.061 s behind its pictures (at most 0.060 s)"),
        ({"sound_behind_s": -0.041}, "its sound comes 0.041 s ahead of its pictures (at most 0.040 s)"),
    ],
)
def test_a_broken_result_fails(changes: dict[str, Any], message: str) -> None:
    """Each thing that can be wrong with a result is named."""
    result = drafted(**changes).check(subject)
    assert result.verdict is Verdict.FAIL
    assert message in result.summary


def test_the_tolerance_can_be_given() -> None:
    """A stricter tolerance refuses what the usual one allows."""
    assert drafted().check(subject, tolerance_s=0.01).verdict is Verdict.FAIL
    late, early = drafted(sound_behind_s=0.05), drafted(sound_behind_s=-0.03)
    assert late.check(subject, behind_s=0.04).verdict is Verdict.FAIL
    assert early.check(subject, ahead_s=0.02).verdict is Verdict.FAIL


def test_sound_within_the_recommendation_is_in_step() -> None:
    """A little early, a little late, or no sound at all: nobody sees it."""
    for behind_s in (-0.04, 0.0, 0.06, None):
        assert drafted(sound_behind_s=behind_s).check(subject).verdict is Verdict.PASS


def test_a_result_that_nobody_looked_at_is_unclear() -> None:
    """Succeeded by its state alone proves nothing about the outputs."""
    draft = Draft()
    draft.succeeded("j-1")
    assert draft.check(subject).verdict is Verdict.INCONCLUSIVE
    draft.outcome("j-1", "succeeded", result=None)
    result = draft.check(subject)
    assert (result.verdict, result.judged) == (Verdict.INCONCLUSIVE, 1)
