"""Folders of simulated runs, of which nothing stays however this process ends."""

from __future__ import annotations

import atexit
import contextlib
import os
import shutil
import subprocess
import tempfile
import threading
from pathlib import Path

from unstuck.clock import monotonic_ns

MEMORY = Path("/dev/shm")  # noqa: S108  files of a run are small and many; on a disk they take most of its time
_WATCH = 'read -r _; rm -rf "$0"'


class _Roof:
    """The folder of all worlds of this process, and a shell that removes it when this process is gone.

    The shell waits for the end of a pipe that only we hold: it comes also after a SIGKILL.
    """

    def __init__(self) -> None:
        self.pid = os.getpid()
        above = MEMORY if os.access(MEMORY, os.W_OK) else Path(tempfile.gettempdir())
        # Nobody else's name: the clock tells apart two of one pid, in containers that share the folder.
        self.path = above / f"unstuck-sim-{self.pid}-{monotonic_ns():x}"
        # The shell comes first: 1. we make the folder, 2. we are killed before there is a shell: it stays.
        self._shell = subprocess.Popen(
            ["/bin/sh", "-c", _WATCH, str(self.path)],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,  # Ctrl-C on a terminal is for us
        )
        atexit.register(self.close)
        self.path.mkdir(mode=0o700)

    def close(self) -> None:
        """Idempotent. In a fork of the process that made it: nothing, for it is not ours."""
        if self.pid != os.getpid():
            return
        shutil.rmtree(self.path, ignore_errors=True)
        assert self._shell.stdin is not None
        with contextlib.suppress(OSError):
            self._shell.stdin.close()
        self._shell.wait()


_lock = threading.Lock()
_roofs: list[_Roof] = []  # one, or none yet; after a fork one more


def make() -> Path:
    """A new empty folder, for `remove`."""
    with _lock:
        if not _roofs or _roofs[-1].pid != os.getpid():
            _roofs.append(_Roof())
        _roofs[-1].path.mkdir(exist_ok=True)
        return Path(tempfile.mkdtemp(dir=_roofs[-1].path))


def remove(folder: Path) -> None:
    """Takes a folder away, and with the last one the folder above. Idempotent."""
    with _lock:
        shutil.rmtree(folder, ignore_errors=True)
        with contextlib.suppress(OSError):  # others are in it
            folder.parent.rmdir()
