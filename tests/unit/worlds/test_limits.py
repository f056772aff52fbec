"""A low limit of open files is raised, or told before anything starts."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

ENVIRONMENT = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
PROGRAM = """
import resource
from unstuck.errors import UsageError
from unstuck.worlds.process.limits import raise_open_files
resource.setrlimit(resource.RLIMIT_NOFILE, ({soft}, {hard}))
try:
    raise_open_files()
except UsageError as error:
    print(error)
print(resource.getrlimit(resource.RLIMIT_NOFILE)[0])
"""


@pytest.mark.parametrize(
    ("soft", "hard", "then"),
    [(64, 1024, 256), (300, 1024, 300), (256, 256, 256)],
)
def test_a_low_soft_limit_is_raised(soft: int, hard: int, then: int) -> None:
    """As far as a run needs it, and no further; one that is high enough stays."""
    assert run(soft, hard) == [str(then)]


def test_a_low_hard_limit_is_refused_with_the_number_that_is_needed() -> None:
    """One line: what it is, what it has to be, and how to get there."""
    said, limit = run(64, 64)
    assert "ulimit -Hn=64 is too low" in said
    assert "256" in said
    assert limit == "64"


def run(soft: int, hard: int) -> list[str]:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM.format(soft=soft, hard=hard)],
        capture_output=True,
        text=True,
        check=True,
        env=ENVIRONMENT,
    )
    return done.stdout.splitlines()
