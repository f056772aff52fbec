"""The bounds of the scenarios about limits are narrow: a limit that is twice too lax does not pass."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from tests.sim.conftest import Simulated
from unstuck.checks.port import Verdict
from unstuck.scenario_file import load
from unstuck.targets.reference import catalogue

FOLDER = Path(__file__).parents[2] / "scenarios/incidents/make-video"


@pytest.mark.parametrize("times", [1, 2])
@pytest.mark.parametrize("seed", [1, 2, 3])
@pytest.mark.parametrize(
    ("name", "limits"), [("overload", ("queue_depth_max",)), ("rate-limit", ("rate_per_s", "rate_burst"))]
)
def test_a_limit_that_is_twice_too_lax_is_caught(
    name: str, limits: tuple[str, ...], seed: int, times: int, run: Simulated
) -> None:
    """By the bound that the scenario has; the limit as it is keeps within it."""
    case = load(FOLDER / f"{name}.yaml", catalogue()).base_case()
    lax = {limit: times * value for limit, value in case.settings.items() if limit in limits}
    assert len(lax) == len(limits)
    verdict, _ = run(replace(case, settings={**case.settings, **lax}), seed)
    found = next(one for one in verdict.properties if one.name == "backlog_within")
    assert found.verdict is (Verdict.PASS if times == 1 else Verdict.FAIL), found.summary
