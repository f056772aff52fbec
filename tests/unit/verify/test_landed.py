"""Which version was deployed last, as far as the history says."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from unstuck.cli.verify import _landed
from unstuck.errors import UsageError


@pytest.fixture
def root(tmp_path: Path) -> Path:
    git(tmp_path, "init", "-q", "-b", "main")
    git(tmp_path, "config", "user.email", "somebody@example.org")
    git(tmp_path, "config", "user.name", "Somebody")
    return tmp_path


def git(root: Path, *words: str) -> str:
    command = ["git", "-C", str(root), *words]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


def commit(root: Path, tag: str | None = None) -> str:
    git(root, "commit", "-q", "--allow-empty", "-m", "a change")
    if tag is not None:
        git(root, "tag", tag)
    return git(root, "rev-parse", "HEAD")[:12]


def test_it_is_the_newest_tag(root: Path) -> None:
    """Below what has not been released yet."""
    commit(root, "v1")
    commit(root)
    assert _landed(root) == "v1"


def test_a_release_is_held_against_the_one_before_it(root: Path) -> None:
    """To itself it could only be equal."""
    commit(root, "v1")
    commit(root)
    commit(root, "v2")
    assert _landed(root) == "v1"


def test_without_a_tag_it_is_where_the_branch_left_main(root: Path) -> None:
    """And on main the commit before, which the first release of all has, too."""
    before = commit(root)
    left = commit(root, "v1")
    assert _landed(root) == before
    git(root, "tag", "-d", "v1")
    git(root, "switch", "-q", "-c", "work")
    commit(root)
    assert _landed(root) == left


def test_a_history_of_one_commit_names_nothing(root: Path) -> None:
    """The user has to."""
    commit(root)
    with pytest.raises(UsageError, match="--from OLD"):
        _landed(root)
