"""One trace id is found in the logs of every role that had to do with a job."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.tooling.repository import ROOT
from unstuck.campaign import run_many
from unstuck.errors import ExitCode
from unstuck.scenario_file import loads
from unstuck.targets.reference import catalogue

pytestmark = [pytest.mark.incidents, pytest.mark.timeout(300)]

ONE = """\
name: one-upload
summary: One client uploads one video, and nothing is done to the service.
workload:
  - upload: {count: 1, video: tiny.mp4}
expect:
  every_job_terminal: {}
"""


def test_a_job_is_followed_through_every_log(tmp_path: Path) -> None:
    """API, relay, worker and the stub of the vision API tell of it by the id that its client sent."""
    case = loads(ONE, ROOT / "one-upload.yaml", catalogue()).base_case()
    (record,) = run_many([case], reports=tmp_path, seed=1, jobs=1)
    assert record.exit_code is ExitCode.PASS
    assert record.folder is not None
    logs = {path.stem: path.read_text(encoding="utf-8") for path in (record.folder / "logs").glob("*.log")}
    found = re.search(r"trace=([0-9a-f]{32}) .*upload initiated", logs["api-1"])
    assert found is not None
    trace = found[1]
    roles = {name.rpartition("-")[0] for name, text in logs.items() if f"trace={trace}" in text}
    assert roles >= {"api", "relay", "worker", "vision"}
