# Its output is what it is for.

"""Interrupts forked entries as soon as they are there: `interrupted.py LOG`; prints how each ended, once."""

from __future__ import annotations

import os
import signal
import sys

from unstuck.worlds.port import ProcessSpec
from unstuck.worlds.process import spawn, wire

SPEC = ProcessSpec(name="one", role="role", entry="tests.process.programs.entries:wait")
ends = set()
for _ in range(100):
    pid = spawn.spawn(wire.launch_of(SPEC), sys.argv[1], "fork", None)
    os.kill(pid, signal.SIGINT)
    ends.add(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
print(*ends)
