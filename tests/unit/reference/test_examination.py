"""The deep look of `/healthz`: what it says of the disk where jobs work, and of the object store."""

from __future__ import annotations

import errno
import shutil
from pathlib import Path
from typing import Any

import pytest

from reference_service import disk
from reference_service.examination import examine
from reference_service.fakes import memory_world
from reference_service.ports import Rejected, Unavailable


def said_of_disk(folder: Path, **settings: Any) -> str | None:
    world = memory_world(work_folder=str(folder), **settings)
    (found,) = (finding for finding in examine(world.service) if finding.what == "disk")
    return found.problem


def test_a_work_folder_that_is_not_there_yet_is_no_problem(tmp_path: Path) -> None:
    """A worker makes it; what counts is the disk that it will lie on."""
    assert said_of_disk(tmp_path / "not" / "there") is None


def test_a_disk_on_which_no_worker_takes_a_job_is_told(tmp_path: Path) -> None:
    """By the reserve and the budget that workers go by."""
    reserve = 1_000_000
    assert said_of_disk(tmp_path, disk_budget_bytes=2 * reserve, disk_reserve_bytes=reserve) is None
    said = said_of_disk(tmp_path, disk_budget_bytes=reserve // 2, disk_reserve_bytes=reserve)
    assert said == "500000 bytes are free, 1000000 are needed"


def test_a_disk_that_cannot_be_looked_at_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As a problem with its reason, not as a bug."""

    def broken(folder: Path) -> None:
        raise OSError(errno.EIO, "Input/output error", str(folder))

    monkeypatch.setattr(shutil, "disk_usage", broken)
    assert said_of_disk(tmp_path) == f"{tmp_path}/reference-local: Input/output error"


def test_the_folder_is_the_one_that_a_worker_measures(tmp_path: Path) -> None:
    """What others have beside it does not count against its budget."""
    (tmp_path / "others").write_bytes(bytes(1_000_000))
    assert disk.used_bytes(tmp_path) >= 1_000_000
    assert said_of_disk(tmp_path, disk_budget_bytes=100_000, disk_reserve_bytes=50_000) is None


@pytest.mark.parametrize(
    ("error", "problem"), [(Rejected("s3: 403"), None), (Unavailable("s3: away"), "s3: away")]
)
def test_an_object_store_that_says_no_has_answered(
    error: Exception, problem: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who may not list a bucket is told 403, not 404, of an object that is not there."""

    def refuse(_key: str) -> None:
        raise error

    world = memory_world()
    monkeypatch.setattr(world.objects, "head", refuse)
    assert [finding.problem for finding in examine(world.service, ["objects"])] == [problem]
