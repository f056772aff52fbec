"""Scenarios from Python: what the fixture takes, what it returns, and what a failing test shows."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.unit.plugin.conftest import Faked

pytest_plugins = ["pytester"]


def test_it_takes_a_path_a_name_a_text_and_a_scenario(pytester: pytest.Pytester, faked: Faked) -> None:
    """Paths count from the root folder of the project; `case` is what differs from the base case."""
    runs = faked("mine")
    pytester.makepyfile(
        '''
        from pathlib import Path

        from unstuck.scenario_file import load
        from unstuck.targets.reference import catalogue

        TEXT = """
        name: text
        summary: From a text.
        workload: [{upload: {count: 1}}]
        expect: {no_job_lost: {}}
        """

        def test_all(unstuck_run):
            assert unstuck_run("scenarios/mine.yaml").passed
            assert unstuck_run(Path("scenarios/mine.yaml"), seed=7)
            assert unstuck_run("sigterm-mid-job", case="stage=publish,grace_s=0", defences_off=["fencing"])
            assert unstuck_run("sigterm-mid-job[stage=publish]", case={"grace_s": 0.5})
            assert unstuck_run(TEXT)
            assert unstuck_run(load(Path("scenarios/mine.yaml"), catalogue()).base_case())
        '''
    )
    pytester.runpytest_inprocess("-k", "test_all").assert_outcomes(passed=1, deselected=1)
    assert runs.ran == [
        "mine",
        "mine",
        "sigterm-mid-job[stage=publish,grace_s=0,overlap=false]",
        "sigterm-mid-job[stage=publish,grace_s=0.5,overlap=false]",
        "text",
        "mine",
    ]
    assert runs.given[1]["seed"] == 7
    assert runs.given[2]["defences_off"] == ("fencing",)


def test_a_failing_test_shows_the_evidence(pytester: pytest.Pytester, faked: Faked) -> None:
    """One line in the assertion, the whole verdict below; a run that passed is not told of."""
    faked("good", "stuck", stuck=frozenset({"stuck"}))
    pytester.makepyfile(
        """
        def test_it(unstuck_run):
            assert unstuck_run("scenarios/good.yaml").passed
            run = unstuck_run("scenarios/stuck.yaml")
            assert run.failed
            assert run.passed
        """
    )
    result = pytester.runpytest_inprocess("-k", "test_it", "--junitxml", "junit.xml")
    result.assert_outcomes(failed=1, deselected=2)
    result.stdout.fnmatch_lines(
        [
            "E*where False = <Run fail: stuck; every_job_terminal: *>.passed",
            "*- Unstuck: stuck -*",
            "FAIL  stuck *",
            "    held by   worker-2*",
            "Replay  unstuck replay reports/*-stuck-*",
        ]
    )
    result.stdout.no_fnmatch_line("*Unstuck: good*")
    assert "held by   worker-2" in (pytester.path / "junit.xml").read_text()


def test_a_run_says_what_came_of_it(pytester: pytest.Pytester, faked: Faked) -> None:
    """Jobs, properties, faults, history and the folder, for a test's own assertions."""
    faked("stuck", stuck=frozenset({"stuck"}))
    pytester.makepyfile(
        """
        from pathlib import Path

        def test_it(unstuck_run):
            run = unstuck_run("scenarios/stuck.yaml")
            assert not run
            assert (run.failed, run.word) == (True, "fail")
            assert run.broken == ("every_job_terminal", "recovery_within")
            assert [job.id for job in run.jobs if job.outcome == "stuck"] == ["j-2", "j-4"]
            assert run.properties["no_job_lost"].verdict == "pass"
            assert [fault.landed for fault in run.faults] == [1]
            assert run.history.events[0].kind == "run"
            assert (run.folder / "history.jsonl").exists()
            assert Path(run.report).exists()
            assert run.replay == f"unstuck replay {Path(run.report).parent}"
            assert "held by   worker-2" in str(run)
        """
    )
    pytester.runpytest_inprocess("-k", "test_it").assert_outcomes(passed=1, deselected=1)


def test_what_proves_nothing_raises(pytester: pytest.Pytester, faked: Faked) -> None:
    """So `not run.failed` cannot be true of it by accident; a test that wants to see it says so."""
    faked("unclear", "broken", unclear=frozenset({"unclear"}), broken=frozenset({"broken"}))
    pytester.makepyfile(
        """
        def test_unclear(unstuck_run):
            assert not unstuck_run("scenarios/unclear.yaml").failed

        def test_broken(unstuck_run):
            assert not unstuck_run("scenarios/broken.yaml", allow_inconclusive=True).failed

        def test_allowed(unstuck_run):
            run = unstuck_run("scenarios/unclear.yaml", allow_inconclusive=True)
            assert (run.passed, run.failed, run.word) == (False, False, "inconclusive")
        """
    )
    result = pytester.runpytest_inprocess("-k", "test_")
    result.assert_outcomes(passed=1, failed=2, deselected=2)
    result.stdout.fnmatch_lines(
        [
            "E*NotJudgedError: unclear: inconclusive: drains_cleanly was expected*",
            "E*NotJudgedError: broken: error: the zygote is gone*",
        ]
    )


@pytest.mark.parametrize(
    ("call", "said"),
    [
        ("'nowhere.yaml'", "nowhere.yaml: no such file."),
        ("'scenarios'", "scenarios: holds 2 scenarios. Give one."),
        ("'sigterm-mid-jobb'", "Did you mean 'sigterm-mid-job'?"),
        ("'name: x\\nworkloat: []\\n'", "<text>:2: *Did you mean 'workload'?"),
        ("'scenarios/one.yaml', case='stage=publish'", "*one.yaml:1: case *"),
        ("'scenarios/one.yaml', defences_off=['fencin']", "*Did you mean 'fencing'?"),
        ("'scenarios/one.yaml', world='simm'", "world='simm' is unknown. Did you mean 'sim'?"),
    ],
)
def test_what_is_wrong_is_one_line(pytester: pytest.Pytester, faked: Faked, call: str, said: str) -> None:
    """Where, what, and the next step."""
    runs = faked("one", "two")
    pytester.makepyfile(f"def test_it(unstuck_run): unstuck_run({call})")
    result = pytester.runpytest_inprocess("-k", "test_it", "--tb=short")
    result.stdout.fnmatch_lines([f"E *{said.replace('[', '?')}*"])
    assert runs.ran == []


def test_it_needs_no_configuration(pytester: pytest.Pytester, faked: Faked) -> None:
    """The fixture is there without `unstuck_paths`; its runs lie in reports/, and `latest` is the newest."""
    faked("one")
    pytester.makeini("[pytest]\n")
    pytester.makepyfile("def test_it(unstuck_run): assert unstuck_run('scenarios/one.yaml')")
    pytester.runpytest_inprocess().assert_outcomes(passed=1)
    [folder] = (pytester.path / "reports").glob("2*-one-*")
    assert (pytester.path / "reports" / "latest").resolve() == folder


def test_a_defence_is_missed_in_the_sim(pytester: pytest.Pytester, project: Path) -> None:
    """No fakes: the service itself under virtual time; without fencing two workers write."""
    pytester.makepyfile(
        """
        def test_it(unstuck_run):
            assert unstuck_run("worker-paused", world="sim").passed
            run = unstuck_run("worker-paused", world="sim", defences_off=["fencing"])
            assert run.broken == ("legal_transitions",)
            assert '"world": "sim"' in (run.folder / "plan.json").read_text()  # a replay goes there, too
        """
    )
    pytester.runpytest_inprocess().assert_outcomes(passed=1)
