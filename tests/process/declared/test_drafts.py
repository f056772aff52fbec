"""What `unstuck init` writes for a project of Celery's, in a run."""

from __future__ import annotations

from pathlib import Path

import pytest

from unstuck.cli import main

pytestmark = pytest.mark.process

PROJECT = """\
from celery import Celery

app = Celery("shop", broker="redis://localhost")


@app.task
def pack():
    pass
"""


def test_the_reliable_configuration_of_a_draft_reaches_tasks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A task has its own copies of settings before our module is imported: it is told itself, and so the job
    of a child that was killed is done again, where with Celery's defaults it fails."""
    pytest.importorskip("celery", reason="Celery is not installed")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "shop.py").write_text(PROJECT, encoding="utf-8")
    assert main(["init"]) == 0
    assert main(["run", "child-killed", "--configuration", "reliable"]) == 0
    assert "4 jobs: 4 succeeded (3 ok, 1 restarted)" in capsys.readouterr().out
