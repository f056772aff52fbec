"""Which commit a figure is of, and whether what it depends on has changed since."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from bench import commit
from bench.guarded import code_of, files_of


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """One commit, with a page and a module."""
    monkeypatch.setattr(commit, "ROOT", tmp_path)
    git(tmp_path, "init", "-q")
    for name in ("docs/claims.md", "reference_service/app.py", "scenarios/a.yaml"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("one\n")
    save(tmp_path)
    yield tmp_path
    commit.measured_at.cache_clear()  # others ask for the commit of this repository


def git(where: Path, *words: str) -> None:
    subprocess.run(["git", *words], cwd=where, check=True, capture_output=True)


def save(where: Path) -> None:
    git(where, "add", "-A")
    git(where, "-c", "user.name=a", "-c", "user.email=a@b", "commit", "-qm", "Change")


def now() -> str:
    commit.measured_at.cache_clear()
    return commit.measured_at()


def test_changes_that_are_in_no_commit_are_told_unless_they_are_of_pages(repository: Path) -> None:
    """A page is what comes of a measurement, and nothing that one depends on."""
    clean = now()
    (repository / "docs/claims.md").write_text("two\n")
    assert now() == clean
    (repository / "reference_service/app.py").write_text("two\n")
    assert now() == f"{clean}-dirty"


def test_a_figure_is_stale_when_what_it_depends_on_has_changed(repository: Path) -> None:
    """In a later commit or in none yet; not by what else has changed."""
    then = now()
    (repository / "scenarios/a.yaml").write_text("two\n")
    paths = ["scenarios/a.yaml", "reference_service"]
    assert commit.stale(then, paths) == f"scenarios/a.yaml changed since {then}"
    save(repository)
    assert commit.stale(then, paths) == f"scenarios/a.yaml changed since {then}"
    assert commit.stale(then, paths[1:]) is None
    assert commit.stale(now(), paths) is None


def test_a_figure_of_no_known_commit_is_stale(repository: Path) -> None:
    """Nobody can tell what it was measured of."""
    assert commit.stale("", ["scenarios"]) == "no commit was recorded"
    assert commit.stale("abc-dirty", ["scenarios"]) == "measured with changes that no commit has (abc-dirty)"
    assert commit.stale("0000000", ["scenarios"]) == "commit 0000000 is not there"


def test_what_a_figure_depends_on_is_found_by_names() -> None:
    """Scenarios of the command, and the modules of the defences that these guard or it takes away."""
    assert "reference_service/breaker.py" in code_of(["circuit_breaker"])
    found = files_of("unstuck run vision-outage --world sim --defence-off circuit_breaker")
    assert found[0] == "scenarios/incidents/make-video/vision-outage.yaml"
    assert "reference_service/breaker.py" in found
    assert files_of("python -m bench campaign --keep") == []
