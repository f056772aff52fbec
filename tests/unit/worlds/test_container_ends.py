"""How a container world ends where the engine or a guardian fails, on an engine that is made up."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from unstuck.errors import HarnessError
from unstuck.worlds.container import session as container_session
from unstuck.worlds.container.guardian import ContainerGuardian
from unstuck.worlds.container.session import ContainerSession
from unstuck.worlds.container.supervisor import Berth, SupervisedContainer
from unstuck.worlds.container.world import CAPABILITIES, ContainerWorld
from unstuck.worlds.port import Restart
from unstuck.worlds.process import proctree
from unstuck.worlds.process.session import Session
from unstuck.worlds.process.spawn import SpawnError
from unstuck.worlds.process.wire import Launch
from unstuck.worlds.process.world import ProcessWorld, ignore_event


class Engine:
    """Lists containers, the n-th in `late` from the n-th look on, until they are removed."""

    def __init__(self, late: Sequence[str | None] = ()) -> None:
        self.api = self
        self.there: list[str] = []
        self.closed = False
        self._late = list(late)

    def containers(self, **_: object) -> list[dict[str, str]]:
        if self._late and (name := self._late.pop(0)) is not None:
            self.there.append(name)
        return [{"Id": name} for name in self.there]

    def remove_container(self, name: str, **_: object) -> None:
        self.there.remove(name)

    def close(self) -> None:
        self.closed = True


class DeadEngine(Engine):
    def containers(self, **_: object) -> list[dict[str, str]]:
        raise ConnectionError("Connection aborted.")


class Beside:
    """In place of the world of the harness's own processes, and of its session."""

    def __init__(self, folder: Path) -> None:
        self.scratch = self.quick = self.folder = folder
        self.scheduler = None
        self.closed = 0

    def world(self, *_: object, **__: object) -> Beside:
        return self

    def close(self) -> None:
        self.closed += 1


def killed_guardian(folder: Path) -> ProcessWorld:
    """What a world is left with when its guardian got SIGKILL: the end of a socket."""
    ours, theirs = socket.socketpair()
    theirs.close()
    return ProcessWorld(
        ours, run="run", scratch=folder, quick=folder, guardian_pid=0, capabilities=CAPABILITIES,
        on_event=ignore_event, start_ns=0,
    )  # fmt: skip


def made_up(engine: Engine, beside: Beside) -> ContainerWorld:
    containers = killed_guardian(beside.folder)
    return ContainerWorld(
        beside=cast("Any", beside), containers=containers, client=cast("Any", engine), run="run"
    )


def test_the_first_container_of_a_killed_guardian_is_waited_for(tmp_path: Path) -> None:
    """Case 2 of `residue`: what it asked for just before comes late, though none was there at first."""
    engine = Engine(late=[None, None, "late"])
    made_up(engine, Beside(tmp_path)).close()
    assert engine._late == []
    assert engine.there == []


def test_an_engine_that_is_gone_is_told_with_the_next_step(tmp_path: Path) -> None:
    """As an error of the harness, and what runs beside the containers is ended all the same."""
    beside = Beside(tmp_path)
    with pytest.raises(HarnessError, match=r"run='run': the engine fails .* docker rm -f"):
        made_up(DeadEngine(), beside).close()
    assert beside.closed == 1


def test_a_guardian_that_does_not_come_up_is_given_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else it would come up later, and stay as long as the harness: nobody else closes it."""
    worlds = []

    def slow(self: ProcessWorld, _: float) -> None:
        worlds.append(self)
        raise HarnessError("not up")

    engine, beside = Engine(), Beside(tmp_path)
    monkeypatch.setattr(container_session, "connect", lambda: engine)
    monkeypatch.setattr(subprocess, "Popen", lambda *_, **__: SimpleNamespace(pid=0, wait=lambda _: 0))
    monkeypatch.setattr(ProcessWorld, "wait_up", slow)
    session = ContainerSession(cast("Session", beside), image_name="image")
    with pytest.raises(HarnessError, match="not up"):
        session.world("run")
    assert beside.closed == 1
    assert [world._control.fileno() for world in worlds] == [-1]
    session.close()
    assert engine.closed


def test_a_later_holder_of_the_pid_gets_no_signal(tmp_path: Path) -> None:
    """The engine collects process 1, not we: until it tells of the end, a stranger may have its pid."""
    over = threading.Event()
    api = SimpleNamespace(
        create_host_config=dict,
        create_container_config=lambda *_, **__: {},
        create_container_from_config=lambda *_: {"Id": "one"},
        attach=lambda *_, **__: [],
        start=lambda _: None,
        inspect_container=lambda _: {"State": {"Pid": os.getpid(), "Running": True, "OOMKilled": False}},
        wait=lambda *_, **__: over.wait() and {"StatusCode": 0},
    )
    one = SupervisedContainer(
        Launch(name="w-1", role="w", command=["w"], restart=Restart(policy="never")),
        log=str(tmp_path / "log"), emit=lambda *_: None, client=cast("Any", SimpleNamespace(api=api)),
        berth=Berth(image="image", run="run", owner="owner"), tell_ended=lambda _: None,
    )  # fmt: skip
    one.start()
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as stranger:
        later = proctree.read(stranger.pid)
        assert later is not None
        got = ContainerGuardian._send_to(cast("Any", None), one, later, signal.SIGTERM, "group")
        stranger.communicate(b"\n")
    over.set()
    assert (got, stranger.returncode) == ([], 0)


class SlowEngine(Engine):
    """Its container has ended, and its pid with it, before it says so; or its processes are elsewhere."""

    def __init__(self, *, ends: bool) -> None:
        super().__init__()
        self._ends = ends

    def wait(self, _: object, timeout: float) -> dict[str, int]:
        assert timeout > 0
        if not self._ends:
            raise TimeoutError("Read timed out.")
        return {"StatusCode": 3}


@pytest.mark.parametrize("ends", [True, False])
def test_a_container_that_ended_at_once_is_not_one_of_another_machine(*, ends: bool) -> None:
    """The pid that the engine told is gone, and only the engine can say which of the two it is."""
    with subprocess.Popen([sys.executable, "-c", ""]) as gone:
        gone.wait()
    one = SupervisedContainer(
        Launch(name="w-1", role="worker", command=["true"]),
        log="/dev/null",
        emit=lambda *_: None,
        client=cast("Any", SlowEngine(ends=ends)),
        berth=Berth(image="image", run="run", owner="1"),
        tell_ended=lambda _: None,
    )
    one.pid = gone.pid
    if ends:
        one._check_process()
        return
    with pytest.raises(SpawnError, match="must run on this machine"):
        one._check_process()
