"""Target files for the tiny service, and what is left of it after a run."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from unstuck.cli import main

SERVICE = Path(__file__).with_name("tiny_service.py")
TARGET = """\
name: tiny
promise: at_least_once
environment: {{MODE: "{mode}", MARK: "{mark}"}}
roles:
  api:
    command: ["{{python}}", "{service}", "{{port}}"]
    ready: {ready}
    stop: {{grace_s: {grace_s}}}
    restart: {{policy: {restart}}}
submit: {{http: {{url: "{{api.url}}/jobs", method: POST}}, job: $.id, timeout_s: {submit_s}}}
observe:
  absent: {absent}
  timeout_s: 1
  sources:
    - http: "{{api.url}}/jobs"
      states: {{waiting: queued, running: active, done: succeeded, broken: failed}}
      says_held: {{queued: queue, active: lease}}
{more}
"""
SCENARIO = """\
name: two-jobs
summary: Two jobs, and nothing is done to the service.
workload:
  - submit: {count: 2, every_s: 0.05}
expect:
  every_job_terminal: {}
  no_job_lost: {}
budget_s: 2
"""


class Tiny:
    """One target file, its scenario, and the command line on them."""

    def __init__(self, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.folder = folder
        self.capsys = capsys
        self.mark = folder.name
        self.file = folder / "unstuck.yaml"
        self.scenario = folder / "two-jobs.yaml"
        self.scenario.write_text(SCENARIO, encoding="utf-8")
        self.write()

    def write(
        self,
        mode: str = "",
        *,
        ready: str = "ready",
        grace_s: float = 2,
        restart: str = "always",
        submit_s: float = 5,
        absent: str = "lost",
        more: str = "",
        change: Callable[[str], str] = lambda text: text,
    ) -> None:
        text = TARGET.format(
            mode=mode, mark=self.mark, service=SERVICE, ready=ready, grace_s=grace_s, restart=restart,
            submit_s=submit_s, absent=absent, more=more,
        )  # fmt: skip
        self.file.write_text(change(text), encoding="utf-8")

    def run(self, *words: str) -> tuple[int, str, str]:
        """`unstuck run` of the two jobs: exit code, what it printed, what it complained of."""
        command = [
            "run",
            str(self.scenario),
            "--target",
            str(self.file),
            "--reports",
            str(self.folder / "reports"),
        ]
        code = main([*command, *words])
        out, err = self.capsys.readouterr()
        return code, " ".join(out.split()), " ".join(err.split())

    def doctor(self, *words: str) -> tuple[int, dict[str, dict[str, Any]]]:
        """`unstuck doctor`: exit code, and its steps by name."""
        code = main(["doctor", "--target", str(self.file), "--json", *words])
        done = json.loads(self.capsys.readouterr().out)
        return code, {step["name"]: step for step in done["steps"]}

    def history(self) -> list[dict[str, Any]]:
        """What the last run recorded."""
        lines = (self.folder / "reports" / "latest" / "history.jsonl").read_text().splitlines()
        return [json.loads(line) for line in lines]

    def left_behind(self) -> list[str]:
        """Processes of the target that still run."""
        found = []
        for path in Path("/proc").glob("[0-9]*/environ"):
            try:
                if f"MARK={self.mark}".encode() in path.read_bytes().split(b"\0"):
                    found.append((path.parent / "cmdline").read_text().replace("\0", " "))
            except OSError:
                continue
        return found


@pytest.fixture
def tiny(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Iterator[Tiny]:
    """The tiny service; afterwards nothing of it may run."""
    if not sys.platform.startswith("linux"):
        pytest.skip("looks for what is left in /proc")
    one = Tiny(tmp_path, capsys)
    yield one
    assert one.left_behind() == []
