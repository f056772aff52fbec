"""Room on the disk: who waits for it, who is charged, and what is removed when."""

from __future__ import annotations

import errno
from pathlib import Path

import pytest

from reference_service import disk
from reference_service.examination import examine
from reference_service.fakes import memory_world
from reference_service.settings import GivenSettings

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
    assert disk.report(FULL, folder, patient=True)["outcome"] == "handed_back"
    impatient = disk.report(FULL, folder, patient=False)
    assert (impatient["outcome"], impatient["reason"]) == ("failed", "disk_exceeded")


def test_a_job_that_filled_the_disk_is_charged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Else it would be handed back for ever."""
    folder = tmp_path / "job"
    folder.mkdir()
    monkeypatch.setattr(disk, "used_bytes", lambda _: 1 << 60)
    assert disk.report(FULL, folder, patient=True)["reason"] == "disk_exceeded"


def test_any_other_error_is_not_the_disks(tmp_path: Path) -> None:
    """It goes on as it came."""

    def broken() -> dict[str, str]:
        raise OSError(errno.EIO, "Input/output error")

    with pytest.raises(OSError, match="Input/output"):
        disk.patiently(memory_world().service, tmp_path, broken)


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
