"""A limit on the files that a process may open, by RLIMIT_NOFILE."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from tests.process.test_processes import forked, shell
from unstuck.worlds.process.world import ProcessWorld

pytestmark = pytest.mark.process


@pytest.mark.parametrize("how", ["exec", "fork"])
def test_a_process_opens_no_more_than_its_limit(world: ProcessWorld, tmp_path: Path, how: str) -> None:
    """Soft and hard, so that it cannot raise it; nobody else's changes."""
    log = tmp_path / "log"
    spec = (
        shell("few", "ulimit -Sn; ulimit -Hn; echo ready; sleep 60")
        if how == "exec"
        else forked("few", "limits")
    )
    world.start(replace(spec, log=str(log), ready_line="ready", descriptors_max=20))
    assert log.read_text().splitlines()[:2] == ["20", "20"]
