"""A harness whose own child holds copies of all that it has open: `copied.py SCRATCH` prints their pids."""

from __future__ import annotations

import json
import os
import signal
import sys
from pathlib import Path

from unstuck.worlds.process.session import Session

session = Session(scratch=Path(sys.argv[1]))
world = session.world("copied")
child = os.fork()
if child == 0:
    while True:
        signal.pause()
# Its output is what it is for.
print(json.dumps({"child": child, "zygote": session.zygote_pid, "guardian": world.guardian_pid}), flush=True)
signal.pause()
