"""What a crash within a stage costs: what is counted of a run, and what the rule alone says."""

from __future__ import annotations

import pytest

from bench.claims.make_video import told_of
from bench.rework import Again, Rework, back_s, pays_from, places, saved
from tests.unit.checks.draft import Draft
from unstuck.scenario import UNIT_DONE


def test_at_the_default_a_short_stage_saves_nothing_and_a_long_one_most() -> None:
    """Below 25 pictures nothing was kept; of many, half of 25 are lost on average."""
    assert saved(24) == 0.0
    assert saved(240) == pytest.approx(0.9, abs=0.01)
    assert saved(12, every=3) > 0.6  # what was measured once, with a setting that nobody has
    first = pays_from(0.6)
    assert saved(first - 1) < 0.6 <= saved(first)
    assert pays_from(0.8) > first


def test_the_way_back_is_from_the_claim_until_the_work_is_past_the_crash() -> None:
    """What the next attempt does again on its way does not end it."""
    draft = Draft()
    draft.queued("j-1")
    draft.claimed("j-1")
    for position in (1, 2, 3):
        draft.add(
            "point", "reached", process="w", job="j-1", point=UNIT_DONE, stage="frames", position=position
        )
    draft.move("j-1", "active>queued", attempt=1, token=1)
    draft.now_s = 10.0
    draft.claimed("j-1", token=2)
    for position in (2, 3, 4):
        draft.now_s += 0.99
        draft.add(
            "point", "reached", process="w", job="j-1", point=UNIT_DONE, stage="frames", position=position
        )
    assert back_s(draft.story(), "frames", 3) == pytest.approx(3.0)


def test_crashes_are_anywhere_and_always_the_same() -> None:
    """Who chose them could choose the answer."""
    assert places() == places() != places(seed=2)
    assert {stage for stage, _ in places()} == {"frames", "scenes"}


@pytest.mark.parametrize(
    ("units", "seconds", "verdict"),
    [(10, 1.0, "held"), (10, 9.0, "not testable here"), (50, 1.0, "refuted")],
)
def test_pictures_and_seconds_both_have_to_be_fewer(units: int, seconds: float, verdict: str) -> None:
    """Fetching what was kept may take longer than making it anew."""
    found = Rework(
        places=(("frames", 100),),
        kept=(Again(units=units, back_s=seconds),),
        lost=(Again(units=100, back_s=10.0),),
    )
    assert told_of(found).verdict == verdict
