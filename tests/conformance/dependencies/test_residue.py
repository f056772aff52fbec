"""Whoever dies, nothing of a dependency stays: no process, port or folder."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conformance.dependencies.clients import SAMPLES
from unstuck import clock
from unstuck.worlds.process import proctree
from unstuck.worlds.process.ports import is_answered

pytestmark = pytest.mark.process
ROOT = Path(__file__).parents[3]
KINDS_HERE = [sample.kind for sample in SAMPLES if not sample.lacking]
GONE_WITHIN_S = 30.0


def test_a_harness_that_is_killed_leaves_nothing(tmp_path: Path) -> None:
    """SIGKILL of the harness with one dependency of every kind, epmd and all."""
    victim = subprocess.Popen(
        [sys.executable, "-m", "tests.conformance.dependencies.victim", str(tmp_path), *KINDS_HERE],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": f"{ROOT / 'harness'}{os.pathsep}{ROOT}"},
        stdout=subprocess.PIPE,
        text=True,
    )
    assert victim.stdout is not None
    with victim, victim.stdout:
        try:
            facts = json.loads(victim.stdout.readline())
            processes = [proctree.Process(*fields) for fields in facts["processes"]]
            assert len(facts["ports"]) == len(KINDS_HERE)
            assert len([process for process in processes if proctree.exists(process)]) > len(KINDS_HERE)
        finally:
            victim.kill()
    assert proctree.wait_gone(processes, GONE_WITHIN_S)
    assert [port for port in facts["ports"] if is_answered("127.0.0.1", port)] == []
    assert [folder for folder in facts["folders"] if not _is_gone(folder)] == []


def _is_gone(folder: str) -> bool:
    """The zygote, which is nobody's child by now, removes it last of all."""
    deadline_ns = clock.monotonic_ns() + int(GONE_WITHIN_S * 1e9)
    while Path(folder).exists():
        if clock.monotonic_ns() > deadline_ns:
            return False
        clock.sleep(0.01)
    return True
