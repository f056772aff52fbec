"""Every ready-made target under every scenario: each run comes to a verdict, or says why not."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench import findings
from tests.systems.conftest import NOT_OURS_TO_INSTALL, skip_unless_there
from unstuck.targets.ready import ready_targets

pytestmark = [pytest.mark.process, pytest.mark.soak, pytest.mark.timeout(1800)]

# Where the workers have no process of their own for a job, there is no child to kill.
NO_CHILD = {"arq", "huey", "procrastinate"}


@pytest.mark.parametrize("target", sorted(set(ready_targets()) - NOT_OURS_TO_INSTALL))
def test_every_scenario_comes_to_a_verdict(
    target: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Nothing is inconclusive but a fault that cannot land there, and nothing is our own failure."""
    skip_unless_there(target)
    assert findings.main(["--target", target, "--reports", str(tmp_path)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines
    unclear = [line for line in lines if " inconclusive " in line]
    assert all("child-killed" in line for line in unclear), unclear
    assert bool(unclear) is (target in NO_CHILD)
