"""`python -m unstuck.links`: the proxy process of a run."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import os
import socket
import sys
from collections.abc import Sequence

from unstuck.links.control import Control
from unstuck.links.file_limit import raise_file_limit
from unstuck.links.real_toxiproxy import RealToxiproxy

ACCEPT_TIMEOUT_S = 30.0


def main(argv: Sequence[str] | None = None) -> int:
    """Serves one harness, and ends (0) when it disconnects, or (1) when none came within 30 s.

    Prints one line, `links ready on 127.0.0.1:PORT`, once it can be connected to.
    """
    parser = argparse.ArgumentParser(prog="python -m unstuck.links", description=__doc__)
    parser.add_argument("--port", type=int, default=0, help="control port on 127.0.0.1 (0: a free one)")
    parser.add_argument("--control-fd", type=int, help="an inherited, connected socket instead of a port")
    parser.add_argument("--ready-file", help="a file to write HOST:PORT to, whole or not at all")
    parser.add_argument("--seed", type=int, default=0, help="of invented ids")
    parser.add_argument("--toxiproxy", metavar="URL", help="a real one, which carries out toxics and `down`")
    options = parser.parse_args(argv)
    real = RealToxiproxy(options.toxiproxy) if options.toxiproxy else None
    raise_file_limit()
    with contextlib.ExitStack() as stack:
        if options.control_fd is not None:
            sock = stack.enter_context(socket.socket(fileno=options.control_fd))
            _say("links ready on an inherited socket")
        else:
            listener = stack.enter_context(socket.create_server(("127.0.0.1", options.port), backlog=1))
            address = "{}:{}".format(*listener.getsockname()[:2])
            if options.ready_file:
                _write_whole(options.ready_file, address)
            _say(f"links ready on {address}")
            listener.settimeout(ACCEPT_TIMEOUT_S)
            try:
                sock = stack.enter_context(listener.accept()[0])
            except TimeoutError:
                _say(f"links: no harness connected within {ACCEPT_TIMEOUT_S:g} s")
                return 1
            listener.close()
        sock.setblocking(False)  # noqa: FBT003  the socket module's own signature
        asyncio.run(Control(seed=options.seed, real=real).serve(sock))
    return 0


def _say(line: str) -> None:
    print(line, flush=True)  # noqa: T201  the supervisor waits for this line


def _write_whole(path: str, text: str) -> None:
    partial = f"{path}.partial"
    with open(partial, "w", encoding="ascii") as file:
        file.write(text)
    os.replace(partial, path)


if __name__ == "__main__":
    sys.exit(main())
