"""When a real process counts as ready: by its port, and after it has settled."""

from __future__ import annotations

import math
import socket
import sys

import pytest

from tests.process.conftest import Recorder
from tests.process.test_processes import PATH, shell
from unstuck.errors import TargetError, UsageError
from unstuck.worlds.port import ProcessSpec
from unstuck.worlds.process.ports import free_port
from unstuck.worlds.process.world import ProcessWorld

pytestmark = pytest.mark.process


def serving(port: int, before: str = "") -> list[str]:
    """A shell's command: `before`, then a program that listens on the port."""
    server = f"exec {sys.executable} -m http.server {port} --bind 127.0.0.1"
    return ["sh", "-c", f"{before} {server}"]


def test_a_port_that_accepts_is_ready_after_a_restart_too(world: ProcessWorld, recorder: Recorder) -> None:
    """A server that says nothing is ready once its port is answered, in each incarnation."""
    port = free_port()
    spec = ProcessSpec(name="one", role="role", command=serving(port), environment=PATH, ready_port=port)
    world.start(spec)
    with socket.create_connection(("127.0.0.1", port), 5):
        pass
    world.signal("one", "SIGKILL", "tree")
    recorder.wait("one", "ready", 2)
    with socket.create_connection(("127.0.0.1", port), 5):
        pass


def test_a_port_that_nobody_answers_is_not_ready(world: ProcessWorld) -> None:
    """The error names the port and the time."""
    port = free_port()
    with pytest.raises(
        TargetError, match=rf"not ready within ready_timeout_s=0\.5 \(ready_port={port}\); mend or raise it"
    ):
        world.start(shell("one", "sleep 60", ready_port=port, ready_timeout_s=0.5))


@pytest.mark.parametrize("ready", [{"ready_line": "booting up"}, {}])
def test_what_settles_is_ready_later(ready: dict[str, str], world: ProcessWorld, recorder: Recorder) -> None:
    """After its line, or its start, it has to live on for a while, in each incarnation."""
    world.start(shell("one", "echo booting up; exec sleep 60", ready_settle_s=0.4, **ready))
    world.signal("one", "SIGKILL")
    recorder.wait("one", "ready", 2)
    assert [0.4 <= event.data["after_s"] < 5 for event in recorder.of("one", "ready")] == [True, True]


def test_what_dies_while_it_settles_was_never_ready(world: ProcessWorld, recorder: Recorder) -> None:
    """A worker that says its line and then dies does not count as started."""
    with pytest.raises(
        TargetError, match=r"died with code 3 .* \(it has to live for ready_settle_s=30 after"
    ):
        world.start(shell("one", "echo booting up; exit 3", ready_line="booting", ready_settle_s=30))
    assert recorder.of("one", "ready") == []


@pytest.mark.parametrize(
    ("field", "value", "rule"),
    [
        ("ready_port", 0, "must be 1 to 65535"),
        ("ready_port", 65536, "must be 1 to 65535"),
        ("ready_settle_s", -1.0, "must be 0 to 600"),
        ("ready_settle_s", math.nan, "must be 0 to 600"),
    ],
)
def test_readiness_out_of_range_is_refused(field: str, value: float, rule: str, world: ProcessWorld) -> None:
    """Before anything starts."""
    with pytest.raises(UsageError, match=f"process 'one': {field}={value!r} {rule}"):
        world.start(shell("one", "sleep 60", **{field: value}))
