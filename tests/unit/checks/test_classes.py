"""The class of each job's outcome, as it was observed."""

from __future__ import annotations

import pytest

from tests.unit.checks.draft import Draft
from unstuck.checks.classes import JobClass, Kind, classify


def of(draft: Draft) -> JobClass:
    return classify(draft.story())[0]


def ended(state: str, *, effects: int = 0, **facts: str) -> Draft:
    draft = Draft()
    draft.queued("j-1")
    draft.claimed("j-1")
    for _ in range(effects):
        draft.effect("j-1")
    draft.move("j-1", f"active>{state}", attempt=1, token=1, **facts)
    return draft


def test_a_healthy_job_is_ok() -> None:
    """One claim, one effect, succeeded."""
    row = of(ended("succeeded", effects=1))
    assert (row.kind, row.allowed, row.rescued, row.claims, row.tag) == (Kind.OK, True, None, 1, "job")
    assert row.took_s is not None
    assert round(row.took_s, 6) == 0.09


@pytest.mark.parametrize(
    ("state", "effects", "reason", "kind"),
    [
        ("succeeded", 2, None, Kind.DOUBLED),
        ("failed", 1, "crashed", Kind.DONE_BUT_FAILED),
        ("cancelled", 1, None, Kind.DONE_BUT_FAILED),
        ("failed", 0, None, Kind.FAILED_WITHOUT_ERROR),
        ("failed", 0, "crashed", Kind.OK),
        ("cancelled", 0, None, Kind.OK),
    ],
)
def test_ended_jobs(state: str, effects: int, reason: str | None, kind: Kind) -> None:
    """By what was applied, and by whether somebody says why it failed."""
    row = of(ended(state, effects=effects, **({} if reason is None else {"reason": reason})))
    assert (row.kind, row.reason) == (kind, reason)


def test_jobs_that_did_not_end() -> None:
    """Stuck while somebody holds it, lost when nobody does, done when its effect was applied."""
    draft = Draft()
    for job in ("j-1", "j-2", "j-3"):
        draft.queued(job)
        draft.claimed(job)
    draft.outcome("j-1", "active", "lease")
    draft.outcome("j-2", "active", None)
    draft.effect("j-3")
    draft.outcome("j-3", "active", "lease")
    rows = classify(draft.story())
    assert [row.kind for row in rows] == [Kind.STUCK, Kind.LOST, Kind.DONE_NOT_TERMINAL]
    assert {row.rescued for row in rows} == {"never"}
    assert {row.took_s for row in rows} == {None}


def test_the_wait_for_a_rescue_is_told() -> None:
    """From the blow to the next claim, the longest of several."""
    draft = Draft()
    draft.queued("j-1")
    draft.claimed("j-1")
    for token in (2, 3):
        draft.fault("armed", "fired", "landed", index=token, jobs=["j-1"])
        draft.move("j-1", "active>queued", attempt=token, token=token - 1)
        draft.now_s += token
        draft.claimed("j-1", token=token)
    draft.move("j-1", "active>succeeded", token=3)
    draft.fault("armed", "fired", "landed", index=9, jobs=["j-1"])
    row = of(draft)
    assert (row.kind, row.rescued) == (Kind.RESTARTED, "rescued after 3.030 s")


def test_a_job_that_was_hit_and_needed_no_rescue_says_nothing() -> None:
    """Its holder finished it."""
    draft = Draft()
    draft.queued("j-1")
    draft.claimed("j-1")
    draft.fault("armed", "fired", "landed", jobs=["j-1"])
    draft.move("j-1", "active>succeeded", token=1)
    assert of(draft).rescued is None


def test_the_promise_decides_what_is_allowed() -> None:
    """A double is fine under at-least-once, and under nothing else."""
    draft = ended("succeeded", effects=2)
    assert not of(draft).allowed
    for promise, allowed in (("at_least_once", True), ("at_most_once", False), ("unheard_of", False)):
        draft.events[0] = draft.events[0]._replace(data={"promise": promise})
        assert of(draft).allowed is allowed
