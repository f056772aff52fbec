"""The page on generated scenarios: its Python runs."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from unstuck import campaign
from unstuck.campaign import RunRecord
from unstuck.checks.port import PropertyResult, Verdict
from unstuck.checks.verdict import RunVerdict
from unstuck.errors import ExitCode
from unstuck.scenario import Scenario

PAGE = Path(__file__).parents[3] / "docs" / "generated-scenarios.md"


def all_fail(cases: list[Scenario], **_: Any) -> list[RunRecord]:
    """Campaigns of a service that applies every effect twice."""
    broken = PropertyResult(name="effects", verdict=Verdict.FAIL, judged=1, summary="applied 2 times")
    verdict = RunVerdict(verdict=Verdict.FAIL, reasons=("effects",), properties=(broken,), faults=(), jobs=())
    return [
        RunRecord(
            scenario=case, verdict=verdict, error=None, exit_code=ExitCode.FAIL, folder=None, duration_s=0.0
        )
        for case in cases
    ]


def test_the_blocks_of_the_page_run_one_after_another(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """As a reader would copy them; the campaign itself is a stand-in."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(campaign, "run_many", all_fail)
    names: dict[str, Any] = {}
    blocks = re.findall(r"^```python\n(.*?)^```", PAGE.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)
    assert len(blocks) == 2
    for block in blocks:
        exec(compile(block, str(PAGE), "exec"), names)
    assert len(names["batch"]) == len(names["records"]) == 20
    assert capsys.readouterr().out == f"{names['found'].saved.path} {names['found'].saved.command}\n"
    assert (
        names["found"].saved.path.read_text(encoding="utf-8").startswith("# Generated: seed 7, number 0.\n")
    )
