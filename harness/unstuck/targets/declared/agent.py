"""Calls a target's own Python functions, in its own Python, and runs its programs. Needs nothing but itself.

    python agent.py HOST PORT        in the folder where the target's modules are

Connects to the harness and answers lines of JSON with {"id": 1, "ok": …} or {"id": 1, "error": "…"}:

    {"id": 1, "function": "module:name", "arguments": {…}}      as keywords, what the function names of them
    {"id": 1, "command": ["…"], "timeout_s": 10}                ok: {"code": 0, "out": "…", "err": "…"}

Each call has a thread of its own, so that one that hangs holds up nobody.
"""

from __future__ import annotations

import importlib
import inspect
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import traceback
from typing import IO

SHOWN = 1 << 20  # bytes of what a program prints
ENDS_WITHIN_S = 0.5  # after a program, for what it has printed


def main(host: str, port: str) -> None:
    """Serves until the harness closes the connection; then the process ends, whatever still runs in it."""
    sys.path.insert(0, os.getcwd())
    connection = socket.create_connection((host, int(port)))
    lock = threading.Lock()

    def answer(message: dict[str, object]) -> None:
        with lock:
            connection.sendall(json.dumps(message, default=str).encode() + b"\n")

    def serve(request: dict[str, object]) -> None:
        try:
            value = _run(request) if "command" in request else _call(request)
            json.dumps(value, default=str)
        except BaseException as error:  # noqa: BLE001  the harness tells it
            traceback.print_exc()
            answer({"id": request["id"], "error": f"{type(error).__name__}: {error}"})
        else:
            answer({"id": request["id"], "ok": value})

    with connection.makefile("rb") as lines:
        for line in lines:
            threading.Thread(target=serve, args=(json.loads(line),), daemon=True).start()
    os._exit(0)


def _call(request: dict[str, object]) -> object:
    module, _, name = str(request["function"]).partition(":")
    function = getattr(importlib.import_module(module), name)
    given = request["arguments"]
    assert isinstance(given, dict)
    parameters = inspect.signature(function).parameters
    takes_all = any(one.kind is one.VAR_KEYWORD for one in parameters.values())
    return function(**{key: value for key, value in given.items() if takes_all or key in parameters})


def _run(request: dict[str, object]) -> object:
    command, timeout_s = request["command"], request["timeout_s"]
    assert isinstance(command, list)
    assert isinstance(timeout_s, int | float)
    with subprocess.Popen(
        [str(word) for word in command],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
    ) as program:
        out, err = _Kept(program.stdout), _Kept(program.stderr)
        try:
            program.wait(timeout=timeout_s)
        except subprocess.TimeoutExpired:
            os.killpg(program.pid, signal.SIGKILL)
            raise
        return {"code": program.returncode, "out": out.text(), "err": err.text()[-2000:]}


class _Kept:
    """What a program prints, up to `SHOWN` bytes; the rest is read and dropped, so that it never stands
    still. A child that it leaves behind may hold the pipe open: that keeps nobody waiting for long."""

    def __init__(self, pipe: IO[bytes] | None) -> None:
        assert pipe is not None
        self._pipe = pipe
        self._kept = bytearray()
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def _read(self) -> None:
        try:
            while data := os.read(self._pipe.fileno(), 65536):
                self._kept += data[: max(0, SHOWN - len(self._kept))]
        except (OSError, ValueError):
            pass  # closed, since nobody waits for it any more

    def text(self) -> str:
        self._thread.join(ENDS_WITHIN_S)
        return bytes(self._kept).decode(errors="replace")


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
