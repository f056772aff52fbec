"""Room on the disk: who waits for it, who is charged, and what is removed when."""

from __future__ import annotations

import errno
import shutil
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from sqlalchemy import text

from reference_service import descriptors, disk, relay
from reference_service.domain import Job, State
from reference_service.examination import examine
from reference_service.fakes import FakeRuntime, MemoryWorld, memory_world
from reference_service.room import REFUSALS_MAX, Room
from reference_service.settings import GivenSettings
from tests.unit.reference.drive import get, make, queued, state_of, work_until_idle

FULL = OSError(errno.ENOSPC, "No space left on device")


def test_the_budget_counts_what_lies_in_the_folder(tmp_path: Path) -> None:
    """Without one the disk itself does."""
    settings = GivenSettings(database_url="sqlite://", sink_url="http://s", disk_budget_bytes=100_000)
    assert disk.free_bytes(settings, tmp_path) == 100_000
    assert disk.free_bytes(settings, tmp_path / "not" / "there") == 100_000
    (tmp_path / "a").write_bytes(bytes(50_000))
    assert disk.free_bytes(settings, tmp_path) <= 50_000
    (tmp_path / "b").write_bytes(bytes(90_000))
    assert disk.free_bytes(settings, tmp_path) == 0


def test_a_job_that_met_a_full_disk_is_handed_back(tmp_path: Path) -> None:
    """Nobody is charged for what others have filled."""
    folder = tmp_path / "job"
    folder.mkdir()
    for off, outcome in (("", "handed_back"), ("disk_patience", "failed")):
        world = memory_world(defences_off=off)
        found = disk.report(world.service, get(world, queued(world)), FULL, folder)
        assert found["outcome"] == outcome
        assert found.get("reason") == ("disk_exceeded" if off else None)


def test_a_job_that_meets_a_full_disk_again_and_again_waits_longer_and_longer(tmp_path: Path) -> None:
    """In a minute it is claimed as often as pauses that double allow, and not as often as it can be."""
    world = memory_world(work_folder=str(tmp_path), retry_first_s=5)
    world.stages.failures["frames"] = FULL
    job = queued(world)
    one, _ = make(world)
    ends_at = world.clock.now() + 60
    while world.clock.now() < ends_at:
        one.step()
        relay.publish(world.service)
        world.clock.advance(0.5)
    now = get(world, job)
    assert (now.state, now.charged) == (State.QUEUED, 0)
    assert 4 <= now.attempt <= 5
    assert now.not_before is not None


MIB = 1024 * 1024
BUDGET: dict[str, Any] = {"disk_budget_bytes": 100 * MIB, "disk_reserve_bytes": 10 * MIB}


def sized(world: MemoryWorld, mib: int) -> Job:
    """A queued job whose upload is said to have been so large."""
    job = queued(world)
    statement = text("UPDATE jobs SET size_bytes = :size WHERE id = :job")
    world.database.run(lambda c: c.execute(statement, {"size": mib * MIB, "job": job.id}))
    return job


def test_a_job_is_begun_if_there_is_room_for_its_size(tmp_path: Path) -> None:
    """Beside what those that run still need. Who has to wait is not charged, and does not begin."""
    world = memory_world(work_folder=str(tmp_path), slots=3, retry_first_s=5, **BUDGET)
    jobs = [sized(world, mib) for mib in (20, 15, 5)]
    one, runtime = make(world)
    runtime.held = True
    one.step()
    one.step()
    assert [state_of(world, job) for job in jobs] == [State.ACTIVE, State.QUEUED, State.ACTIVE]
    waits = get(world, jobs[1])
    assert (waits.attempt, waits.charged) == (1, 0)
    assert waits.not_before is not None
    runtime.held = False
    work_until_idle(world, one)
    world.clock.advance(5)
    work_until_idle(world, one)
    assert {state_of(world, job) for job in jobs} == {State.SUCCEEDED}


@pytest.mark.parametrize("off", ["", "disk_budget"])
def test_what_has_been_written_counts_once(off: str, tmp_path: Path) -> None:
    """It is of what its job needs; `disk_budget` off: nobody looks."""
    world = memory_world(work_folder=str(tmp_path), defences_off=off, **BUDGET)
    root = disk.root_of(world.service.settings)
    root.mkdir()
    (root / "frames").write_bytes(bytes(50 * MIB))
    running, small, large = (get(world, sized(world, mib)) for mib in (20, 10, 11))
    room = Room(world.service, FakeRuntime(world.clock), root)
    assert room.refusal(small, [running]) is None
    assert (room.refusal(large, [running]) is None) == bool(off)


