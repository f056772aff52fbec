"""Where processes listen, as the kernel has it."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

LOOPBACK = "0100007F"  # 127.0.0.1, as /proc/net/tcp has it
LOOPBACK_6 = "00000000000000000000000001000000"


def listening(pids: Iterable[int]) -> dict[int, set[str]]:
    """Local addresses, in hexadecimal, of the listening TCP and bound UDP sockets of processes."""
    inodes: dict[str, int] = {}
    for pid in pids:
        for handle in Path(f"/proc/{pid}/fd").glob("*"):
            try:
                target = os.readlink(handle)
            except OSError:
                continue
            if target.startswith("socket:["):
                inodes[target[8:-1]] = pid
    found: dict[int, set[str]] = {}
    for table, states in (("tcp", {"0A"}), ("tcp6", {"0A"}), ("udp", {"07"}), ("udp6", {"07"})):
        for line in Path(f"/proc/net/{table}").read_text().splitlines()[1:]:
            fields = line.split()
            if fields[9] in inodes and fields[3] in states:
                found.setdefault(inodes[fields[9]], set()).add(fields[1].partition(":")[0])
    return found
