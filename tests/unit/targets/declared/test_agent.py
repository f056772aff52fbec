"""The process that calls a target's own functions: what a call says when it has ended."""

from __future__ import annotations

import socket
from pathlib import Path
from typing import Any, cast

import pytest

from unstuck.clock import monotonic_ns, sleep
from unstuck.targets.declared.agent_client import Agent, CallError
from unstuck.worlds.port import ProcessSpec, World


class Starting:
    """Stands for a world: what it starts connects, as the agent does, and is `connection`."""

    def start(self, spec: ProcessSpec) -> None:
        assert spec.command is not None
        *_, host, port = spec.command
        self.connection = socket.create_connection((host, int(port)))

    def retire(self, *_: Any) -> None:
        self.connection.close()


def test_a_call_to_an_agent_that_has_ended_fails_at_once(tmp_path: Path) -> None:
    """Nobody will answer: it was not carried out, and nobody waits for the whole of its time."""
    world = Starting()
    agent = Agent(cast("World", world), python="python", folder=tmp_path, log=tmp_path / "log")
    agent.start({})
    world.connection.close()
    deadline_ns = monotonic_ns() + 5_000_000_000
    while True:
        began_ns = monotonic_ns()
        with pytest.raises(CallError) as caught:
            agent.call("tasks:submit", {}, 1.0)
        if not caught.value.maybe and monotonic_ns() - began_ns < 500_000_000:
            break
        assert monotonic_ns() < deadline_ns  # the reader may not have seen it yet
        sleep(0.01)
    for _ in range(3):
        with pytest.raises(CallError) as caught:
            agent.call("tasks:submit", {}, 60.0)
        assert not caught.value.maybe
    agent.stop()
