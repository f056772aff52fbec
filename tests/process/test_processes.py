"""Starting, supervising and stopping real processes."""

from __future__ import annotations

import json
import os
import socket
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.process.conftest import Recorder
from unstuck.errors import HarnessError, TargetError, UsageError
from unstuck.worlds.port import ProcessSpec, Restart
from unstuck.worlds.process import proctree
from unstuck.worlds.process.ports import free_port
from unstuck.worlds.process.session import Session
from unstuck.worlds.process.world import ProcessWorld

pytestmark = pytest.mark.process
ENTRIES = "tests.process.programs.entries"
PATH = {"PATH": os.environ["PATH"]}
ALWAYS = Restart()


def forked(
    name: str, function: str, *argv: str, restart: Restart = ALWAYS, role: str = "role"
) -> ProcessSpec:
    return ProcessSpec(
        name=name, role=role, entry=f"{ENTRIES}:{function}", argv=argv, ready_line="ready", restart=restart
    )


def shell(name: str, script: str, **values: object) -> ProcessSpec:
    return ProcessSpec(name=name, role="role", command=["sh", "-c", script], environment=PATH, **values)  # type: ignore[arg-type]  # passed on as given


def test_start_returns_once_the_line_is_in_the_log(world: ProcessWorld, recorder: Recorder) -> None:
    """A process counts as started when its log has the line, and its events say so in order."""
    world.start(forked("one", "wait"))
    assert [event.phase for event in recorder.events] == ["start", "ready"]
    assert recorder.of("one", "start")[0].data["how"] == "fork"
    assert world.running("role") == ["one"]


def test_start_returns_once_the_url_answers_200(
    world: ProcessWorld, tmp_path: Path, recorder: Recorder
) -> None:
    """A process with a URL counts as started when GET answers 200."""
    port = free_port()
    (tmp_path / "ready").write_text("yes")
    command = [
        sys.executable,
        "-m",
        "http.server",
        str(port),
        "--bind",
        "127.0.0.1",
        "--directory",
        str(tmp_path),
    ]
    url = f"http://127.0.0.1:{port}/ready"
    world.start(ProcessSpec(name="http", role="role", command=command, environment=PATH, ready_url=url))
    assert recorder.of("http", "ready")
    world.stop("http", grace_s=0)
    with socket.socket() as client:
        assert client.connect_ex(("127.0.0.1", port)) != 0


def test_an_answer_other_than_200_is_not_ready(world: ProcessWorld, tmp_path: Path) -> None:
    """404 from the ready URL does not count, and the error names URL and time."""
    port = free_port()
    command = [
        sys.executable,
        "-m",
        "http.server",
        str(port),
        "--bind",
        "127.0.0.1",
        "--directory",
        str(tmp_path),
    ]
    spec = ProcessSpec(
        name="http",
        role="role",
        command=command,
        environment=PATH,
        ready_url=f"http://127.0.0.1:{port}/missing",
        ready_timeout_s=1.0,
    )
    with pytest.raises(TargetError, match=r"not ready within ready_timeout_s=1 \(ready_url='http://127.*404"):
        world.start(spec)
    assert world.running("role") == []


def test_a_command_that_is_not_there_is_named(world: ProcessWorld) -> None:
    """An unknown program is one line with its name, and leaves nothing running."""
    with pytest.raises(
        TargetError, match=r"process 'one'.*command='no-such-program': was not found; install it"
    ):
        world.start(ProcessSpec(name="one", role="role", command=["no-such-program"], environment=PATH))
    assert world.running("role") == []


def test_a_folder_that_is_not_there_is_named(world: ProcessWorld) -> None:
    """A missing working folder is told as such, not as a missing program."""
    with pytest.raises(TargetError, match=r"folder='/no/such/folder': No such file"):
        world.start(shell("one", "true", folder="/no/such/folder"))


def test_a_process_that_dies_before_it_is_ready_shows_code_and_log(
    world: ProcessWorld, recorder: Recorder
) -> None:
    """The error has the exit code, the time and the last five lines, and there is no restart."""
    script = "for i in 1 2 3 4 5 6 7; do echo line $i; done; exit 9"
    with pytest.raises(
        TargetError, match=r"died with code 9 after .* s, before .* ends: line 3 .* \| line 7$"
    ):
        world.start(shell("one", script, ready_line="never"))
    recorder.wait("one", "exit")
    assert recorder.of("one", "restart") == []
    world.start(shell("one", "echo fine; exec sleep 60", ready_line="fine"))  # the name is free again


