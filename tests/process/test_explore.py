"""Crash points over the wire, of a worker that loses jobs and of one that does not."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from unstuck.cli import main

pytestmark = pytest.mark.process

TARGET = str(Path(__file__).parent / "programs" / "list_queue")
FLAGS = ("--points", "--budget-s", "3", "--modes", "kill")


def explored(folder: Path, *flags: str) -> tuple[int, dict[str, Any]]:
    """Explores the target; the exit code, and `points.json`."""
    code = main(["explore", "--target", TARGET, "--reports", str(folder), *FLAGS, *flags])
    [data] = folder.glob("*-explore-*/points.json")
    return code, json.loads(data.read_text())


def classes(said: dict[str, Any]) -> dict[tuple[str, str], str]:
    """(message, place) → the class of the job."""
    return {(row["message"], row["place"]): cell["word"] for row in said["rows"] for cell in row["cells"]}


def test_a_pop_that_is_not_kept_loses_the_job_at_its_reply(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """And after the effect it is no loss; each trial landed, and what broke a promise runs again alone."""
    found = tmp_path / "found"
    code, said = explored(tmp_path / "reports", "--save", str(found))
    assert classes(said) == {
        ("LPUSH jobs", "before it goes on"): "no job",
        ("LPUSH jobs", "on its reply"): "ok",
        ("BRPOP jobs", "on its reply"): "lost",
        ("SET done:job-c-*", "before it goes on"): "done_not_terminal",
        ("SET done:job-c-*", "on its reply"): "ok",
    }
    assert (code, said["uncovered"]) == (1, [])
    assert said["linked"] == said["seen"] == said["covered"] == 3
    assert "5 of 5 trials landed" in capsys.readouterr().out
    [lost] = found.glob("*brpop*.yaml")
    assert len(list(found.iterdir())) == 2
    assert main(["run", str(lost), "--target", TARGET, "--reports", str(tmp_path / "again")]) == 1
    [verdict] = (tmp_path / "again").glob("2*/verdict.json")
    assert '"lost"' in verdict.read_text()


def test_a_worker_that_keeps_its_job_loses_none(tmp_path: Path) -> None:
    """Killed after the effect it does the job again, which at least once allows."""
    code, said = explored(tmp_path, "--configuration", "safe", "--link", "worker.*")
    assert (code, said["uncovered"]) == (0, [])
    assert set(classes(said).values()) == {"ok", "doubled"}
    assert classes(said)["BRPOPLPUSH jobs", "on its reply"] == "ok"
