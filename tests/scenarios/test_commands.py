"""The commands as a user meets them: exit codes, one-line errors, and nothing left behind."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from unstuck.clock import monotonic_ns, sleep

pytestmark = [pytest.mark.process, pytest.mark.timeout(300)]

GONE_WITHIN_S = 15.0
NEVER = """
name: never
summary: A fault that waits for something that does not happen.
workload:
  - upload: {count: 1}
faults:
  - when: {op: cancel, phase: ok}
    kill: {role: worker}
expect:
  every_job_terminal: {within_s: 20}
"""
BAD_SETTING = """
name: bad-setting
summary: The service refuses its configuration.
settings: {lease_s: 1, heartbeat_s: 2}
workload:
  - upload: {count: 1}
expect:
  every_job_terminal: {}
"""


class Shell:
    """Runs `unstuck` with a temporary folder of its own, so that whatever it leaves can be found."""

    module = "unstuck"
    reports_flag = "--reports"

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.scratch = folder / "tmp"
        self.scratch.mkdir()
        self.reports = folder / "reports"

    def start(self, *words: str) -> subprocess.Popen[str]:
        command = [sys.executable, "-m", self.module, *words, self.reports_flag, str(self.reports)]
        return subprocess.Popen(
            command,
            cwd=self.folder,
            env={**os.environ, "TMPDIR": str(self.scratch), "NO_COLOR": "1"},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )

    def run(self, *words: str) -> tuple[int, str]:
        process = self.start(*words)
        output, _ = process.communicate(timeout=200)
        return process.returncode, output

    def scenario(self, text: str) -> str:
        path = self.folder / "one.yaml"
        path.write_text(text)
        return str(path)

    def processes(self) -> dict[int, str]:
        """Everything alive that was started with our temporary folder, by its environment or words."""
        found = {}
        for entry in Path("/proc").iterdir():
            if not entry.name.isdigit() or int(entry.name) == os.getpid():
                continue
            try:
                words = (entry / "cmdline").read_bytes() + (entry / "environ").read_bytes()
                state = (entry / "stat").read_text().rpartition(")")[2].split()[0]
            except OSError:
                continue
            if str(self.scratch).encode() in words and state != "Z":
                found[int(entry.name)] = words.split(b"\0", 1)[0].decode()
        return found

    def wait_gone(self) -> dict[int, str]:
        """Who is still there after a while; empty as soon as nobody is."""
        deadline_ns = monotonic_ns() + int(GONE_WITHIN_S * 1e9)
        while (left := self.processes()) and monotonic_ns() < deadline_ns:
            sleep(0.02)
        return left

    def wait_for_event(self, kind: str, phase: str) -> Mapping[str, object]:
        """Until the newest history has such an event."""
        deadline_ns = monotonic_ns() + 60_000_000_000
        while monotonic_ns() < deadline_ns:
            for history in self.reports.rglob("history.jsonl"):
                for line in history.read_text().splitlines():
                    if f'"kind":"{kind}"' in line and f'"phase":"{phase}"' in line:
                        return dict(json.loads(line))
            sleep(0.02)
        raise AssertionError(f"no {kind} {phase} within 60 s")


@pytest.fixture
def shell(tmp_path: Path) -> Iterator[Shell]:
    one = Shell(tmp_path)
    yield one
    assert one.wait_gone() == {}
    assert list(one.scratch.iterdir()) == []


@pytest.mark.slow  # the same verdict is in milliseconds in tests/unit/checks and in the sim
def test_a_fault_that_never_fires_makes_the_run_inconclusive(shell: Shell) -> None:
    """Everything held, but nothing was proved: exit 3, and the reason is said."""
    code, output = shell.run("run", shell.scenario(NEVER))
    assert code == 3, output
    assert "never fired" in output


def test_a_service_that_refuses_its_configuration_is_a_usage_error(shell: Shell) -> None:
    """Exit 2 with the service's own words, no traceback, and nothing half-started stays."""
    code, output = shell.run("run", shell.scenario(BAD_SETTING))
    assert code == 2, output
    assert "heartbeat_s must be shorter than lease_s" in output
    assert "Traceback" not in output


def test_ctrl_c_heals_stops_and_keeps_what_was_recorded(shell: Shell) -> None:
    """Exit 130; the history ends with `interrupted`."""
    process = shell.start("run", "worker-paused")
    shell.wait_for_event("fault", "landed")
    process.send_signal(signal.SIGINT)
    output, _ = process.communicate(timeout=60)
    assert process.returncode == 130, output
    end = shell.wait_for_event("run", "end")
    assert end["data"] == {"reason": "interrupted"}


def test_nobody_listens_off_the_loopback_and_nothing_survives_a_harness_that_is_killed(shell: Shell) -> None:
    """While a fault is in force every listening socket is on 127.0.0.1. Then kill -9: every process goes,
    and the temporary folder is empty.
    """
    process = shell.start("run", "worker-paused")
    shell.wait_for_event("fault", "landed")
    processes = shell.processes()
    assert len(processes) > 8
    listening = _listeners(processes)
    assert len(listening) > 10
    assert {address for address in listening if not address.startswith("0100007F")} == set()
    process.kill()
    process.wait(timeout=10)
    process.communicate()


@pytest.mark.soak
def test_the_second_emulator_comes_to_the_same_verdict(shell: Shell) -> None:
    """moto in the place of ministack: the missed event is still noticed, and still recovered from."""
    code, output = shell.run("run", "missed-event", "--emulator", "moto")
    assert code == 0, output


def _listeners(pids: Mapping[int, str]) -> list[str]:
    """Local addresses, in the kernel's hexadecimal, of sockets that these processes listen on."""
    inodes = set()
    for pid in pids:
        try:
            links = [os.readlink(path) for path in Path(f"/proc/{pid}/fd").iterdir()]
        except OSError:
            continue
        inodes |= {link[8:-1] for link in links if link.startswith("socket:[")}
    rows = [
        line.split()
        for table in ("tcp", "tcp6")
        for line in Path(f"/proc/net/{table}").read_text().splitlines()[1:]
    ]
    return [row[1] for row in rows if row[3] == "0A" and row[9] in inodes]
