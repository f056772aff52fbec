"""Real processes: how children end, and who dies with whom."""

from __future__ import annotations

import errno
import os
import select
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from reference_service.memory import find_oom_counter, read_oom_kills, resident_bytes
from reference_service.ports import ChildEnd, Stopper
from reference_service.runtime import ForkedChild, ForkRuntime

pytestmark = [
    pytest.mark.process,
    pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning"),
]
MIB = 1024 * 1024


@pytest.fixture
def runtime() -> Iterator[ForkRuntime]:
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    one = ForkRuntime(boot_id="b", drain_on_sigterm=True, memory_limit_bytes=None)
    yield one
    one.close()
    for number, handler in before.items():
        signal.signal(number, handler)


def until_ended(runtime: ForkRuntime, child: ForkedChild) -> ChildEnd:
    for _ in range(100):
        if child.end is not None:
            return child.end
        runtime.wait(1.0)
    raise AssertionError("the child does not end")


def test_a_childs_result_comes_back(runtime: ForkRuntime) -> None:
    """What its work returns, and how much memory it had."""
    child = runtime.spawn("one", lambda _: {"outcome": "succeeded", "pid": os.getpid()})
    end = until_ended(runtime, child)
    assert end.result == {"outcome": "succeeded", "pid": child.pid}
    assert (end.exit_code, end.signal, end.oom_kills) == (0, None, 0)
    assert end.peak_rss_bytes is None or end.peak_rss_bytes > MIB


def test_a_result_larger_than_a_pipe_comes_back(runtime: ForkRuntime) -> None:
    """The parent reads while the child writes."""
    child = runtime.spawn("one", lambda _: {"text": "x" * 300_000})
    end = until_ended(runtime, child)
    assert end.result is not None
    assert len(end.result["text"]) == 300_000


def test_a_child_that_is_killed_has_no_result(runtime: ForkRuntime) -> None:
    """Its signal is known; nobody claims an OOM for it."""

    def die(_: Stopper) -> Mapping[str, Any]:
        os.kill(os.getpid(), signal.SIGKILL)
        return {}

    end = until_ended(runtime, runtime.spawn("one", die))
    assert (end.signal, end.result) == (signal.SIGKILL, None)
    assert not end.oom_kills


def test_a_child_that_raises_has_no_result(runtime: ForkRuntime) -> None:
    """Whatever was raised: exit code 1."""

    def fail(_: Stopper) -> Mapping[str, Any]:
        raise ZeroDivisionError

    end = until_ended(runtime, runtime.spawn("one", fail))
    assert (end.exit_code, end.signal, end.result) == (1, None, None)


def test_a_child_can_be_asked_to_stop(runtime: ForkRuntime) -> None:
    """It learns of it between two steps of its work, and still reports."""

    def work(stopper: Stopper) -> Mapping[str, Any]:
        os.write(ready[1], b"!")
        while not stopper.asked:
            select.select([never[0]], [], [], 0.01)
        return {"outcome": "handed_back"}

    never = os.pipe()
    ready = os.pipe()
    child = runtime.spawn("one", work)
    assert os.read(ready[0], 1) == b"!"
    child.ask_to_stop()
    assert until_ended(runtime, child).result == {"outcome": "handed_back"}
    for fd in (*ready, *never):
        os.close(fd)


def test_a_signal_ends_the_wait_and_says_stop(runtime: ForkRuntime) -> None:
    """SIGTERM wakes a wait that would have lasted an hour; children do not take it for themselves."""
    ready = os.pipe()

    def work(_: Stopper) -> Mapping[str, Any]:
        os.write(ready[1], b"!")
        os.read(go[0], 1)
        return {"ignored": signal.getsignal(signal.SIGTERM) is signal.SIG_IGN}

    go = os.pipe()
    child = runtime.spawn("one", work)
    assert os.read(ready[0], 1) == b"!"
    os.kill(child.pid, signal.SIGTERM)
    os.kill(os.getpid(), signal.SIGTERM)
    runtime.wait(3600)
    assert runtime.stopping
    os.write(go[1], b"!")
    assert until_ended(runtime, child).result == {"ignored": True}
    for fd in (*ready, *go):
        os.close(fd)


def test_memory_beyond_the_limit_raises_in_the_child() -> None:
    """RLIMIT_AS is the child's alone, and its breach is a MemoryError, not a kill."""
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    runtime = ForkRuntime(boot_id="b", drain_on_sigterm=True, memory_limit_bytes=4096 * MIB)

    def work(_: Stopper) -> Mapping[str, Any]:
        try:
            bytearray(8192 * MIB)
        except MemoryError:
            return {"raised": True}
        return {"raised": False}

    try:
        assert until_ended(runtime, runtime.spawn("one", work)).result == {"raised": True}
    finally:
        runtime.close()
        for number, handler in before.items():
            signal.signal(number, handler)


PARENT = """
import os, signal, sys
from reference_service.runtime import ForkRuntime
runtime = ForkRuntime(boot_id="b", drain_on_sigterm=sys.argv[1] == "drain", memory_limit_bytes=None)
def work(_):
    os.write(1, f"{os.getpid()}\\n".encode())
    while True:
        signal.pause()
child = runtime.spawn("one", work)
while not runtime.stopping:
    runtime.wait(60)
"""


ENDING = """
import os, signal
from reference_service.runtime import ForkRuntime
runtime = ForkRuntime(boot_id="b", drain_on_sigterm=True, memory_limit_bytes=None)
class Late:  # kept alive by a module: it goes when the interpreter has given its handlers up
    def __init__(self):
        self.kill, self.pid, self.number = os.kill, os.getpid(), int(signal.SIGTERM)
    def __del__(self):
        self.kill(self.pid, self.number)
os.late = Late()
os.kill(os.getpid(), signal.SIGTERM)
runtime.wait(60)
assert runtime.stopping
runtime.close()
os.kill(os.getpid(), signal.SIGTERM)
os.kill(os.getpid(), signal.SIGINT)
"""


