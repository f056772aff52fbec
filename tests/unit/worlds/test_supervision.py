"""What follows an exit, how a process is started, and what the parts say to each other."""

from __future__ import annotations

import ctypes
import errno
import os
import signal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from unstuck import clock
from unstuck.worlds.port import ProcessSpec, Restart
from unstuck.worlds.process import linux, residue, spawn, wire
from unstuck.worlds.process.dependencies import port_was_taken
from unstuck.worlds.process.ports import free_port, is_answered
from unstuck.worlds.process.signals import exit_of
from unstuck.worlds.process.supervisor import Supervised
from unstuck.worlds.restarts import restart_after


@pytest.mark.parametrize(
    ("restart", "code", "starts", "asked", "delay_s", "reason"),
    [
        (Restart(delay_s=0.2), 1, 1, False, 0.2, None),
        (Restart(delay_s=0.2), 0, 1, False, 0.2, None),
        (Restart(delay_s=0.2), None, 19, False, 0.2, None),
        (Restart(), None, 20, False, None, "starts_max=20 reached"),
        (Restart(), 1, 1, True, None, None),
        (Restart(policy="on_failure", delay_s=0), 0, 1, False, None, "restart='on_failure'"),
        (Restart(policy="on_failure", delay_s=0), 1, 1, False, 0, None),
        (Restart(policy="on_failure", delay_s=0), None, 1, False, 0, None),
        (Restart(policy="never"), 1, 1, False, None, "restart='never'"),
    ],
)
def test_what_follows_an_exit(
    restart: Restart, code: int | None, starts: int, asked: bool, delay_s: float | None, reason: str | None
) -> None:
    """Policy, exit code, number of starts and the harness's wish decide, and a refusal has its reason."""
    assert restart_after(restart, code=code, starts=starts, asked=asked) == (delay_s, reason)


