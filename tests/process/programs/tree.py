# Its output is what it is for.

"""Makes a tree of processes that get away in every usual manner, says `ready`, and waits.

`tree.py FILE` writes {name: pid} as JSON to FILE. Names: main; child (same group); grandchild; grouped
(a group of its own); session (a session of its own); daemon (double fork, a session of its own).
"""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path


def fork(
    name: str,
    writer: int,
    before: Callable[[], None] = lambda: None,
    after: Callable[[], None] = lambda: None,
) -> None:
    if os.fork() == 0:
        before()
        os.write(writer, f"{name} {os.getpid()}\n".encode())
        after()
        while True:
            signal.pause()


def main() -> None:
    reader, writer = os.pipe()

    def become_daemon() -> None:
        os.setsid()
        if os.fork() != 0:
            os._exit(0)

    fork("child", writer, after=lambda: fork("grandchild", writer))
    fork("grouped", writer, before=lambda: os.setpgid(0, 0))
    fork("session", writer, before=os.setsid)
    fork("daemon", writer, before=become_daemon)
    text = b""
    while text.count(b"\n") < 5:
        text += os.read(reader, 4096)
    pids = {name: int(pid) for name, pid in (line.split() for line in text.decode().splitlines())}
    Path(sys.argv[1]).write_text(json.dumps({"main": os.getpid(), **pids}))
    print("ready", flush=True)
    while True:
        signal.pause()


main()
