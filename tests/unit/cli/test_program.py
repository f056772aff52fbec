"""The process `unstuck` ends with an exit code, whenever Ctrl-C comes."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

ENVIRONMENT = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
KILL = "os.kill(os.getpid(), signal.SIGINT)"
BEFORE = f"""
import os, signal, sys
from unstuck import cli
class Finder:
    def find_spec(self, name, path=None, target=None):
        if name == "unstuck.cli.entry":
            {KILL}
sys.meta_path.insert(0, Finder())
"""
IN_AN_EXEC = f"""
import os, signal, sys
from unstuck import cli
from unstuck.cli import entry
entry._dispatch = lambda *_: exec({KILL!r})
"""
AFTER = f"""
import atexit, os, signal, sys
from unstuck import cli
atexit.register(lambda: {KILL})
"""


def run(program: str) -> subprocess.CompletedProcess[str]:
    program += "sys.argv = ['unstuck', '--version']\ncli.program()\n"
    return subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False, env=ENVIRONMENT
    )


@pytest.mark.parametrize("program", [BEFORE, IN_AN_EXEC], ids=["before", "in-an-exec"])
def test_ctrl_c_while_it_imports_is_130(program: str) -> None:
    """Python would die of signal 2: before anybody caught it, and where it left an `exec` of text."""
    done = run(program)
    assert done.returncode == 130
    assert "Traceback" not in done.stderr


def test_ctrl_c_after_the_verdict_changes_nothing() -> None:
    """While the interpreter takes its modules down, the exit code stands and nothing is printed."""
    done = run(AFTER)
    assert (done.returncode, done.stderr) == (0, "")


def test_a_caller_that_ignores_ctrl_c_is_obeyed() -> None:
    """As under nohup: the signal stays ignored."""
    done = run(IN_AN_EXEC.replace("from unstuck import cli", f"{IGNORE}\nfrom unstuck import cli"))
    assert "interrupted" not in done.stderr


IGNORE = "signal.signal(signal.SIGINT, signal.SIG_IGN)"
