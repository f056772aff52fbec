"""Recovery times of a run: from which blow they are counted, and of which jobs."""

from __future__ import annotations

import pytest

from tests.unit.checks.draft import Draft
from unstuck.compare.recoveries import Recoveries, recoveries


def hit(
    *, claim_at_s: float | None = 3.0, end_at_s: float | None = 5.0, healed_at_s: float | None = None
) -> Draft:
    """A claimed job; a blow is dealt at 2 s and seen to have landed at 2.2 s."""
    draft = Draft()
    draft.queued("a")
    draft.claimed("a")
    draft.add("fault", "armed", data={"fault": 0, "name": "kill"})
    blow = {"fault": 0, "name": "kill", "jobs": ["a"], "processes": ["worker-1"]}
    draft.add("fault", "fired", at_s=2.0, data=blow)
    draft.add("fault", "landed", at_s=2.2, data={**blow, "struck_at_ns": 2_000_000_000})
    if healed_at_s is not None:
        draft.add("fault", "healed", at_s=healed_at_s, data=blow)
    if claim_at_s is not None:
        draft.move("a", "active>queued", at_s=claim_at_s - 0.1, attempt=1, token=1)
        draft.move("a", "queued>active", at_s=claim_at_s, attempt=2, token=2, worker="worker-2")
    if end_at_s is not None:
        draft.move("a", "active>succeeded", at_s=end_at_s, attempt=2, token=2)
    return draft


def test_time_begins_with_the_blow() -> None:
    """Not with its landing, which is seen later, and not always equally late."""
    found = recoveries(hit().story())
    assert found.claimed_s == pytest.approx((1.0,))
    assert found.ended_s == pytest.approx((3.0,))


def test_a_lasting_fault_counts_from_its_healing() -> None:
    """Nothing could recover before; what did all the same counts from the blow."""
    found = recoveries(hit(healed_at_s=2.5).story())
    assert found.claimed_s == pytest.approx((0.5,))
    found = recoveries(hit(healed_at_s=4.0).story())
    assert found.claimed_s == pytest.approx((1.0,))
    assert found.ended_s == pytest.approx((1.0,))


def test_what_did_not_recover_has_no_time() -> None:
    """A job that was never claimed again, and one that never ended: other checks speak of them."""
    assert recoveries(hit(claim_at_s=None, end_at_s=None).story()) == Recoveries()
    assert recoveries(hit(claim_at_s=None).story()).claimed_s == ()


def test_a_claim_counts_from_the_last_blow_before_it() -> None:
    """Two blows before one claim are one recovery; the end counts from the first of them."""
    draft = hit(claim_at_s=None, end_at_s=None)
    blow = {"fault": 1, "name": "kill", "jobs": ["a"]}
    draft.add("fault", "armed", at_s=2.3, data=blow)
    draft.add("fault", "fired", at_s=2.4, data=blow)
    draft.add("fault", "landed", at_s=2.5, data=blow)
    draft.move("a", "active>queued", at_s=3.3, attempt=1, token=1)
    draft.move("a", "queued>active", at_s=3.4, attempt=2, token=2)
    draft.move("a", "active>succeeded", at_s=5.0, attempt=2, token=2)
    found = recoveries(draft.story())
    assert found.claimed_s == pytest.approx((1.0,))
    assert found.ended_s == pytest.approx((3.0,))


def test_to_heal_is_no_blow() -> None:
    """It hits every job in flight, and harms none."""
    draft = Draft()
    draft.queued("a")
    draft.claimed("a")
    blow = {"fault": 0, "name": "heal", "jobs": ["a"]}
    for phase in ("armed", "fired", "landed"):
        draft.add("fault", phase, data=blow)
    draft.move("a", "active>succeeded", attempt=1, token=1)
    assert recoveries(draft.story()) == Recoveries()


def test_a_run_counts_once() -> None:
    """Its jobs share one fate: their median stands for them, and what there is none of is absent."""
    assert Recoveries(claimed_s=(1.0, 2.0, 9.0)).series() == {"claimed": 2.0}
    assert Recoveries().series() == {}


def test_a_job_that_waited_has_nothing_to_recover_from() -> None:
    """It counts only where no job that was worked on was hit: else chance would decide what is measured."""
    draft = Draft()
    for job in ("held", "waiting"):
        draft.queued(job)
    draft.claimed("held")
    jobs = {"fault": 0, "name": "kill", "jobs": ["held", "waiting"]}
    for phase, at_s in (("armed", 1.0), ("fired", 2.0), ("landed", 2.1)):
        draft.add("fault", phase, at_s=at_s, data=jobs)
    draft.move("waiting", "queued>active", at_s=2.5, attempt=1, token=1)
    assert recoveries(draft.story()).claimed_s == pytest.approx((0.5,))
    draft.move("held", "active>queued", at_s=3.9, attempt=1, token=1)
    draft.move("held", "queued>active", at_s=4.0, attempt=2, token=2)
    assert recoveries(draft.story()).claimed_s == pytest.approx((2.0,))
