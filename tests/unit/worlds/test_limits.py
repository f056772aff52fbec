"""A low limit of open files is raised, or told before anything starts."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from types import SimpleNamespace

import pytest

from unstuck.errors import UsageError
from unstuck.worlds.process import limits
from unstuck.worlds.process.dependencies.postgres_cluster import reason_of
from unstuck.worlds.process.session import Session

ENVIRONMENT = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
PROGRAM = """
import resource
from unstuck.errors import UsageError
from unstuck.worlds.process.limits import raise_open_files
resource.setrlimit(resource.RLIMIT_NOFILE, ({soft}, {hard}))
try:
    raise_open_files()
except UsageError as error:
    print(error)
print(resource.getrlimit(resource.RLIMIT_NOFILE)[0])
"""


@pytest.mark.parametrize(
    ("soft", "hard", "then"),
    [(64, 1024, 256), (300, 1024, 300), (256, 256, 256)],
)
def test_a_low_soft_limit_is_raised(soft: int, hard: int, then: int) -> None:
    """As far as a run needs it, and no further; one that is high enough stays."""
    assert run(soft, hard) == [str(then)]


def test_a_low_hard_limit_is_refused_with_the_number_that_is_needed() -> None:
    """One line: what it is, what it has to be, and how to get there."""
    said, limit = run(64, 64)
    assert "ulimit -Hn=64 is too low" in said
    assert "256" in said
    assert limit == "64"


def run(soft: int, hard: int) -> list[str]:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM.format(soft=soft, hard=hard)],
        capture_output=True,
        text=True,
        check=True,
        env=ENVIRONMENT,
    )
    return done.stdout.splitlines()


def test_a_full_temporary_disk_is_told_before_anything_starts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One line with the folder, what is free and what is needed; not what PostgreSQL says of it."""
    total, used, free = 10**9, 10**9 - 5 * 1024**2, 5 * 1024**2
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(total=total, used=used, free=free))
    with pytest.raises(UsageError) as caught, Session(scratch=tmp_path) as session:
        session.prepare()
    assert str(caught.value).startswith(f"{tmp_path}: has 5 MiB free, and a run needs 128.")
    assert list(tmp_path.iterdir()) == []


def test_no_folder_for_temporary_files_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where TMPDIR cannot be written, and nothing else that Python tries."""

    def none() -> str:
        raise FileNotFoundError(2, "No usable temporary directory found in ['/a', '/b']")

    monkeypatch.setattr(tempfile, "gettempdir", none)
    with pytest.raises(UsageError, match=r"No usable temporary directory .* set TMPDIR"):
        Session()


@pytest.mark.parametrize(
    ("log", "reason"),
    [
        (
            "running bootstrap\ninitdb: error: could not write: No space left\ninitdb: removing it\n",
            "could not write",
        ),
        ("child process exited with exit code 1\n", "exit code 1"),
        ("", "it said nothing"),
    ],
)
def test_a_failed_initdb_is_told_in_one_line(tmp_path: Path, log: str, reason: str) -> None:
    """The last line that names an error; else the last."""
    path = tmp_path / "initdb.log"
    path.write_text(log)
    said = reason_of(path)
    assert reason in said
    assert "\n" not in said


def test_databases_go_to_memory_unless_a_folder_was_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where there is memory enough; TMPDIR says that the user wants the files there."""
    for name in ("TMPDIR", "TEMP", "TMP"):
        monkeypatch.delenv(name, raising=False)
    memory = Path("/dev/shm")
    monkeypatch.setattr(limits, "QUICK_BYTES_MIN", 1)
    assert limits.quick_folder(tmp_path) == (memory if os.access(memory, os.W_OK) else tmp_path)
    monkeypatch.setattr(limits, "QUICK_BYTES_MIN", 1 << 60)
    assert limits.quick_folder(tmp_path) == tmp_path
    monkeypatch.setattr(limits, "QUICK_BYTES_MIN", 1)
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    assert limits.quick_folder(tmp_path) == tmp_path