def test_a_process_that_is_never_ready_is_killed_with_its_tree(
    world: ProcessWorld, programs: Path, tmp_path: Path
) -> None:
    """After the time is up nothing of a half-started process is left, wherever it hid."""
    command = [sys.executable, str(programs / "tree.py"), str(tmp_path / "tree.json")]
    spec = ProcessSpec(
        name="tree", role="role", command=command, environment=PATH, ready_line="never", ready_timeout_s=1.5
    )
    with pytest.raises(TargetError, match=r"not ready within ready_timeout_s=1.5 \(ready_line='never'\)"):
        world.start(spec)
    pids = json.loads((tmp_path / "tree.json").read_text()).values()
    assert [pid for pid in pids if (process := proctree.read(pid)) and process.alive] == []


@contextmanager
def taken_port(*, answers: bool) -> Iterator[int]:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        if answers:
            listener.listen()
        yield listener.getsockname()[1]


def test_a_port_on_which_a_stranger_answers_is_told(world: ProcessWorld) -> None:
    """Somebody else's answer on the port is never taken for the process's own readiness."""
    with taken_port(answers=True) as port, pytest.raises(TargetError, match=rf"port is taken.*{port}"):
        world.start(shell("one", "sleep 60", ready_url=f"http://127.0.0.1:{port}/"))
    with taken_port(answers=True) as port, pytest.raises(TargetError, match=rf"port is taken.*{port}"):
        world.start(shell("one", "sleep 60", ready_port=port))


def test_a_port_that_cannot_be_bound_is_told(world: ProcessWorld) -> None:
    """When the log says that the address is in use, the error says that the port is taken."""
    with taken_port(answers=False) as port:
        command = [sys.executable, "-m", "http.server", str(port), "--bind", "127.0.0.1"]
        url = f"http://127.0.0.1:{port}/"
        with pytest.raises(
            TargetError, match=r"died with code 1 .* its port is taken; free it or choose another"
        ):
            world.start(
                ProcessSpec(name="http", role="role", command=command, environment=PATH, ready_url=url)
            )


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        (ProcessSpec(name="one", role="role"), "exactly one of entry and command"),
        (
            ProcessSpec(name="one", role="role", entry="a:b", command=["c"]),
            "exactly one of entry and command",
        ),
        (ProcessSpec(name="one", role="role", entry="module"), "entry='module' must be module:function"),
        (
            ProcessSpec(name="one", role="role", command=["x"], stop_signal="SIGTREM"),
            "Did you mean 'SIGTERM'",
        ),
    ],
)
def test_a_spec_that_makes_no_sense_is_refused(world: ProcessWorld, spec: ProcessSpec, message: str) -> None:
    """What is wrong with a spec is said before anything starts."""
    with pytest.raises(UsageError, match=message):
        world.start(spec)


def test_a_ready_url_off_loopback_is_refused(world: ProcessWorld) -> None:
    """The harness asks nobody but processes of its own machine."""
    with pytest.raises(TargetError, match=r"ready_url='http://192\.0\.2\.1/' must be http on 127\.0\.0\.1"):
        world.start(shell("one", "sleep 60", ready_url="http://192.0.2.1/"))


def test_the_same_name_twice_is_refused(world: ProcessWorld) -> None:
    """A name belongs to one running process."""
    world.start(forked("one", "wait"))
    with pytest.raises(TargetError, match="is running already"):
        world.start(forked("one", "wait"))


def test_a_crash_is_followed_by_a_restart(world: ProcessWorld, recorder: Recorder) -> None:
    """A process killed from outside is started again after the delay, and is ready again."""
    world.start(forked("one", "wait", restart=Restart(delay_s=0.05)))
    first = recorder.of("one", "start")[0].data["pid"]
    os.kill(first, 9)
    end = recorder.wait("one", "exit")
    assert (end.data["code"], end.data["signal"], end.data["expected"]) == (None, "SIGKILL", False)
    assert recorder.wait("one", "restart").data["number"] == 1
    again = recorder.wait("one", "ready", 2)
    assert again.data["pid"] != first
    assert again.at_ns - end.at_ns >= 50_000_000


def test_a_crash_loop_ends_at_its_limit(world: ProcessWorld, recorder: Recorder) -> None:
    """After `starts_max` starts the supervisor gives up, and says so."""
    world.start(forked("one", "crash", restart=Restart(delay_s=0.01, starts_max=4)))
    last = recorder.wait("one", "exit", 4)
    assert last.data["restart"] == "starts_max=4 reached"
    assert len(recorder.of("one", "start")) == 4
    assert world.running("role") == []


