"""Toxics in whole runs: by our links, by a Toxiproxy behind them, and what a killed harness leaves there."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.conformance.toxiproxy.conftest import Server
from unstuck.clock import monotonic_ns, sleep
from unstuck.links.real_toxiproxy import check_environment
from unstuck.worlds.process import proctree

pytestmark = [pytest.mark.process, pytest.mark.timeout(300)]

WITHIN_S = 60.0
SLOW = """
name: slow
summary: The database is slow, and then gone for a while. Every job gets through.
workload:
  - upload: {count: 2, every_s: 0.02}
faults:
  - when: {job: any, enters: active, stage: scenes}
    toxic: {link: worker.database, type: latency, attributes: {latency: 20, jitter: 10}, for_s: 0.5}
  - when: {fault: 0, phase: healed}
    link_down: {link: worker.database, for_s: 0.5}
expect:
  every_job_terminal: {within_s: 60}
  outcomes: {job: {exactly: 2, state: succeeded}}
"""


@contextmanager
def started(folder: Path, toxiproxy: str | None) -> Iterator[subprocess.Popen[bytes]]:
    """The run; it does not outlive the block."""
    (folder / "slow.yaml").write_text(SLOW, encoding="utf-8")
    environment = {**os.environ, "TMPDIR": str(folder), "NO_COLOR": "1"}
    environment.pop("TOXIPROXY_URL", None)
    if toxiproxy is not None:
        environment["TOXIPROXY_URL"] = toxiproxy
    command = [sys.executable, "-m", "unstuck", "run", "slow.yaml", "--reports", "reports"]
    with subprocess.Popen(command, cwd=folder, env=environment, stdout=subprocess.PIPE) as run:
        try:
            yield run
        finally:
            run.kill()


def events(folder: Path) -> list[dict[str, Any]]:
    history = folder / "reports" / "latest" / "history.jsonl"
    return [json.loads(line) for line in history.read_text(encoding="utf-8").splitlines()]


@pytest.mark.parametrize("real", [False, True], ids=["links", "toxiproxy"])
def test_a_run_lives_through_a_toxic(tmp_path: Path, real: bool) -> None:
    """It lands with its first bytes, is healed, and nothing of it stays, here or there."""
    with Server() as server:
        with started(tmp_path, f"http://{server.host}:{server.port}" if real else None) as run:
            said = run.communicate(timeout=250)[0].decode()
        assert run.returncode == 0, said
        assert server.ask("GET", "/proxies").json == {}
    told = events(tmp_path)
    assert [event["phase"] for event in told if event["kind"] == "fault" and event["data"]["fault"] == 0] == [
        *("armed", "fired", "landed", "healed")
    ]
    poisoned = [event["data"] for event in told if event["phase"] == "poisoned"]
    assert {one["facts"]["type"] for one in poisoned} == {"latency"}
    assert {one["link"].partition("-")[0] for one in poisoned} == {"worker"}


def until(seen: Callable[[], Any]) -> Any:
    """What it returns once that is true, or at the end of the time."""
    deadline_ns = monotonic_ns() + int(WITHIN_S * 1e9)
    while not (found := seen()) and monotonic_ns() < deadline_ns:
        sleep(0.05)
    return found


def test_a_killed_harness_leaves_nothing_in_a_toxiproxy(tmp_path: Path) -> None:
    """The process of the links removes what it made, or, if it was killed as well, the next run does."""
    with Server() as server:
        url = f"http://{server.host}:{server.port}"
        with started(tmp_path, url) as run:
            name, *_ = until(lambda: list(server.ask("GET", "/proxies").json))
            links = int(name.split("-")[1])
            run.kill()
            run.communicate()
        assert until(lambda: proctree.read(links) is None)
        check_environment({"TOXIPROXY_URL": url})  # as each run does before anything else
        assert server.ask("GET", "/proxies").json == {}
