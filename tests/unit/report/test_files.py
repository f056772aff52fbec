"""What is written for machines and browsers: JSON, JUnit, Markdown, HTML."""

from __future__ import annotations

import json
import re
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

import pytest

from tests.unit.report.made_up import recorded, scenario
from tests.unit.report.test_screens import gate
from unstuck import rundir
from unstuck.errors import ExitCode
from unstuck.report.as_json import group_json, run_json
from unstuck.report.group import Group, ProofLine, RunLine, worst
from unstuck.report.group_page import group_html
from unstuck.report.junit import junit_xml
from unstuck.report.markdown import group_markdown, run_markdown
from unstuck.report.publish import publish_group, publish_run
from unstuck.report.run_page import run_html

EVIL = "<script>alert(1)</script>\"'&|`**[x](http://evil)"


def test_a_run_that_could_not_be_judged_has_a_page_too() -> None:
    """It says why."""
    line = RunLine(title="x", exit_code=ExitCode.HARNESS, error="the disk is full <b>")
    assert "the disk is full &lt;b&gt;" in run_html(line)
    assert json.loads(run_json(line))["error"] == "the disk is full <b>"
    assert "the disk is full" in run_markdown(line)


@pytest.mark.parametrize(
    ("how", "element"), [({}, None), ({"stuck": 1}, "failure"), ({"lands": False}, "error")]
)
def test_junit_tells_failures_from_errors(tmp_path: Path, how: dict[str, Any], element: str | None) -> None:
    """A broken promise is a failure with its evidence; inconclusive is an error, and never a pass."""
    _, line = recorded(tmp_path, **how)
    root = ET.fromstring(junit_xml("run", [line]))
    case = root.find("testsuite/testcase")
    assert case is not None
    found = [child.tag for child in case if child.tag in ("failure", "error", "skipped")]
    assert found == ([element] if element else [])
    if element == "failure":
        assert "worker-2" in (case.findtext("failure") or "")
    assert "unstuck replay" in (case.findtext("system-out") or "")


def test_junit_counts_what_it_holds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Failures, errors and skipped ones, each with its reason."""
    monkeypatch.chdir(tmp_path)
    suite = ET.fromstring(junit_xml("gate", gate(Path("reports")).lines)).find("testsuite")
    assert suite is not None
    assert {name: suite.get(name) for name in ("tests", "failures", "errors", "skipped")} == {
        "tests": "4",
        "failures": "1",
        "errors": "1",
        "skipped": "1",
    }
    skipped = suite.find("testcase/skipped")
    assert skipped is not None
    assert "memory limit" in (skipped.get("message") or "")


def test_junit_survives_what_xml_cannot_hold(tmp_path: Path) -> None:
    """Control characters and halves of characters, which no escape can express in XML 1.0."""
    line = RunLine(title="a\x00\x1b\ud800<&", exit_code=ExitCode.HARNESS, error="\x07 \uffff ok")
    root = ET.fromstring(junit_xml("x\x01", [line]).encode("utf-8"))
    case = root.find("testsuite/testcase")
    assert case is not None
    assert case.get("name") == "a\ufffd\ufffd\ufffd<&"


def test_markdown_lets_nothing_in(tmp_path: Path) -> None:
    """No HTML, no link, no new cell, and a fence in the text does not end ours."""
    _, line = recorded(tmp_path, of=scenario(summary=EVIL), stuck=1, name="```\n| <b> |")
    group = Group(
        name="gate", lines=(line,), seed=1, version="0", date="", duration_s=1.0, notes=("a | b <i>",)
    )
    for text in (run_markdown(line), group_markdown(group)):
        outside = re.sub(r"(?ms)^(`{3,})text\n.*?^\1$", "", text)
        assert "<script" not in outside.replace(r"\<", "")
        assert "](http" not in outside.replace(r"\]\(", "")
        assert "````text" in text
        rows = [row for row in outside.splitlines() if row.startswith("|")]
        widths = {len(re.findall(r"(?<!\\)\|", row)) for row in rows}
        assert len(widths) == 1


def test_json_holds_the_evidence(tmp_path: Path) -> None:
    """A program finds verdict, exit code, replay command and the broken promises."""
    _, line = recorded(tmp_path, stuck=1)
    data = json.loads(run_json(line))
    assert (data["verdict"], data["exit_code"]) == ("fail", 1)
    assert data["replay"].startswith("unstuck replay ")
    assert data["summary"]["broken"][0]["job"] == "j-2"


def test_group_json_has_a_row_for_each_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Excluded ones too, with their reason."""
    monkeypatch.chdir(tmp_path)
    data = json.loads(group_json(gate(Path("reports"))))
    assert [row["verdict"] for row in data["runs"]] == ["pass", "excluded", "fail", "error"]
    assert data["counts"] == {"pass": 1, "excluded": 1, "fail": 1, "error": 1}


