"""Which jobs of a campaign count, which were hit, and how long they took: by made-up histories."""

from __future__ import annotations

from typing import Any

import pytest

from bench.campaign.jobs import job_rows
from bench.campaign.rows import JobRow
from tests.unit.checks.draft import Draft
from unstuck.faults import FAULTS
from unstuck.scenario import Fault, OnPoint, Scenario, Upload


def scenario(*uploads: Upload, faults: tuple[Fault, ...] = ()) -> Scenario:
    return Scenario(
        name="drawn",
        summary="",
        workload=uploads or (Upload(),),
        faults=faults,
        expect={},
        settings={"upload_deadline_s": 3.0},
    )


def row(draft: Draft, drawn: Scenario | None = None) -> JobRow:
    [only] = job_rows(drawn or scenario(), draft.story())
    return only


def failed(reason: str) -> Draft:
    draft = Draft()
    draft.queued("j-1")
    draft.claimed("j-1")
    draft.move("j-1", "active>failed", attempt=1, token=1, reason=reason)
    return draft


def announced(**facts: Any) -> Draft:
    draft = Draft()
    op = draft.invoke("initiate_upload", tag="job")
    draft.move("j-1", ">awaiting_upload")
    draft.answer(op, "ok", "j-1", **facts)
    return draft


@pytest.mark.parametrize("reason", ["invalid_media", "source_changed", "object_missing", "crashed"])
def test_a_job_counts_whatever_the_service_says_of_it(reason: str) -> None:
    """A service that blamed its clients' videos for its own failures would have a rate of 100 % otherwise."""
    found = row(failed(reason))
    assert (found.excluded, found.good, found.reason) == (None, False, reason)


def test_a_job_whose_client_sent_no_video_does_not_count() -> None:
    """By the file that the scenario gave it, however its job ended."""
    draft = Draft()
    draft.succeeded("j-1", "hostile")
    assert (
        row(draft, scenario(Upload(tag="hostile", video="truncated.mp4"))).excluded
        == "no video, or half of one"
    )


def test_a_job_that_its_client_cancelled_does_not_count() -> None:
    """Whether or not the service heard of it."""
    draft = Draft()
    draft.queued("j-1")
    draft.op("cancel", "j-1", phase="info")
    assert row(draft).excluded == "its client cancelled it"


def test_a_job_that_no_client_heard_of_does_not_count() -> None:
    """The answer was lost: nobody could put anything."""
    draft = Draft()
    draft.move("j-1", ">awaiting_upload")
    draft.move("j-1", "awaiting_upload>expired")
    assert row(draft).excluded == "no client heard of it"


@pytest.mark.parametrize("phase", ["fail", "info"])
def test_an_upload_that_nobody_saw_taken_does_not_count(phase: str) -> None:
    """Neither one that was refused nor one whose answer never came."""
    draft = announced()
    draft.op("put_object", "j-1", phase=phase)
    assert row(draft).excluded == "not put, or not all of it"


def test_an_upload_in_parts_counts_when_every_part_was_taken() -> None:
    """One of two is half a video."""
    draft = announced()
    draft.op("put_part", "j-1", number=1, of=2)
    assert row(draft).excluded == "not put, or not all of it"
    draft.op("put_part", "j-1", number=2, of=2)
    assert row(draft).excluded is None


def test_an_upload_after_its_deadline_does_not_count() -> None:
    """By the deadline that the service told its client, else by the scenario's."""
    for told, late_s, excluded in (({"deadline_in_s": 1.0}, 1.5, True), ({}, 1.5, False), ({}, 3.5, True)):
        draft = announced(**told)
        draft.now_s += late_s
        draft.op("put_object", "j-1")
        assert (row(draft).excluded == "put after its deadline") is excluded


def test_only_a_job_that_the_scenario_poisons_is_excused_for_it() -> None:
    """A fault at each attempt says that the job itself is bad; one that strikes once does not."""
    crash = FAULTS["crash_here"].Parameters()
    for times, excluded in (("each", True), ("once", False)):
        fault = Fault(
            name="crash_here",
            parameters=crash,
            when=OnPoint(point="worker.stage.started", job="job"),
            times=times,  # type: ignore[arg-type]  # a parameter of this test
        )
        found = row(failed("crashed"), scenario(faults=(fault,)))
        assert (found.excluded is not None) is excluded


