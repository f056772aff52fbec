"""Keeps the log of a process from filling the disk: what is in the middle of a long one is dropped.

A process writes its log itself, by O_APPEND, so that nobody has to keep up with it and nothing is lost of
what it wrote before it was killed. A log that has grown long is cut down in place, to how it began and how
it went on lately, with a line in between that says so. What is written next goes to its new end.
"""

from __future__ import annotations

import contextlib
import os
from dataclasses import dataclass

LOG_BYTES_MAX = 16 * 1024 * 1024
HEAD_BYTES = 256 * 1024
TAIL_BYTES = 4 * 1024 * 1024
CHECK_EVERY_NS = 250_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Cut:
    """How a log was cut: `dropped` bytes are missing by now; its end moved from `tail_from` to `tail_at`."""

    dropped: int
    head_bytes: int
    tail_from: int
    tail_at: int

    def place_of(self, offset: int) -> int:
        """Where what was at `offset` is now; of what was dropped, where the log goes on after it."""
        if offset <= self.head_bytes:
            return offset
        return max(0, offset - self.tail_from) + self.tail_at


def cut_down(path: str, dropped: int = 0) -> Cut | None:
    """Cuts a log of more than `LOG_BYTES_MAX`, of which `dropped` bytes were missing before.

    None: it is short enough. What is written between the reading and the cut (1 ms) is missing, too:
    1. we read the end  2. the process writes  3. we cut. Raises `OSError`.
    """
    if os.stat(path).st_size <= LOG_BYTES_MAX:
        return None
    file = os.open(path, os.O_RDWR | os.O_APPEND)
    try:
        size = os.fstat(file).st_size
        tail = os.pread(file, TAIL_BYTES, size - TAIL_BYTES)
        tail = tail[tail.find(b"\n") + 1 :]  # whole lines; a single line that never ends is kept as it is
        dropped += max(0, os.fstat(file).st_size - HEAD_BYTES - len(tail))
        os.ftruncate(file, HEAD_BYTES)
        note = (
            f"\n[unstuck] {dropped} bytes in the middle of this log are missing: "
            f"it grew beyond {LOG_BYTES_MAX // 2**20} MiB\n"
        )
        os.write(file, note.encode() + tail)
    finally:
        os.close(file)
    return Cut(
        dropped=dropped,
        head_bytes=HEAD_BYTES,
        tail_from=size - len(tail),
        tail_at=HEAD_BYTES + len(note),
    )


def size_of(path: str) -> int:
    """In bytes; 0 when it is not there."""
    with contextlib.suppress(OSError):
        return os.path.getsize(path)
    return 0