def test_a_clean_exit_is_not_a_failure(world: ProcessWorld, recorder: Recorder) -> None:
    """With on_failure, exit 0 is not followed by a restart."""
    world.start(shell("one", "exit 0", restart=Restart(policy="on_failure")))
    assert recorder.wait("one", "exit").data["restart"] == "restart='on_failure'"
    assert recorder.of("one", "restart") == []


def test_stop_within_the_grace(world: ProcessWorld, recorder: Recorder) -> None:
    """A process that ends on SIGTERM gives its own code, an expected exit, and the time that it took."""
    world.start(forked("one", "polite"))
    world.stop("one", grace_s=10)
    data = recorder.of("one", "exit")[0].data
    assert (data["code"], data["expected"], data["grace_s"]) == (0, True, 10)
    assert 0 <= data["took_s"] < 5
    assert world.running("role") == []
    assert recorder.of("one", "restart") == []


def test_stop_kills_after_the_grace(world: ProcessWorld, recorder: Recorder) -> None:
    """A process that ignores SIGTERM is killed when its grace is over, not before."""
    world.start(forked("one", "stubborn"))
    world.stop("one", grace_s=0.3)
    data = recorder.of("one", "exit")[0].data
    assert (data["signal"], data["expected"]) == ("SIGKILL", True)
    assert 0.3 <= data["took_s"] < 3


def test_stop_ends_a_process_that_waits_for_its_restart(world: ProcessWorld, recorder: Recorder) -> None:
    """Stopping during the restart delay means that it never comes back."""
    world.start(forked("one", "crash", restart=Restart(delay_s=30)))
    recorder.wait("one", "exit")
    world.stop("one", grace_s=0)
    world.start(forked("one", "wait"))
    assert recorder.of("one", "restart") == []


def test_a_retired_process_is_not_restarted(world: ProcessWorld, recorder: Recorder) -> None:
    """After `retire` an exit is expected and final."""
    world.start(forked("one", "wait"))
    world.retire("one")
    os.kill(recorder.of("one", "start")[0].data["pid"], 9)
    data = recorder.wait("one", "exit").data
    assert (data["expected"], data["restart"]) == (True, None)
    assert world.running("role") == []


def test_running_lists_a_role_oldest_first(world: ProcessWorld, recorder: Recorder) -> None:
    """Names come in the order in which the present incarnations started."""
    for name in ("b", "a", "c"):
        world.start(forked(name, "wait", restart=Restart(policy="never")))
    world.start(forked("other", "wait", role="another"))
    world.signal("a", "SIGKILL")
    recorder.wait("a", "exit")
    assert world.running("role") == ["b", "c"]


def test_use_of_memory_is_told_at_the_end(world: ProcessWorld, recorder: Recorder) -> None:
    """The peak of a process is an event before its exit, from VmHWM."""
    world.start(forked("one", "polite"))
    world.stop("one", grace_s=10)
    usage, end = recorder.events[-2:]
    assert (usage.phase, end.phase) == ("usage", "exit")
    assert 1_000_000 < usage.data["rss_bytes_max"] < 1_000_000_000


def test_a_closed_world_says_so(session: Session) -> None:
    """Whoever uses a world after its end gets a harness error, not a hang."""
    world = session.world("closed")
    world.close()
    world.close()
    assert not world.scratch.exists()
    with pytest.raises(HarnessError, match="is closed"):
        world.start(forked("one", "wait"))


def test_many_worlds_side_by_side(session: Session) -> None:
    """Worlds started from many threads at once do not disturb each other."""
    scheduler = session.world("first").scheduler

    def run(number: int) -> None:
        one = session.world(f"run {number}")
        for name in ("a", "b", "c"):
            one.start(forked(name, "wait"))
        assert one.running("role") == ["a", "b", "c"]
        one.close()

    tasks = [scheduler.spawn(f"run {number}", lambda number=number: run(number)) for number in range(6)]  # type: ignore[misc]  # binds now
    assert all(task.join(30) for task in tasks)


def test_a_forked_role_is_ready_soon(
    world: ProcessWorld, record_property: Callable[[str, object], None]
) -> None:
    """From start to ready a forked role takes milliseconds; an interpreter of its own takes far longer."""
    took_s = []
    for number in range(9):
        began = time.monotonic()
        world.start(forked(f"one-{number}", "wait"))
        took_s.append(time.monotonic() - began)
    median_s = statistics.median(took_s)
    record_property("fork_to_ready_median_s", median_s)
    assert median_s < 0.15, took_s
