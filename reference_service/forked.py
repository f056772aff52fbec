"""What a forked child does until it ends, and what it tells its parent through a pipe: a line of JSON each.

`{"measured": STAGE, "peak_rss_bytes": N}` as a stage ends, and in the end its result. On Linux a child dies
with its parent (PR_SET_PDEATHSIG); elsewhere it notices at its next interruption point that it has another.
"""

from __future__ import annotations

import contextlib
import ctypes
import gc
import json
import os
import resource
import signal
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from types import FrameType
from typing import Any

from reference_service.memory import address_space_bytes, forget_peak, resident_bytes
from reference_service.ports import Stopper

PR_SET_PDEATHSIG = 1
OOM_SCORE_OF_CHILD = 500  # rather a child, whose job can be judged and tried again, than the worker
STOP_CHILD = signal.SIGUSR1  # SIGTERM to a whole group must not take the decision from the worker
Work = Callable[[Stopper], Mapping[str, Any]]


def read_notes(received: bytes) -> tuple[dict[str, Any] | None, dict[str, int]]:
    """The result, and the peaks by stage. The last line is cut off when it was killed while it wrote."""
    result: dict[str, Any] | None = None
    stage_peaks: dict[str, int] = {}
    for line in received.split(b"\n")[:-1]:
        note = json.loads(line)
        if "measured" in note:
            stage_peaks[note["measured"]] = note["peak_rss_bytes"]
        else:
            result = note
    return result, stage_peaks


class _ChildStopper:
    def __init__(self, parent: int, pipe: int) -> None:
        self._parent = parent
        self._pipe = pipe
        forget_peak()  # what was resident at the fork is the parent's
        self._asked = False
        signal.signal(STOP_CHILD, self._on_stop)

    @property
    def asked(self) -> bool:
        return self._asked or os.getppid() != self._parent

    def measure(self, stage: str) -> None:
        """By a line at once: who is killed in the next stage leaves what is known of this one."""
        found = resident_bytes(os.getpid())
        if found is not None:
            note = {"measured": stage, "peak_rss_bytes": found[1]}
            _write_all(self._pipe, json.dumps(note).encode() + b"\n")
            forget_peak()

    def _on_stop(self, _signal: int, _frame: FrameType | None) -> None:
        self._asked = True


def live_as_child(parent: int, pipe: int, work: Work, memory_limit_bytes: int | None) -> None:
    """Runs the work and ends this process; never returns, and runs no exit handler of the parent's."""
    code = 1
    try:
        drains = signal.getsignal(signal.SIGTERM) not in {signal.SIG_DFL, signal.SIG_IGN}
        signal.set_wakeup_fd(-1)
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, signal.SIG_IGN if drains else signal.SIG_DFL)
        signal.signal(signal.SIGIO, signal.SIG_IGN)  # whoever connects to the parent is not ours to answer
        stopper = _ChildStopper(parent, pipe)
        _die_with_parent(parent)
        gc.freeze()  # a collection would write to, and so copy, each page of what the parent has made
        if memory_limit_bytes is not None:
            # By growth: what is mapped already says nothing of the job (libraries alone are hundreds of MB).
            most = address_space_bytes() + memory_limit_bytes
            resource.setrlimit(resource.RLIMIT_AS, (most, most))
        result = dict(work(stopper))
        found = resident_bytes(os.getpid())
        result["peak_rss_bytes"] = found[1] if found else None
        _write_all(pipe, json.dumps(result).encode() + b"\n")
        code = 0
    except BaseException as error:  # noqa: BLE001  the child must end here, whatever it was
        sys.stderr.write(f'level=warning msg="a child failed" error={type(error).__name__}: {error}\n')
    finally:
        try:
            sys.stdout.flush()
            sys.stderr.flush()
        finally:
            os._exit(code)


def _die_with_parent(parent: int) -> None:
    if not sys.platform.startswith("linux"):
        return
    ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:  # it died between the fork and the line above
        os._exit(1)
    with contextlib.suppress(OSError):  # a hint only
        Path("/proc/self/oom_score_adj").write_text(str(OOM_SCORE_OF_CHILD), encoding="ascii")


def _write_all(pipe: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(pipe, view) :]