def test_publishing_fills_the_folder(tmp_path: Path) -> None:
    """Every documented file of a run and of a group is there, and none besides."""
    folder, line = recorded(tmp_path)
    publish_run(folder, line)
    assert {path.name for path in folder.path.iterdir()} == set(rundir.RUN_FILES)
    group_folder = rundir.create_group(tmp_path, "gate")
    group = Group(name="gate", lines=(line,), seed=1, version="0", date="", duration_s=1.0)
    publish_group(group_folder, group)
    assert {path.name for path in group_folder.path.iterdir()} == set(rundir.GROUP_FILES)


def test_the_gravest_exit_code_wins() -> None:
    """130 beats 1 beats 4 beats 2 beats 3 beats 0."""
    order = [
        ExitCode.INTERRUPTED,
        ExitCode.FAIL,
        ExitCode.HARNESS,
        ExitCode.USAGE,
        ExitCode.INCONCLUSIVE,
        ExitCode.PASS,
    ]
    for number, code in enumerate(order):
        assert worst(order[number:]) is code


def test_a_group_without_a_run_proves_nothing() -> None:
    """Everything excluded is inconclusive, and no pass."""
    line = RunLine(title="x", exit_code=ExitCode.PASS, excluded="because")
    group = Group(name="gate", lines=(line,), seed=1, version="0", date="", duration_s=0.0)
    assert group.exit_code is ExitCode.INCONCLUSIVE


def test_every_file_of_a_proof_tells_which_alarms_sounded() -> None:
    """Not only which runs passed: a run without a defence is meant to fail."""
    run = RunLine(title="worker-paused[stage=frames] without fencing", exit_code=ExitCode.FAIL)
    proof = Group(
        name="prove", lines=(run,), seed=1, version="1", date="d", duration_s=1.0, decided=ExitCode.PASS,
        defences=(ProofLine(subject="fencing", where="worker-paused", by="effects", proved=True),),
        falsified=(ProofLine(subject="lose an effect", where="0 of 2", by="effects", proved=False),),
    )  # fmt: skip
    page, markdown = group_html(proof), group_markdown(proof)
    assert "1 of 2 alarms sounded" in page
    assert "stage=frames without fencing" in page
    for text in (page, markdown, group_json(proof)):
        for word in ("fencing", "lose an effect"):
            assert word in text
    assert "| missed | lose an effect | effects |" in markdown


def test_a_note_and_a_table_are_apart_in_markdown() -> None:
    """A table right below a quotation is read as part of it."""
    run = RunLine(title="baseline", exit_code=ExitCode.PASS)
    group = Group(
        name="gate", lines=(run,), seed=1, version="1", date="d", duration_s=1.0, notes=("one", "two")
    )
    lines = group_markdown(group).splitlines()
    table = next(n for n, line in enumerate(lines) if line.startswith("| | run"))
    assert lines[table - 1] == ""