@pytest.mark.parametrize("call", ["fork", "pipe"])
def test_a_machine_that_is_full_is_one_line_and_leaks_nothing(
    call: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Where a role has used up processes or handles, the guardian lives on: it is who takes them away."""

    def refuse() -> None:
        raise BlockingIOError(errno.EAGAIN, "Resource temporarily unavailable")

    before = sorted(os.listdir("/proc/self/fd"))
    monkeypatch.setattr(os, call, refuse)
    launch = wire.launch_of(ProcessSpec(name="x", role="x", command=["true"]))
    with pytest.raises(spawn.SpawnError, match=r"Resource temporarily unavailable; .* raise `ulimit"):
        spawn.spawn(launch, str(tmp_path / "log"), "exec", None)
    monkeypatch.undo()
    assert sorted(os.listdir("/proc/self/fd")) == before
    assert signal.pthread_sigmask(signal.SIG_BLOCK, ()) == set()


def test_an_exit_is_a_code_or_a_signal() -> None:
    """A wait status gives one of both, and a real-time signal without a name is a number."""
    assert exit_of(7 << 8) == (7, None)
    assert exit_of(signal.SIGKILL) == (None, "SIGKILL")
    assert exit_of(40) == (None, "SIG40")


PACKAGES = frozenset({"service"})


@pytest.mark.parametrize(
    ("entry", "limit_bytes", "how"),
    [
        ("service.main:main", None, "fork"),
        ("service:main", None, "fork"),
        ("other.main:main", None, "exec"),
        ("services:main", None, "exec"),
        ("service.main:main", 1 << 30, "exec"),
        (None, None, "exec"),
    ],
)
def test_what_is_forked_and_what_is_executed(entry: str | None, limit_bytes: int | None, how: str) -> None:
    """Only an entry of a preloaded package, and never with a memory limit, is forked."""
    command = ["x"] if entry is None else None
    spec = ProcessSpec(name="one", role="role", entry=entry, command=command, memory_limit_bytes=limit_bytes)
    assert spawn.how_to_start(wire.launch_of(spec), PACKAGES) == how


SPECS = st.builds(
    ProcessSpec,
    name=st.text(),
    role=st.text(),
    command=st.lists(st.text()).map(tuple),
    argv=st.lists(st.text()).map(tuple),
    environment=st.dictionaries(st.text(), st.text()),
    log=st.none() | st.text(),
    memory_limit_bytes=st.none() | st.integers(1),
    ready_port=st.none() | st.integers(1, 65535),
    ready_settle_s=st.floats(0, 600),
    restart=st.builds(Restart, starts_max=st.integers(1, 100)),
)


@given(SPECS, st.integers(1, 50))
def test_a_spec_survives_the_wire_in_any_pieces(spec: ProcessSpec, size: int) -> None:
    """What is sent is what is received, wherever the stream of bytes is cut."""
    launch = wire.launch_of(spec)
    data = wire.encode({"launch": wire.launch_to_json(launch)}) * 2
    lines = wire.Lines()
    found = [message for at in range(0, len(data), size) for message in lines.feed(data[at : at + size])]
    assert [wire.launch_from_json(message["launch"]) for message in found] == [launch, launch]


def test_the_shared_memory_of_a_killed_database_is_freed() -> None:
    """The segment that `postmaster.pid` names on its seventh line goes away."""
    libc = ctypes.CDLL(None, use_errno=True)
    identity = libc.shmget(0, 4096, 0o1600)  # IPC_PRIVATE, IPC_CREAT
    assert identity >= 0
    segments = [line.split()[1] for line in Path("/proc/sysvipc/shm").read_text().splitlines()]
    assert str(identity) in segments
    assert residue.release_shared_memory(f"1\n/data\n2\n3\n\n127.0.0.1\n  5432001    {identity}\nready\n")
    segments = [line.split()[1] for line in Path("/proc/sysvipc/shm").read_text().splitlines()]
    assert str(identity) not in segments
    assert not linux.remove_shared_memory(identity)


@pytest.mark.parametrize("text", ["", "1\n/data\n", "1\n2\n3\n4\n5\n6\n\n8\n"])
def test_a_pid_file_that_is_cut_off_frees_nothing(text: str) -> None:
    """A database that was killed while it started has no seventh line."""
    assert not residue.release_shared_memory(text)


def test_a_scratch_folder_goes_whole(tmp_path: Path) -> None:
    """Everything below it goes, and one that is gone is no error."""
    folder = tmp_path / "run"
    (folder / "postgres" / "data").mkdir(parents=True)
    (folder / "postgres" / "data" / "postmaster.pid").write_text("1\n")
    residue.remove_scratch(folder)
    residue.remove_scratch(folder)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("text", "taken"),
    [
        ("its port is taken; free it", True),
        ('could not bind IPv4 address "127.0.0.1": Address already in use', True),
        ("127.0.0.1:80 is already in use. Is MiniStack already running?", True),
        ("died with code 1", False),
    ],
)
def test_a_taken_port_is_told_from_other_troubles(text: str, taken: bool) -> None:
    """Only a port that somebody took is worth another try."""
    assert port_was_taken(ValueError(text)) == taken


def test_a_free_port_is_answered_by_nobody() -> None:
    """It can be bound on the loopback right after."""
    port = free_port()
    assert not is_answered("127.0.0.1", port)
    assert port > 1023 or os.geteuid() == 0


@pytest.mark.parametrize(("script", "ready"), [("echo ready; exit 3", True), ("echo ready; exit 0", False)])
def test_a_line_that_is_found_when_its_process_has_ended_is_not_lost(
    script: str, ready: bool, tmp_path: Path
) -> None:
    """1. it says that it is ready, and ends, 2. we look, and find it dead, 3. its end is told. With 0 it went
    into the background, and what is there is nobody's.
    """
    told: list[str] = []
    spec = ProcessSpec(name="x", role="x", command=["sh", "-c", script], ready_line="ready")
    one = Supervised(
        wire.launch_of(spec),
        log=str(tmp_path / "log"),
        emit=lambda _name, _role, phase, _data: told.append(phase),
        kill_left_over=lambda: None,
        packages=frozenset(),
        groups=None,
        group_prefix="",
    )
    answers: list[str | None] = []
    one.reply_start = answers.append
    one.start()
    os.waitid(os.P_PID, one.pid, os.WEXITED | os.WNOWAIT)
    one.tick(clock.monotonic_ns() + 10**9)
    one.exited(os.waitpid(one.pid, 0)[1])
    assert ("ready" in told) is ready
    assert (answers == [None]) is ready
