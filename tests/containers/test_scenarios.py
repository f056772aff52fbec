"""Bundled scenarios run in containers as they are; what cannot be done is refused before it begins."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from unstuck.cli import main
from unstuck.errors import ExitCode
from unstuck.worlds.container.engine import connect
from unstuck.worlds.container.residue import LABEL_OWNER, owner

pytestmark = [pytest.mark.containers, pytest.mark.process, pytest.mark.timeout(300)]


def run(*words: str, reports: Path) -> int:
    return main(["run", *words, "--world", "containers", "--reports", str(reports)])


def test_a_deploy_and_an_overrun_pass_in_containers(tmp_path: Path) -> None:
    """Real PID 1 semantics, real OOM kills, the same verdicts; no container is left."""
    assert run("sigterm-mid-job", "memory-overrun", "--jobs", "2", reports=tmp_path) == ExitCode.PASS
    histories = [path.read_text() for path in tmp_path.glob("*/*/history.jsonl")]
    events = [json.loads(line) for history in histories for line in history.splitlines()]
    starts = [event for event in events if (event["kind"], event.get("phase")) == ("process", "start")]
    workers = [event["data"] for event in starts if event["data"]["role"] == "worker"]
    assert {worker["how"] for worker in workers} == {"container"}
    assert any(worker.get("limit_kind") == "cgroup" for worker in workers)
    assert any(event["data"].get("oom_kills") for event in events)
    client = connect()
    assert client.api.containers(all=True, filters={"label": f"{LABEL_OWNER}={owner()}"}) == []
    client.close()


def test_what_containers_cannot_do_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """An old version lies unpacked on this machine, where no container sees it: one line, exit code 2."""
    assert run("old-and-new", reports=tmp_path) == ExitCode.USAGE
    assert "needs versions, which the world 'containers' cannot do" in capsys.readouterr().err
