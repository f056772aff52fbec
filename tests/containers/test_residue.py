"""Whoever dies, and however: no container, network, volume, process or folder is left."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

from tests.process.kill_harness import ROOT

pytestmark = [pytest.mark.containers, pytest.mark.process]
OFTEN = [pytest.mark.soak, pytest.mark.timeout(600)]


@pytest.mark.parametrize(
    ("whom", "kills"),
    [
        ("harness", 2),  # once up, and in its start
        ("guardian", 1),
        ("ctrl-c", 1),
        pytest.param("harness", 25, marks=OFTEN),
        pytest.param("guardian", 10, marks=OFTEN),
        pytest.param("ctrl-c", 10, marks=OFTEN),
    ],
)
def test_an_end_at_a_random_moment_leaves_nothing(whom: str, kills: int) -> None:
    """SIGKILL of the harness or of its guardian, or Ctrl-C, while containers come and go."""
    command = [sys.executable, "-m", "tests.containers.kill_harness", "--kills", str(kills), "--whom", whom]
    environment = {**os.environ, "PYTHONPATH": f"{ROOT / 'harness'}{os.pathsep}{ROOT}"}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert json.loads(done.stdout.splitlines()[-1])["kills"] == kills
