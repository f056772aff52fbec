"""docs/writing-a-scenario.md keeps its word: each block of YAML is a file that loads."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from unstuck.describe import describe
from unstuck.loading.faults import KINDS
from unstuck.loading.steps import STEPS
from unstuck.loading.template import FIXED, VARYING
from unstuck.plan import make_plan
from unstuck.scenario import SUBJECTS
from unstuck.scenario_file import ScenarioFile, loads
from unstuck.targets.reference.names import catalogue

PAGE = (Path(__file__).parents[3] / "docs" / "writing-a-scenario.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```yaml\n(.*?)^```$", PAGE, flags=re.MULTILINE | re.DOTALL)


def file_of(block: str) -> ScenarioFile:
    return loads(block, Path("page.yaml"), catalogue())


@pytest.mark.parametrize("block", BLOCKS, ids=lambda block: block.split("\n")[0])
def test_each_block_of_the_page_is_a_scenario(block: str) -> None:
    """Every block loads for the reference target, and every case of it can be planned and described."""
    for scenario in file_of(block).all_cases():
        assert make_plan(scenario, 1).clients
        assert describe(scenario)


def test_the_page_has_blocks_and_no_indented_stray() -> None:
    """The test above has something to load, and all YAML of the page is in such blocks."""
    assert len(BLOCKS) == PAGE.count("```yaml") > 0


def test_the_page_names_every_key_step_and_trigger() -> None:
    """Nothing that a file may hold is missing from the page."""
    for name in (*FIXED, *VARYING, *STEPS, *SUBJECTS):
        assert f"`{name}`" in PAGE or f"`{{{name}:" in PAGE
    for name in KINDS:
        assert f"`{{{name}: " in PAGE


def test_the_page_counts_its_cases_right() -> None:
    """The numbers that the page gives for its example are the loader's."""
    [file] = [file_of(block) for block in BLOCKS if "deploy-while-busy" in block]
    assert len(file.all_cases()) == 18
    assert file.case({"stage": "publish", "grace_s": 0}).expect["recovery_within"] == {"budget_s": 8}
    assert file.base_case().expect["recovery_within"] == {"budget_s": 3}
