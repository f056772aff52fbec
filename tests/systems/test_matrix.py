"""Every ready-made target under every scenario: each run comes to a verdict on the service, or says why not."""

from __future__ import annotations

import pytest

from bench import findings
from unstuck.targets.ready import ready_targets

pytestmark = [pytest.mark.process, pytest.mark.soak, pytest.mark.timeout(1800)]

# Where the workers have no process of their own for a job, there is no child to kill.
NO_CHILD = {"arq", "huey", "procrastinate"}


@pytest.mark.parametrize("target", sorted(ready_targets()))
def test_every_scenario_comes_to_a_verdict(
    target: str, tmp_path: object, capsys: pytest.CaptureFixture[str]
) -> None:
    """Nothing is inconclusive but a fault that cannot land there, and nothing is our own failure."""
    assert findings.main(["--target", target, "--reports", str(tmp_path)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines
    for line in lines:
        if "inconclusive" in line:
            assert target in NO_CHILD and "child-killed" in line, line
