"""The screens of a run and of a gate, held to golden texts: UPDATE_GOLDEN=1 writes them anew."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.unit.report.made_up import recorded, scenario
from unstuck.errors import ExitCode
from unstuck.report.group import Group, ProofLine, RunLine
from unstuck.report.group_page import group_html
from unstuck.report.run_page import run_html
from unstuck.report.sheet import WIDTH
from unstuck.report.text import run_sheet
from unstuck.report.text_group import group_sheet
from unstuck.report.text_proof import proof_sheet

GOLDEN = Path(__file__).parent / "golden"


KNOWN = {"every_job_terminal", "no_job_lost", "effects", "recovery_within", "terminal_is_final"}


def shown(line: RunLine) -> RunLine:
    """The line with the properties of today only, so that a new property changes no golden text."""
    assert line.summary is not None
    properties = tuple(one for one in line.summary.properties if one.name in KNOWN)
    return replace(line, summary=replace(line.summary, properties=properties))


def golden(name: str, text: str) -> None:
    """The text is as it was when somebody last read it."""
    path = GOLDEN / f"{name}.txt"
    if os.environ.get("UPDATE_GOLDEN"):
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, encoding="utf-8")
    assert text == path.read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("name", "how", "word"),
    [
        ("pass", {}, "pass"),
        ("fail", {"stuck": 2}, "fail"),
        ("inconclusive", {"lands": False}, "inconclusive"),
    ],
)
def test_the_verdict_is_one_screen(
    name: str, how: dict[str, Any], word: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Verdict first, then what was done, what became of the jobs, the evidence, and the replay command."""
    monkeypatch.chdir(tmp_path)
    _, line = recorded(Path("reports"), **how)
    assert line.word == word
    golden(name, run_sheet(shown(line)).plain())


def test_a_broken_promise_stands_above_what_else_was_wrong(tmp_path: Path) -> None:
    """On every screen: that a fault never fired is no reason for a failure."""
    _, line = recorded(tmp_path, stuck=1)
    assert line.summary is not None
    never = "fault 1 (pause) never fired"
    doubted = replace(line, summary=replace(line.summary, reasons=(*line.summary.reasons, never)))
    group = Group(name="gate", lines=(doubted,), seed=1, version="0", date="", duration_s=1.0)
    for text in (run_sheet(doubted).plain(), group_sheet(group).plain()):
        assert "why:" not in text
        assert text.index("Broken: every_job_terminal") < text.index(f"besides: {never}")
    for one in (doubted, replace(doubted, error="the disk is full")):  # which tells of itself only
        assert (
            run_sheet(one).plain().count(never)
            == group_sheet(replace(group, lines=(one,))).plain().count(never)
            == 1
        )
        page = run_html(one)
        promise = page.index("Broken promise: every_job_terminal")
        assert promise < page.index("<h3>Besides</h3>") < page.index(never)


def test_reports_say_against_which_target(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With its configuration, where the history has it: two runs to compare differ in nothing else."""
    monkeypatch.chdir(tmp_path)
    _, line = recorded(Path("reports"))
    assert line.summary is not None
    assert "Target" not in run_sheet(line).plain()
    of = replace(line, summary=replace(line.summary, target="shop:reliable"))
    group = Group(name="gate", lines=(of,), seed=1, version="0", date="", duration_s=1.0)
    for text in (run_sheet(of).plain(), run_html(of), group_sheet(group).plain(), group_html(group)):
        assert "Target shop:reliable · Seed " in text
    assert replace(group, lines=(of, line)).target is None


def test_what_did_not_start_is_told_in_a_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The mistake, where the logs are, and nothing of promises that nobody could keep or break."""
    monkeypatch.chdir(tmp_path)
    _, line = recorded(Path("reports"))
    assert line.summary is not None
    of = replace(line, error="no redis-server was found", exit_code=ExitCode.USAGE)
    none = replace(of, summary=replace(line.summary, jobs=()))
    assert "What was promised" in run_sheet(of).plain()
    text = run_sheet(none).plain()
    assert "error: no redis-server was found" in text
    assert "Report  " in text
    assert "What was promised" not in text


def test_the_gate_tells_of_each_case_and_of_what_did_not_pass(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One line a case, what was excluded with its reason, the evidence, the totals."""
    monkeypatch.chdir(tmp_path)
    golden("gate", group_sheet(gate(Path("reports"))).plain())


def test_the_proof_tells_caught_from_missed() -> None:
    """What was not tried is neither."""
    lines = [
        ProofLine(subject="fencing", where="worker-paused", by="effects", proved=True),
        ProofLine(
            subject="outbox",
            where="missed-event[alternative=api-dead]",
            by="every_job_terminal",
            proved=False,
            note="failed: nothing",
            replay="unstuck replay reports/x",
        ),
    ]
    mutations = [
        ProofLine(subject="drop a job", where="0 of 0 histories", by="no_job_lost", proved=True, tried=False)
    ]
    golden("proof", proof_sheet(lines, mutations, ["child_isolation"], "reports/p", 1).plain())


def test_no_line_is_wider_than_a_terminal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Except commands and paths, which are to be copied."""
    monkeypatch.chdir(tmp_path)
    long = scenario(name="n" * 60, summary="many words " * 40)
    _, line = recorded(Path("reports"), of=long, stuck=3, jobs=40)
    for sheet in (run_sheet(line), group_sheet(gate(Path("reports")))):
        for text in sheet.plain().splitlines():
            if not any(word in text for word in ("Replay  ", "Report  ", "log  ")):
                assert len(text) <= WIDTH, text


def test_a_narrow_terminal_gets_narrow_lines(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A case that does not fit beside its figures has a line of its own, whole."""
    monkeypatch.chdir(tmp_path)
    lines = group_sheet(gate(Path("reports")), width=79).plain().splitlines()
    assert "  ✓ pass         stage=scenes grace_s=5" in lines
    for text in lines:
        if not any(word in text for word in ("Replay  ", "Report  ", "log  ")):
            assert len(text) <= 79, text


def test_a_name_cannot_act_on_the_terminal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Escape sequences and direction marks are spelt out."""
    monkeypatch.chdir(tmp_path)
    _, line = recorded(Path("reports"), stuck=1, name="\x1b[31m\u202ej\n")
    text = run_sheet(line).plain()
    assert "\x1b" not in text
    assert "\u202e" not in text
    assert r"\x1b[31m\u202ej\n-2" in text


def gate(reports: Path) -> Group:
    """Two runs, an excluded one and one that never started."""
    _, good = recorded(reports)
    other = scenario(name="jobs-stranded")
    _, bad = recorded(reports, of=other, stuck=2)
    return Group(
        name="gate",
        lines=(
            shown(good),
            RunLine(
                title="workers-replaced[stage=publish,grace_s=0]",
                exit_code=ExitCode.PASS,
                excluded="needs a memory limit, which the CI machine does not have",
            ),
            shown(bad),
            RunLine(
                title="missed-event",
                exit_code=ExitCode.USAGE,
                error="target: api-1 died at once (exit 1). Look at its log.",
                duration_s=0.4,
            ),
        ),
        seed=7,
        version="0.1.0",
        date="2026-03-01T10:15:00+00:00",
        duration_s=12.5,
        folder="reports/20260301-101500-gate",
        notes=("3 pairwise cases left out: cases_max is 2.",),
    )
