"""Stands in for a container in the tree of a run: `stand_in:main`, with what to make as JSON.

It makes the container, prints what that prints, hands on the signals that ask it to end, and ends as it
ends. What it cannot hand on (SIGKILL, SIGSTOP, SIGCONT) the guardian sends to the container's process 1
itself, which a file names (`unstuck.worlds.process.companion`): so a kill of the stand-in takes the
container with it, and a pause stops both.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import sys
import threading
from collections.abc import Iterable, Sequence
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any, NoReturn

from unstuck import clock
from unstuck.worlds.container import residue
from unstuck.worlds.container.engine import connect
from unstuck.worlds.process import companion

if TYPE_CHECKING:
    from docker import DockerClient

READY = "unstuck: it is ready"
"""What is printed once the output has had all that it must have."""

_GONE_WITHIN_S = 15.0
_LOG_ENDS_WITHIN_S = 2.0
_SIGNAL_EXIT = 128  # the engine's code for a program that a signal ended, plus the signal's number
_ASKS_TO_END = (signal.SIGTERM, signal.SIGINT, signal.SIGQUIT, signal.SIGHUP)


def main(arguments: Sequence[str]) -> int:
    """Its exit code; ends by the signal that ended the container."""
    settings: dict[str, Any] = json.loads(arguments[0])
    client = connect()
    _remove_earlier(client, settings)
    identity = _create(client, settings)
    output = client.api.attach(identity, stdout=True, stderr=True, stream=True, logs=False)
    signal.pthread_sigmask(signal.SIG_BLOCK, _ASKS_TO_END)  # until there is somebody to hand them to
    client.api.start(identity)
    file = Path(settings["companion"])
    if not companion.tell(file, int(client.api.inspect_container(identity)["State"]["Pid"])):
        say("it ended at once, or the engine's processes are not this machine's")

    def hand_on(number: int, _: FrameType | None) -> None:
        process = companion.of(file)
        if process is not None:
            os.kill(process.pid, number)

    for number in _ASKS_TO_END:
        signal.signal(number, hand_on)
    copying = threading.Thread(target=_copy, args=(output, settings["ready"]), daemon=True)
    copying.start()
    signal.pthread_sigmask(signal.SIG_UNBLOCK, _ASKS_TO_END)
    code = int(client.api.wait(identity, timeout=None)["StatusCode"])
    copying.join(_LOG_ENDS_WITHIN_S)
    with contextlib.suppress(Exception):  # the run's end, or the next incarnation, removes what is left
        residue.remove(client, [identity])
    _end_as(code)


def say(text: str) -> None:
    """Prints a line of our own among those of the container."""
    sys.stdout.write(f"unstuck: {text}\n")
    sys.stdout.flush()


def _remove_earlier(client: DockerClient, settings: dict[str, Any]) -> None:
    """The container of the incarnation before has been killed, but may not have gone: it has our data."""
    labels = [f"{name}={value}" for name, value in settings["labels"].items()]
    deadline_ns = clock.monotonic_ns() + int(_GONE_WITHIN_S * 1e9)
    while True:
        left = client.api.containers(all=True, filters={"label": labels})
        if not left or clock.monotonic_ns() > deadline_ns:
            return
        residue.remove(client, [str(one["Id"]) for one in left])


def _create(client: DockerClient, settings: dict[str, Any]) -> str:
    host = client.api.create_host_config(
        network_mode="host",
        auto_remove=True,  # also when nobody of us is left
        security_opt=["no-new-privileges"],
        log_config={"type": "none"},  # it is attached to
        binds=settings["binds"],
    )
    config = client.api.create_container_config(
        settings["image"],
        command=settings["command"],
        environment=settings["environment"],
        user=None if os.getuid() == 0 else f"{os.getuid()}:{os.getgid()}",
        labels=settings["labels"],
        healthcheck={"test": ["NONE"]},  # readiness is the supervisor's
        host_config=host,
    )
    return str(client.api.create_container_from_config(config)["Id"])


def _copy(output: Iterable[bytes], ready: Sequence[str]) -> None:
    """Prints what the container prints, and says when all of `ready` has come, in its order."""
    left = list(ready)
    rest = b""
    for chunk in output:
        sys.stdout.buffer.write(chunk)
        sys.stdout.buffer.flush()
        rest += chunk if left else b""
        while left and (at := rest.find(left[0].encode())) >= 0:
            rest = rest[at:]
            rest = rest[len(left.pop(0).encode()) :]
            if not left:
                sys.stdout.write(f"\n{READY}\n")
                sys.stdout.flush()
        rest = rest[-4096:]


def _end_as(code: int) -> NoReturn:
    number = code - _SIGNAL_EXIT
    if number in {signal.SIGKILL, signal.SIGTERM}:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        os.kill(os.getpid(), number)
    sys.stdout.flush()
    os._exit(code & 0xFF)