def struck(draft: Draft, *, index: int = 0, name: str = "kill", for_s: float = 0.0, **facts: Any) -> None:
    draft.fault("armed", "fired", "landed", index=index, name=name, **facts)
    if for_s:
        draft.add("fault", "healed", at_s=draft.now_s + for_s, fault=index, name=name, **facts)


def test_a_job_that_was_struck_twice_counts_once_from_the_last_blow() -> None:
    """From when that was dealt, for a kill."""
    draft = Draft()
    draft.queued("j-1")
    draft.claimed("j-1")
    for token in (2, 3):
        struck(draft, index=token, jobs=["j-1"])
        draft.now_s += 1.0
        draft.move("j-1", "active>queued", attempt=token, token=token - 1)
        draft.claimed("j-1", token=token)
    draft.move("j-1", "active>succeeded", token=3)
    found = row(draft)
    assert (found.hit, found.claims) == (True, 3)
    assert found.took_s == pytest.approx(1.03)


def test_a_fault_that_names_nobody_hits_nobody() -> None:
    """A link that is down for a while may or may not matter to a job: it does when it is claimed again."""
    draft = Draft()
    draft.queued("j-1")
    draft.claimed("j-1")
    struck(draft, name="link_down", for_s=0.5)
    draft.now_s += 1.0
    draft.move("j-1", "active>succeeded", token=1)
    assert (row(draft).hit, row(draft).took_s) == (False, None)


def test_only_the_job_that_a_struck_process_held_is_hit() -> None:
    """Another one, in flight at the same time, is not."""
    draft = Draft()
    for number, worker in ((1, "worker-1"), (2, "worker-2")):
        draft.queued(f"j-{number}")
        draft.claimed(f"j-{number}", worker=worker)
    struck(draft, processes=["worker-2"])
    rows = list(job_rows(scenario(), draft.story()))
    assert [one.hit for one in rows] == [False, True]


def test_a_job_that_is_claimed_again_was_hit_by_whatever_it_was() -> None:
    """Counted from when it was given up."""
    draft = Draft()
    draft.queued("j-1")
    draft.claimed("j-1")
    draft.move("j-1", "active>queued", attempt=1, token=1)
    draft.now_s += 2.0
    draft.claimed("j-1", token=2)
    draft.move("j-1", "active>succeeded", token=2)
    assert row(draft).hit
    assert row(draft).took_s == pytest.approx(2.02)


def test_a_hit_job_that_fails_has_not_recovered() -> None:
    """It ended, and that is all."""
    draft = Draft()
    draft.queued("j-1")
    draft.claimed("j-1")
    struck(draft, jobs=["j-1"])
    draft.move("j-1", "active>failed", attempt=1, token=1, reason="crashed")
    assert (row(draft).hit, row(draft).good, row(draft).took_s) == (True, False, None)


def test_a_job_that_ends_before_the_heal_is_counted_from_the_blow() -> None:
    """Another worker took it while the first one slept: that took its time, and not none."""
    draft = Draft()
    draft.queued("j-1")
    draft.claimed("j-1")
    struck(draft, name="pause", for_s=9.0, jobs=["j-1"])
    draft.now_s += 2.0
    draft.move("j-1", "active>queued", attempt=1, token=1)
    draft.claimed("j-1", token=2, worker="worker-2")
    draft.move("j-1", "active>succeeded", token=2)
    assert row(draft).took_s == pytest.approx(2.04)


def test_the_time_in_which_another_fault_is_in_force_is_no_recovery() -> None:
    """Killed, and then the database was away for four of five seconds, twice at once for one of them."""
    draft = Draft()
    draft.queued("j-1")
    draft.claimed("j-1")
    struck(draft, jobs=["j-1"])
    begun_s = draft.now_s
    struck(draft, index=1, name="link_down", for_s=3.0)
    draft.now_s = begun_s + 2.0
    struck(draft, index=2, name="link_down", for_s=2.0)
    draft.now_s = begun_s + 5.0
    draft.move("j-1", "active>succeeded", token=1)
    assert row(draft).took_s == pytest.approx(1.0, abs=0.1)
