"""The harness's side of the agent: calls functions of the target's own Python, with a time limit."""

from __future__ import annotations

import itertools
import json
import queue
import socket
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from unstuck.errors import TargetError
from unstuck.worlds.port import ProcessSpec, Restart
from unstuck.yaml_source import shorten

PROCESS = "client-1"
CONNECTS_WITHIN_S = 30.0
ANSWERS_WITHIN_S = 5.0  # beyond the time of a program, which the agent itself ends
PROGRAM = Path(__file__).with_name("agent.py")


class CallError(Exception):
    """A call of the target file failed. `maybe`: it may have been carried out all the same; `status`: of the
    HTTP answer that said so."""

    def __init__(self, text: str, *, maybe: bool, status: int | None = None) -> None:
        super().__init__(text)
        self.maybe = maybe
        self.status = status


class Starter(Protocol):
    """What starts the one process, and takes it away; a world does."""

    def start(self, spec: ProcessSpec) -> Any: ...

    def retire(self, name: str) -> Any: ...


class Agent:
    """One process, started by `start`; `call` may be used from any thread."""

    def __init__(self, world: Starter, *, python: str, folder: Path, log: Path) -> None:
        self._world = world
        self._python = python
        self._folder = folder
        self._log = log
        self._numbers = itertools.count(1)
        self._lock = threading.Lock()
        self._answers: dict[int, queue.SimpleQueue[Mapping[str, Any]]] = {}
        self._connection: socket.socket | None = None
        self._ended = False  # nobody reads answers any more

    def start(self, environment: Mapping[str, str]) -> None:
        """Raises `TargetError` when it does not come up."""
        with socket.create_server(("127.0.0.1", 0)) as listener:
            host, port = listener.getsockname()
            self._world.start(
                ProcessSpec(
                    name=PROCESS,
                    role="client",
                    command=(self._python, str(PROGRAM), host, str(port)),
                    environment=environment,
                    folder=str(self._folder),
                    log=str(self._log),
                    restart=Restart(policy="never"),
                    beside=True,
                )
            )
            listener.settimeout(CONNECTS_WITHIN_S)
            try:
                self._connection, _ = listener.accept()
            except OSError:
                raise TargetError(
                    f"python={self._python!r}: the process that calls the target's functions did not come "
                    f"up in {CONNECTS_WITHIN_S:g} s; see {self._log.name}"
                ) from None
        threading.Thread(target=self._read, name="agent", daemon=True).start()

    def stop(self) -> None:
        """The process ends with the connection. Idempotent."""
        self._world.retire(PROCESS)
        if self._connection is not None:
            self._connection.close()

    def call(self, function: str, arguments: Mapping[str, Any], timeout_s: float) -> Any:
        """What the function returned, as JSON carries it. Raises `CallError`."""
        return self._ask(function, {"function": function, "arguments": dict(arguments)}, timeout_s)

    def run(self, command: Sequence[str], timeout_s: float) -> str:
        """What the program printed; it has ended well. Raises `CallError`."""
        what = shorten(" ".join(command))
        request = {"command": list(command), "timeout_s": timeout_s}
        ended = self._ask(what, request, timeout_s + ANSWERS_WITHIN_S)
        if ended["code"] != 0:
            said = " | ".join(str(ended["err"] or ended["out"]).strip().splitlines()[-2:])
            raise CallError(f"{what}: ended with {ended['code']}: {said or 'it said nothing'}", maybe=True)
        return str(ended["out"])

    def _ask(self, what: str, request: Mapping[str, Any], timeout_s: float) -> Any:
        answer: queue.SimpleQueue[Mapping[str, Any]] = queue.SimpleQueue()
        with self._lock:
            number = next(self._numbers)
            self._answers[number] = answer
            try:
                # 1. it dies, 2. the reader tells all who wait, 3. we send: the first bytes are still taken.
                assert not self._ended
                assert self._connection is not None
                self._connection.sendall(json.dumps({"id": number, **request}).encode() + b"\n")
            except (OSError, AssertionError):
                del self._answers[number]
                raise CallError(f"{what}: the process for such calls has ended", maybe=False) from None
        try:
            reply = answer.get(timeout=timeout_s)
        except queue.Empty:
            raise CallError(f"{what}: has not returned within {timeout_s:g} s", maybe=True) from None
        finally:
            with self._lock:
                self._answers.pop(number, None)
        if "error" in reply:
            raise CallError(f"{what}: {reply['error']}", maybe=True)
        return reply["ok"]

    def _read(self) -> None:
        assert self._connection is not None
        try:
            with self._connection.makefile("rb") as lines:
                for line in lines:
                    self._take(json.loads(line))
        except (OSError, ValueError):
            pass  # closed by us, or killed in the middle of a line
        with self._lock:
            self._ended = True
            waiting = list(self._answers.values())
        for one in waiting:
            one.put({"error": "its process has ended"})

    def _take(self, message: Mapping[str, Any]) -> None:
        with self._lock:
            answer = self._answers.get(message["id"])
        if answer is not None:
            answer.put(message)
