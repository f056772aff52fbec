# Its output is what it is for.

"""`allocate.py main|child MIB`: touches that much memory, itself or in a child whose end it reports."""

from __future__ import annotations

import os
import signal
import sys


def allocate(mebibytes: int) -> bytearray:
    kept = bytearray(mebibytes * 1024 * 1024)
    for position in range(0, len(kept), 4096):
        kept[position] = 1
    return kept


def main() -> None:
    who, mebibytes = sys.argv[1], int(sys.argv[2])
    print("ready", flush=True)
    if who == "child":
        pid = os.fork()
        if pid == 0:
            allocate(mebibytes)
            os._exit(0)
        _, status = os.waitpid(pid, 0)
        print(f"child ended with {os.waitstatus_to_exitcode(status)}", flush=True)
    else:
        kept = allocate(mebibytes)
        print(f"allocated {len(kept)}", flush=True)
    while True:
        signal.pause()


main()