def test_a_job_that_never_fits_is_begun_all_the_same(tmp_path: Path) -> None:
    """By an estimate nobody waits for ever: it may be wrong, and whoever fills the disk is charged."""
    world = memory_world(work_folder=str(tmp_path), **BUDGET)
    job = sized(world, 31)
    one, _ = make(world)
    work_until_idle(world, one)
    assert state_of(world, job) is State.SUCCEEDED


def test_space_that_others_hold_keeps_no_job_from_beginning(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It may never come back: a worker that runs nothing else begins what would fit on an empty disk."""
    world = memory_world(work_folder=str(tmp_path), disk_reserve_bytes=10 * MIB)
    others = SimpleNamespace(total=200 * MIB, used=80 * MIB, free=120 * MIB)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: others)
    job = sized(world, 45)
    one, _ = make(world)
    work_until_idle(world, one)
    assert state_of(world, job) is State.SUCCEEDED


def test_a_large_job_beside_a_steady_stream_of_small_ones_is_begun_at_last(tmp_path: Path) -> None:
    """After so many refusals the estimate no longer counts; what it waited for else does not count here."""
    world = memory_world(
        work_folder=str(tmp_path), slots=3, retry_longest_s=5, stage_timeout_s=6000, **BUDGET
    )
    sized(world, 20)
    one, runtime = make(world)
    runtime.held = True
    one.step()
    large = sized(world, 15)
    for _ in range(60):
        relay.publish(world.service)
        one.step()
        world.clock.sleep(5)
    begun = get(world, large)
    assert (begun.state, begun.attempt, begun.charged) == (State.ACTIVE, REFUSALS_MAX + 1, 1)


def test_a_worker_without_room_for_large_jobs_leaves_them_to_others(tmp_path: Path) -> None:
    """It puts off what it has claimed, and rests: others find jobs that they can begin."""
    world = memory_world(work_folder=str(tmp_path), slots=2, retry_first_s=5, **BUDGET)
    sized(world, 20)
    one, runtime = make(world)
    runtime.held = True
    one.step()
    large = [sized(world, 15) for _ in range(20)]
    began_at = world.clock.now()
    while world.clock.now() < began_at + 30:
        one.step()
    assert 1 <= sum(get(world, job).attempt for job in large) <= 5


@pytest.mark.parametrize("what", ["disk", "descriptors"])
def test_who_has_waited_as_often_as_he_may_is_charged(what: str, tmp_path: Path) -> None:
    """Whatever it is that there is too little of: nobody waits for ever."""
    world = memory_world(waits_max=4)
    job = replace(get(world, queued(world)), charged=1)
    for waits, outcome in ((3, "handed_back"), (4, "failed")):
        one = replace(job, attempt=waits + 1)
        if what == "disk":
            found = disk.report(world.service, one, FULL, tmp_path)
        else:
            found = descriptors.report(world.service, one, OSError(errno.EMFILE, "Too many open files"))
        assert found["outcome"] == outcome


def test_a_job_that_filled_the_disk_is_charged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Else it would be handed back for ever."""
    folder = tmp_path / "job"
    folder.mkdir()
    monkeypatch.setattr(disk, "used_bytes", lambda _: 1 << 60)
    world = memory_world()
    found = disk.report(world.service, get(world, queued(world)), FULL, folder)
    assert found["reason"] == "disk_exceeded"


def test_any_other_error_is_not_the_disks(tmp_path: Path) -> None:
    """It goes on as it came."""

    def broken() -> dict[str, str]:
        raise OSError(errno.EIO, "Input/output error")

    world = memory_world()
    with pytest.raises(OSError, match="Input/output"):
        disk.patiently(world.service, get(world, queued(world)), tmp_path, broken)


def test_what_no_later_stage_reads_goes_at_once(tmp_path: Path) -> None:
    """Frames after the thumbnails, the source after stitching; `eager_cleanup` off: nothing goes."""
    for off, left in (("", ["captions"]), ("eager_cleanup", ["captions", "frames", "source"])):
        folder = tmp_path / f"job{off}"
        for name in ("frames", "captions"):
            (folder / name).mkdir(parents=True)
        (folder / "source").write_bytes(b"x")
        service = memory_world(defences_off=off).service
        for stage in ("captions", "thumbnails", "stitch"):
            disk.make_room(service, folder, after=stage)
        assert sorted(path.name for path in folder.iterdir()) == left
        disk.leave(service, folder)
        assert folder.exists() == bool(off)


def test_a_deep_look_names_what_is_away() -> None:
    """Each dependency by itself; none of them raises."""
    world = memory_world()
    assert {finding.what: finding.problem for finding in examine(world.service)} == dict.fromkeys(
        ("database", "queue", "objects", "disk", "codecs", "vision")
    )
    world.jobs_queue.away = True
    assert [finding.what for finding in examine(world.service) if finding.problem] == ["queue"]
