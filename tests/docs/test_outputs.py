"""What pages show as output is what the code prints, apart from numbers and what `…` leaves out."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from tests.docs.blocks import Block, appears, commands, loose, of_kind, output
from tests.tooling.repository import ROOT, text
from unstuck.checks.classes import Kind
from unstuck.cli import main
from unstuck.errors import ScenarioError
from unstuck.explorer.outcomes import NO_JOB
from unstuck.prove.mutators import MUTATORS
from unstuck.report.words import what, when
from unstuck.scenario_file import load, loads
from unstuck.targets.reference import catalogue

Check = Callable[[Block, pytest.CaptureFixture[str]], None]


def as_in_the_sim(block: Block, capsys: pytest.CaptureFixture[str]) -> None:
    """The command, run in the sim, prints each line, wherever it breaks them."""
    [command] = commands(block)
    main([*command[1:], "--world", "sim"])
    printed = loose(capsys.readouterr().out)
    missing = [line for line in output(block) if not appears(line, printed)]
    assert missing == [], printed


def as_a_gate_tells(block: Block, _: pytest.CaptureFixture[str]) -> None:
    """Scenarios that exist, each case of them, and what is done in it, in the words of reports."""
    told: dict[str, list[str]] = {}
    for line in output(block)[1:]:
        if line[:1].strip():
            told[line] = []
        elif told:
            told[[*told][-1]].append(line)
    scenarios = {name: lines for name, lines in told.items() if lines}
    assert len(scenarios) >= 3
    for name, lines in scenarios.items():
        cases = load(ROOT / "scenarios" / f"{name}.yaml", catalogue()).all_cases()
        sentences = {"; ".join(f"{when(one.when)}: {what(one)}" for one in case.faults) for case in cases}
        rows = re.split(r"^  ✓ pass .*$", "\n".join(lines), flags=re.MULTILINE)[1:]
        assert {" ".join(row.split()) for row in rows} <= sentences


def as_a_proof_tells(block: Block, _: pytest.CaptureFixture[str]) -> None:
    """Each defence with the property and the case that its guard names; each way to falsify a history."""
    flat = loose(block.content)
    for defence in re.findall(r"--defence (\w+)", block.content):
        [guard] = [
            f"caught {defence} {guard.by} {loose(file.case(guard.case).title)}"
            for path in sorted((ROOT / "scenarios").glob("*.yaml"))
            for file in (load(path, catalogue()),)
            for guard in file.base_case().guards
            if guard.defence == defence
        ]
        assert guard in flat
    ways = re.findall(
        r"^ +(?:caught|not tried) +(.+?) +(\w+) +\d+ of \d+ histories$", block.content, re.MULTILINE
    )
    assert ways
    assert set(ways) <= {(one.name, one.by) for one in MUTATORS}


def as_the_tree_is(block: Block, _: pytest.CaptureFixture[str]) -> None:
    """Each path at the start of a line exists."""
    folder = ROOT
    for line in block.content.splitlines():
        names = re.match(r"( *)((?:[\w./-]+/ ?)+)", line)
        if names is None:
            continue  # a line that goes on
        base = ROOT / "harness" / "unstuck" if names[1] else folder
        for name in names[2].split():
            assert (base / name).is_dir(), line


def as_runs_are_kept(block: Block, _: pytest.CaptureFixture[str]) -> None:
    """Each folder is named by date, what it is, and a hash for one run. tests/unit/report has the files."""
    names = re.findall(r"\d{8}-\d{6}-[\w-]+", block.content)
    assert len(names) >= 5
    assert all(re.fullmatch(r"\d{8}-\d{6}-(gate|[\w-]+-[0-9a-f]{6})", name) for name in names)


def as_the_loader_refuses(block: Block, _: pytest.CaptureFixture[str]) -> None:
    """The loader says the same of the same mistake."""
    file = ROOT / "scenarios" / "sigterm-mid-job.yaml"
    scenario = (
        "name: lease\nsummary: Made up.\nworkload: [{upload: {count: 1}}]\n"
        "expect: {no_job_lost: {}}\nfaults:\n"
        "  - {when: start, down: {role: worker, for_s: 1}}\n"
        "  - {when: {enters: active}, kill: {role: worker, signal: SIGTREM}}\n"
    )
    with pytest.raises(ScenarioError) as refused:
        loads(scenario, file, catalogue())
    assert str(refused.value).split(": ", 1)[1] == block.content.strip().split(": ", 1)[1]


def as_preflight_tells(block: Block, capsys: pytest.CaptureFixture[str]) -> None:
    """The manifest above it, judged as the command says: every letter."""
    [command] = commands(block)
    above = [one for one in of_kind("manifest") if one.page == block.page and one.line < block.line]
    Path(command[2]).write_text(above[-1].content, encoding="utf-8")
    main(command[1:])
    assert capsys.readouterr().out == block.content.split("\n", 1)[1]


def as_an_exploration_adds_up(block: Block, _: pytest.CaptureFixture[str]) -> None:
    """Each cell is a class that there is, under its mode; the last lines count the cells."""
    lines = output(block)
    second = lines[0].index("pause")
    found: Counter[str] = Counter()
    for line in lines:
        if re.match(r"    (before it goes on|on its reply) ", line):
            cells = [line[line.index("on its reply") + 12 if "reply" in line else 21 : second], line[second:]]
            words = [re.split(r"[,…]", cell.strip().removeprefix("cut: "))[0] for cell in cells]
            found.update(word for word in words if word)
    assert set(found) <= {*map(str, Kind), NO_JOB}
    [told] = [line for line in lines if "trials landed" in line]
    sums = ", ".join(f"{count} {word}" for word, count in found.most_common())
    landed = f"{found.total()} of {found.total()} trials landed"
    assert landed in told
    assert sorted(re.findall(r"\d+ [a-z_]+", sums)) == sorted(
        re.findall(r"\d+ [a-z_]+", told.split(": ")[1].split(". Took")[0])
    )


def elsewhere(test: str) -> Check:
    """Checked by another test, which has to be there."""

    def check(block: Block, _: pytest.CaptureFixture[str]) -> None:
        path, name = test.split("::")
        assert f"def {name}(" in text(Path(path))

    return check


CHECKS: Mapping[tuple[str, str], Check] = {
    ("README.md", "$ unstuck gate"): as_a_gate_tells,
    ("README.md", "$ unstuck run worker-paused --defence-off fencing"): as_in_the_sim,
    (
        "README.md",
        "$ unstuck prove sigterm-mid-job worker-paused --defence lease_recovery --defence fencing",
    ): as_a_proof_tells,
    (
        "README.md",
        "harness/unstuck/",
    ): as_the_tree_is,
    ("docs/preflight.md", "$ unstuck preflight worker.yaml"): as_preflight_tells,
    (
        "docs/explore.md",
        "$ unstuck explore --target celery-redis --points",
    ): as_an_exploration_adds_up,
    ("docs/compare.md", "$ unstuck compare before after"): elsewhere(
        "tests/unit/compare/test_commands.py::test_the_page_shows_what_is_printed"
    ),
    ("docs/your-own-service.md", "$ unstuck doctor"): elsewhere(
        "tests/process/declared/test_doctor.py::test_the_page_shows_what_is_printed"
    ),
    ("docs/your-own-service.md", "$ unstuck find-stuck --target shop.yaml"): elsewhere(
        "tests/conformance/declared/test_running_systems.py::test_the_page_shows_what_is_printed"
    ),
    ("docs/run-folder.md", "reports/"): as_runs_are_kept,
    (
        "docs/writing-a-scenario.md",
        "scenarios/lease.yaml:14: faults[1].signal='SIGTREM' is not a signal. Did you mean 'SIGTERM'?",
    ): as_the_loader_refuses,
}
"""(page, first line of the block) -> how what it shows is checked."""


@pytest.mark.parametrize("block", of_kind("console", "text"), ids=str)
def test_outputs_are_printed(
    block: Block, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Loosely: what differs from run to run is left out of the comparison."""
    monkeypatch.chdir(tmp_path)
    CHECKS[str(block.page), block.first](block, capsys)


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ("  ✗ effects  2 effects applied", True),
        ("Report  reports/…-worker-paused-6c96dc/report.html", True),
        ("  ✓ effects  2 effects applied", False),
        ("Report  reports/…-worker-killed-6c96dc/report.html", False),
    ],
)
def test_the_loose_comparison_can_fail(line: str, *, found: bool) -> None:
    """Numbers and what `…` leaves out may differ; marks and words may not."""
    printed = (
        "✗ effects   3 effects\n applied\nReport  reports/20260301-101500-worker-paused-000000/report.html"
    )
    assert appears(line, loose(printed)) is found
