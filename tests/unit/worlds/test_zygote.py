"""The zygote survives what it cannot do for one run."""

from __future__ import annotations

import errno
import os
import signal
import socket
from pathlib import Path

import pytest

from unstuck.worlds.process import wire
from unstuck.worlds.process.zygote import Zygote


def test_a_guardian_that_cannot_be_forked_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The handle is closed, signals go on, and the session hears why."""

    def no_more() -> int:
        raise BlockingIOError(errno.EAGAIN, os.strerror(errno.EAGAIN))

    ours, theirs = socket.socketpair()
    handle, other = socket.socketpair()
    with ours, theirs, other:
        settings = {"folder": str(tmp_path), "session": "x", "preload": [], "harness_pid": os.getpid()}
        zygote = Zygote(theirs, settings)
        monkeypatch.setattr(os, "fork", no_more)
        message = {
            "do": "guardian",
            "number": 1,
            "scratch": str(tmp_path / "1"),
            "quick": str(tmp_path / "1"),
        }
        zygote._fork_guardian(message, handle.detach(), [])
        [said] = wire.Lines().feed(ours.recv(4096))
        assert "cannot be forked" in said["error"]
        assert "ulimit -u" in said["error"]
        assert other.recv(1) == b"", "our end of the handle is closed"
        assert signal.SIGTERM not in signal.pthread_sigmask(signal.SIG_BLOCK, ())
