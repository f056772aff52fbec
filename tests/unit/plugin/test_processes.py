"""The plugin over real processes: verdicts, and nothing left behind after Ctrl-C."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.scenarios.test_commands import Shell

pytestmark = [pytest.mark.process, pytest.mark.timeout(300)]

PLAIN = """
name: plain
summary: Two clients upload, and a worker is killed.
workload:
  - upload: {count: 2}
faults:
  - when: {enters: active, stage: scenes, hold: true}
    kill: {role: worker, which: holder}
expect:
  outcomes: {succeeded: {exactly: 2}}
"""
NEVER = """
name: never
summary: A fault that waits for something that does not happen.
workload:
  - upload: {count: 1}
faults:
  - when: {op: cancel, phase: ok}
    kill: {role: worker}
expect:
  every_job_terminal: {}
"""


class Pytest(Shell):
    """As `Shell`, and what it runs is pytest in a project with scenarios."""

    module = "pytest"
    reports_flag = "--unstuck-reports"


@pytest.fixture
def shell(tmp_path: Path) -> Iterator[Pytest]:
    one = Pytest(tmp_path)
    (tmp_path / "pytest.ini").write_text("[pytest]\nunstuck_paths = scenarios\n")
    (tmp_path / "scenarios").mkdir()
    yield one
    assert one.wait_gone() == {}
    assert list(one.scratch.iterdir()) == []


def test_real_runs_pass_fail_and_prove_nothing(shell: Pytest) -> None:
    """One of each, side by side, with the words of the command line; nothing is left."""
    folder = shell.folder / "scenarios"
    (folder / "a-plain.yaml").write_text(PLAIN)
    (folder / "b-fails.yaml").write_text(PLAIN.replace("plain", "fails").replace("exactly: 2", "exactly: 1"))
    (folder / "c-never.yaml").write_text(NEVER)
    code, output = shell.run("--unstuck-jobs", "3")
    assert code == pytest.ExitCode.TESTS_FAILED, output
    assert "1 failed, 1 passed, 1 error" in output
    assert "FAILED scenarios/b-fails.yaml::base - fail: outcomes" in output
    assert "landed once" in output
    assert "ERROR scenarios/c-never.yaml::base - inconclusive: fault 0 (kill) never fired" in output
    assert f"Replay  unstuck replay {shell.reports.name}" in output


def test_ctrl_c_leaves_nothing(shell: Pytest) -> None:
    """A run that waits is stopped, its processes go, and pytest says that it was interrupted."""
    (shell.folder / "scenarios" / "plain.yaml").write_text(NEVER)
    process = shell.start()
    shell.wait_for_event("fault", "armed")
    process.send_signal(signal.SIGINT)
    output, _ = process.communicate(timeout=60)
    assert process.returncode == pytest.ExitCode.INTERRUPTED, output
