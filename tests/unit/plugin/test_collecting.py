"""Scenario files as tests: which are collected, in what cases, and under what names."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.unit.plugin.conftest import Faked

pytest_plugins = ["pytester"]

CASES = """
name: deploy
summary: A deploy at any stage.
workload:
  - upload: {count: 2}
faults:
  - when: {enters: active, stage: $stage, hold: true}
    rolling_replace: {role: worker, grace_s: $grace_s}
expect:
  every_job_terminal: {within_s: 20}
matrix:
  stage: [scenes, inspect, publish]
  grace_s: [5, 0.5, 0]
"""
BAD = """
name: bad
summary: A mistyped signal.
workload:
  - upload: {count: 1}
faults:
  - when: {enters: active}
    kill: {role: worker, signal: SIGTREM}
expect:
  every_job_terminal: {}
"""


def collected(pytester: pytest.Pytester, *words: str) -> list[str]:
    result = pytester.runpytest_inprocess("--collect-only", "-q", *words)
    return [line for line in result.outlines if "::" in line]


@pytest.fixture
def deploy(project: Path) -> Path:
    path = project / "scenarios" / "deploy.yaml"
    path.write_text(CASES, encoding="utf-8")
    return path


def test_a_base_case_is_one_test(pytester: pytest.Pytester, deploy: Path) -> None:
    """Named by its values; a file without cases has the test `base`."""
    plain = "name: plain\nsummary: Nothing.\nworkload: [{upload: {count: 1}}]\nexpect: {no_job_lost: {}}\n"
    (deploy.parent / "plain.yml").write_text(plain)
    assert collected(pytester) == [
        "scenarios/deploy.yaml::stage=scenes,grace_s=5",
        "scenarios/plain.yml::base",
    ]


def test_cases_by_option(pytester: pytest.Pytester, deploy: Path) -> None:
    """Pairwise cases, or all of them."""
    every = collected(pytester, "--unstuck-cases", "all")
    assert len(every) == 9
    assert "scenarios/deploy.yaml::stage=publish,grace_s=0.5" in every
    assert set(collected(pytester, "--unstuck-cases", "pairwise")) <= set(every)


def test_a_case_named_on_the_command_line_needs_no_option(pytester: pytest.Pytester, deploy: Path) -> None:
    """What the name leaves open is base, as with `unstuck run --case`."""
    assert collected(pytester, "scenarios/deploy.yaml::stage=publish") == [
        "scenarios/deploy.yaml::stage=publish"
    ]


def test_a_case_that_does_not_exist_is_told(pytester: pytest.Pytester, deploy: Path) -> None:
    """With the value that was meant."""
    result = pytester.runpytest_inprocess("scenarios/deploy.yaml::stage=publis")
    result.stdout.fnmatch_lines(["*scenarios/deploy.yaml:1: case*publis*Did you mean 'publish'?"])
    assert result.ret != 0


def test_keywords_select_by_case_and_by_scenario(pytester: pytest.Pytester, deploy: Path) -> None:
    """`-k` sees the case's values and the scenario's name."""
    words = ("--unstuck-cases", "all", "-k")
    assert len(collected(pytester, *words, "publish")) == 3
    assert len(collected(pytester, *words, "deploy and not inspect")) == 6


def test_a_bad_file_is_one_line(pytester: pytest.Pytester, project: Path) -> None:
    """File, line and rule as a collection error, without a traceback, even with --full-trace."""
    (project / "scenarios" / "bad.yaml").write_text(BAD)
    result = pytester.runpytest_inprocess("--full-trace")
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["scenarios/bad.yaml:8: faults?0?.signal='SIGTREM'*Did you mean 'SIGTERM'?"])
    result.stdout.no_fnmatch_line("*.py:*")


def test_only_configured_paths_are_collected(pytester: pytest.Pytester, deploy: Path) -> None:
    """A YAML file elsewhere is none of our business, also when it is named."""
    other = pytester.path / "compose.yaml"
    other.write_text("services: {}\n")
    assert pytester.runpytest_inprocess("--collect-only", str(other)).ret == pytest.ExitCode.USAGE_ERROR
    assert collected(pytester) == ["scenarios/deploy.yaml::stage=scenes,grace_s=5"]


def test_a_project_that_asks_for_nothing_gets_nothing(pytester: pytest.Pytester, deploy: Path) -> None:
    """Without `unstuck_paths` no scenario is a test."""
    pytester.makeini("[pytest]\n")
    assert collected(pytester) == []


def test_testpaths_do_not_hide_scenarios(pytester: pytest.Pytester, deploy: Path) -> None:
    """With `testpaths` elsewhere, a bare `pytest` collects them too; a path given by hand is obeyed."""
    pytester.makeini("[pytest]\nunstuck_paths = scenarios\ntestpaths = tests\n")
    (pytester.path / "tests").mkdir()
    (pytester.path / "tests" / "test_one.py").write_text("def test_one(): pass\n")
    assert collected(pytester) == [
        "tests/test_one.py::test_one",
        "scenarios/deploy.yaml::stage=scenes,grace_s=5",
    ]
    assert collected(pytester, "tests") == ["tests/test_one.py::test_one"]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["-o", "unstuck_paths=nowhere"], "*unstuck_paths:*nowhere: no such file or folder."),
        (["--unstuck-world", "simm"], "*--unstuck-world='simm' is unknown. Did you mean 'sim'?"),
        (
            ["--unstuck-target", "mine"],
            "*--target 'mine': no such file, and no ready-made target.*reference*",
        ),
        (["--unstuck-cases", "some"], "*--unstuck-cases='some' is unknown.*"),
        (["--unstuck-jobs", "0"], "*--unstuck-jobs='0' must be a whole number, 1 or more."),
        (["--unstuck-seed", "-1"], "*--unstuck-seed='-1' must be a whole number, 0 or more."),
    ],
)
def test_a_wrong_option_is_one_line(
    pytester: pytest.Pytester, deploy: Path, words: list[str], said: str
) -> None:
    """A usage error before anything is collected: a mistyped path may not be a suite that is always green."""
    result = pytester.runpytest_inprocess(*words)
    result.stderr.fnmatch_lines([said])
    assert result.ret == pytest.ExitCode.USAGE_ERROR


def test_collecting_starts_nothing(pytester: pytest.Pytester, faked: Faked) -> None:
    """Neither a run nor a folder of reports."""
    runs = faked("one")
    assert collected(pytester) == ["scenarios/one.yaml::base"]
    pytester.runpytest_inprocess("--setup-plan")
    assert runs.ran == []
    assert not (pytester.path / "reports").exists()