def test_a_second_signal_does_not_make_a_kill_of_an_orderly_end() -> None:
    """Told again, while it ends and while its interpreter does, it still exits 0."""
    root = str(Path(__file__).parents[3])
    end = subprocess.run(
        [sys.executable, "-c", ENDING], env={**os.environ, "PYTHONPATH": root}, check=False, timeout=60
    )
    assert end.returncode == 0


@pytest.mark.skipif(
    sys.platform != "linux", reason="elsewhere a child notices at its next interruption point"
)
@pytest.mark.parametrize(("mode", "number"), [("drain", signal.SIGKILL), ("careless", signal.SIGTERM)])
def test_a_child_dies_with_its_parent(mode: str, number: signal.Signals) -> None:
    """SIGKILL of the parent, or SIGTERM with `drain_on_sigterm` off: nobody is left behind."""
    command = [sys.executable, "-c", PARENT, mode]
    root = str(Path(__file__).parents[3])
    with subprocess.Popen(command, stdout=subprocess.PIPE, env={**os.environ, "PYTHONPATH": root}) as parent:
        assert parent.stdout is not None
        child = int(parent.stdout.readline())
        watch = os.pidfd_open(child)
        parent.send_signal(number)
        assert parent.wait(10) == -number
        assert select.select([watch], [], [], 10)[0], "the child lives on"
        os.close(watch)


def test_resident_memory_is_read() -> None:
    """Of this process: now, and the most so far. Of none: nothing."""
    if not Path("/proc/self/status").exists():
        pytest.skip("no /proc")
    found = resident_bytes(os.getpid())
    assert found is not None
    assert MIB < found[0] <= found[1] + MIB
    assert resident_bytes(2**22 + 1) is None


@pytest.mark.parametrize(
    ("line", "name", "content"),
    [
        ("4:memory:/a/b", "memory/a/b/memory.oom_control", "oom_kill_disable 0\nunder_oom 0\noom_kill 3\n"),
        ("4:memory:/not/there", "memory/memory.oom_control", "under_oom 0\noom_kill 3\n"),
        ("0::/a/b", "a/b/memory.events", "low 0\nhigh 5\nmax 9\noom 4\noom_kill 3\noom_group_kill 0\n"),
    ],
    ids=["v1", "v1 in a container", "v2"],
)
def test_oom_kills_of_the_own_group_are_counted(line: str, name: str, content: str, tmp_path: Path) -> None:
    """Kills, not breaches of the limit that were reclaimed."""
    (tmp_path / "proc/self").mkdir(parents=True)
    (tmp_path / "proc/self/cgroup").write_text(f"9:name=systemd:/\n{line}\n")
    counter = tmp_path / "cgroups" / name
    counter.parent.mkdir(parents=True)
    counter.write_text(content)
    found = find_oom_counter(proc=tmp_path / "proc", cgroups=tmp_path / "cgroups")
    assert (found, read_oom_kills(found)) == (counter, 3)


def test_without_a_memory_controller_nobody_counts(tmp_path: Path) -> None:
    """None, not zero: no evidence either way."""
    assert find_oom_counter(proc=tmp_path, cgroups=tmp_path) is None
    assert read_oom_kills(None) is None


@pytest.mark.parametrize("number", [errno.EAGAIN, errno.ENOMEM])
def test_a_fork_that_fails_leaves_nothing_open(
    runtime: ForkRuntime, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    """No memory, or too many processes: the error is the caller's, and no end of a pipe stays."""

    def fail() -> int:
        raise OSError(number, os.strerror(number))

    before = len(os.listdir("/dev/fd"))
    monkeypatch.setattr(os, "fork", fail)
    with pytest.raises(OSError, match=os.strerror(number)):
        runtime.spawn("one", lambda _: {})
    assert len(os.listdir("/dev/fd")) == before


def forever(_: Stopper) -> Mapping[str, Any]:
    while True:
        signal.pause()


@pytest.fixture
def counter(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Of OOM kills, as a cgroup has it."""
    path = tmp_path / "memory.events"
    path.write_text("oom_kill 0\n")
    monkeypatch.setattr("reference_service.runtime.find_oom_counter", lambda: path)
    return path


def test_whom_the_kernel_killed_is_not_killed_again(counter: Path, runtime: ForkRuntime) -> None:
    """1. the kernel kills a child for memory  2. our watchdog strikes  3. another is killed by hand: the
    evidence is the first one's.
    """
    first, second = runtime.spawn("one", forever), runtime.spawn("two", forever)
    os.kill(first.pid, signal.SIGKILL)
    counter.write_text("oom_kill 1\n")
    os.waitid(os.P_PID, first.pid, os.WEXITED | os.WNOWAIT)
    first.kill()
    os.kill(second.pid, signal.SIGKILL)
    assert until_ended(runtime, first).oom_kills == 1
    assert until_ended(runtime, second).oom_kills == 0


@pytest.mark.parametrize("asked", [False, True], ids=["alone", "asked whether ready"])
def test_an_oom_kill_of_nobodys_is_not_charged_to_who_comes_later(
    asked: bool, counter: Path, runtime: ForkRuntime
) -> None:
    """It was counted while no job's child lived; one that looks into readiness is none."""
    if asked:
        runtime.spawn_aside(signal.pause)
    counter.write_text("oom_kill 1\n")
    child = runtime.spawn("one", forever)
    os.kill(child.pid, signal.SIGKILL)
    assert until_ended(runtime, child).oom_kills == 0
