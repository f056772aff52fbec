"""Scenario tests as they run: one campaign side by side, verdicts as they come, evidence, an orderly end."""

from __future__ import annotations

import os
import threading
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from tests.unit.plugin.conftest import Faked
from tests.unit.plugin.fake_runs import JOB
from unstuck.scenario import Scenario

pytest_plugins = ["pytester"]

WAIT_S = 30.0
RUN_S = 12

INTERRUPTS = """
import os, signal
import unstuck.pytest_plugin.running as running
from unstuck.campaign import excluded
from unstuck.errors import ExitCode

def run_one(case, *, stop, **_):
    os.kill(os.getpid(), signal.SIGINT)
    open("stopped", "w").write(str(stop.wait(30)))
    return excluded(case, "interrupted", ExitCode.INTERRUPTED)

running.run_one = run_one
"""


def test_pass_fail_and_everything_else(pytester: pytest.Pytester, faked: Faked) -> None:
    """A broken promise is a failure; what proves nothing is an error, and never a pass or a skip."""
    faked(
        "good", "stuck", "unclear", "broken",
        stuck=frozenset({"stuck"}), unclear=frozenset({"unclear"}), broken=frozenset({"broken"}),
    )  # fmt: skip
    result = pytester.runpytest_inprocess("-rA")
    result.assert_outcomes(passed=1, failed=1, errors=2)
    result.stdout.fnmatch_lines(
        [
            "PASSED scenarios/good.yaml::base",
            "ERROR scenarios/broken.yaml::base - error: the zygote is gone",
            "ERROR scenarios/unclear.yaml::base - inconclusive: drains_cleanly was exp*",
            "FAILED scenarios/stuck.yaml::base - fail: every_job_terminal: *",
        ],
        consecutive=False,
    )
    assert result.ret == pytest.ExitCode.TESTS_FAILED


def test_a_failure_shows_the_evidence(pytester: pytest.Pytester, faked: Faked) -> None:
    """Which job, where it stopped, who held it, the replay command and the report; no traceback of ours."""
    faked("stuck", stuck=frozenset({"stuck"}))
    result = pytester.runpytest_inprocess()
    result.stdout.fnmatch_lines(
        [
            "FAIL  stuck  *",
            "*every_job_terminal*",
            "  j-2: *",
            "    stopped   active, stage scenes*",
            "    held by   worker-2*",
            "    moves on  *",
            "Report  reports/*-pytest/*-stuck-*/report.html",
            "Replay  unstuck replay reports/*-pytest/*-stuck-*",
            "*= Unstuck =*",
            "Report  reports/*-pytest/report.html",
        ]
    )
    result.stdout.no_fnmatch_line("*.py:*")
    folder = next((pytester.path / "reports").glob("*-pytest"))
    assert (folder / "group.json").exists()
    assert (pytester.path / "reports" / "latest").resolve() == folder


def test_junit_tells_failures_errors_and_times(pytester: pytest.Pytester, faked: Faked) -> None:
    """One short message and the evidence each; the time is the run's; report and replay are properties."""
    faked("good", "stuck", "unclear", stuck=frozenset({"stuck"}), unclear=frozenset({"unclear"}))
    pytester.runpytest_inprocess("--junitxml", "junit.xml")
    suite = ET.parse(pytester.path / "junit.xml").getroot()[0]
    assert [suite.get(name) for name in ("tests", "failures", "errors", "skipped")] == ["3", "1", "1", "0"]
    good, stuck, unclear = suite.iter("testcase")
    assert {round(float(case.get("time", "0"))) for case in (good, stuck, unclear)} == {RUN_S}
    names = {one.get("name") for one in good.iter("property")}
    assert names == {"report", "replay"}
    for case, tag, word in ((stuck, "failure", "FAIL"), (unclear, "error", "INCONCLUSIVE")):
        [problem] = case.iter(tag)
        assert "\n" not in (problem.get("message") or "\n")
        assert (problem.text or "").startswith(f"{word}  {case.get('classname', '').split('.')[1]}")


def test_all_tests_are_one_campaign_side_by_side(pytester: pytest.Pytester, faked: Faked) -> None:
    """With two jobs, the second run begins while the first one goes on."""
    both = threading.Barrier(2)
    runs = faked("one", "two", during=lambda _: _pass(both))
    pytester.runpytest_inprocess("--unstuck-jobs", "2", "--unstuck-seed", "7").assert_outcomes(passed=2)
    assert sorted(runs.ran) == ["one", "two"]
    assert {given["seed"] for given in runs.given} == {7}
    assert len({given["reports"] for given in runs.given}) == 1  # the folder of the campaign


def _pass(barrier: threading.Barrier) -> None:
    barrier.wait(WAIT_S)


def test_verdicts_are_handed_out_as_they_come(pytester: pytest.Pytester, faked: Faked) -> None:
    """The first test is reported while the second still runs."""
    reported = threading.Event()

    class Listener:
        def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
            if report.when == "call":
                reported.set()

    def during(case: Scenario) -> None:
        assert case.name != "two" or reported.wait(WAIT_S)

    faked("one", "two", during=during)
    plugins = [Listener()]
    pytester.runpytest_inprocess("--unstuck-jobs", "2", plugins=plugins).assert_outcomes(passed=2)


def test_only_what_is_selected_is_run(pytester: pytest.Pytester, faked: Faked) -> None:
    """Not what `-k` leaves out, nor what is marked to be skipped."""
    runs = faked("one", "two", "three")
    pytester.makeconftest(
        "import pytest\n"
        "def pytest_collection_modifyitems(items):\n"
        "    for item in items:\n"
        "        if 'three' in item.nodeid: item.add_marker(pytest.mark.skip(reason='not here'))\n"
    )
    result = pytester.runpytest_inprocess("-k", "not two")
    result.assert_outcomes(passed=1, skipped=1, deselected=1)
    assert runs.ran == ["one"]


def test_last_failed_runs_what_failed(pytester: pytest.Pytester, faked: Faked) -> None:
    """Failures and errors, and nothing else."""
    runs = faked("good", "stuck", "unclear", stuck=frozenset({"stuck"}), unclear=frozenset({"unclear"}))
    pytester.runpytest_inprocess()
    runs.ran.clear()
    pytester.runpytest_inprocess("--lf")
    assert sorted(runs.ran) == ["stuck", "unclear"]


def test_after_the_first_failure_the_rest_is_stopped(pytester: pytest.Pytester, faked: Faked) -> None:
    """`-x`: what runs is told to stop, and what waits does not begin."""
    told: list[bool] = []
    both = threading.Barrier(2)
    runs = faked("a-stuck", "b-long", "c-long", "d-never", stuck=frozenset({"a-stuck"}))

    def during(case: Scenario) -> None:
        if case.name in ("a-stuck", "b-long"):
            both.wait(WAIT_S)
        if case.name != "a-stuck":
            told.append(runs.given[0]["stop"].wait(WAIT_S))

    runs.during = during
    pytester.runpytest_inprocess("-x", "--unstuck-jobs", "2").assert_outcomes(failed=1)
    assert set(told) == {True}
    assert "d-never" not in runs.ran


def test_ctrl_c_stops_what_runs(pytester: pytest.Pytester, project: Path, faked: Faked) -> None:
    """pytest ends as interrupted, and not before every run was told to stop and has ended."""
    faked("one")
    pytester.makeconftest(INTERRUPTS)
    result = pytester.runpytest_subprocess(timeout=60)
    assert result.ret == pytest.ExitCode.INTERRUPTED
    assert (project / "stopped").read_text() == "True"


def test_the_environment_is_given_back(
    pytester: pytest.Pytester, faked: Faked, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A run does not see what would redirect it; the other tests of the session do."""
    monkeypatch.setenv("AWS_PROFILE", "somebody")
    seen: list[str | None] = []
    faked("one", during=lambda _: seen.append(os.environ.get("AWS_PROFILE")))
    pytester.makepyfile(test_z="import os\ndef test_it(): assert os.environ['AWS_PROFILE'] == 'somebody'\n")
    pytester.runpytest_inprocess().assert_outcomes(passed=2)
    assert seen == [None]


def test_a_bug_while_reports_are_written_does_not_cost_the_summary(
    pytester: pytest.Pytester, faked: Faked, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is told, and the session is no success."""
    faked("one")

    def keep(*_: object) -> None:
        raise ValueError("made up")

    monkeypatch.setattr("unstuck.pytest_plugin.running.keep", keep)
    result = pytester.runpytest_inprocess()
    result.stdout.fnmatch_lines(["ValueError: made up. This is a bug of Unstuck.", "*1 passed*"])
    assert result.ret == pytest.ExitCode.INTERNAL_ERROR


@pytest.mark.slow  # two workers, each with a Python of its own
def test_workers_of_xdist_run_each_case_once(pytester: pytest.Pytester, project: Path) -> None:
    """Each worker runs the tests that it is handed, in the sim, and no other; evidence comes through."""
    for number in (1, 2, 3):
        text = (
            f"name: plain-{number}\nsummary: Nothing is done.\nworkload: [{{upload: {{count: 1}}}}]\n"
            f"expect: {{outcomes: {{succeeded: {{exactly: {1 if number < 3 else 2}}}}}}}\n"
        )
        (project / "scenarios" / f"plain-{number}.yaml").write_text(text)
    result = pytester.runpytest_subprocess("-n", "2", "--unstuck-world", "sim", timeout=100)
    result.assert_outcomes(passed=2, failed=1)
    result.stdout.fnmatch_lines(
        ["FAIL  plain-3 *", "FAILED scenarios/plain-3.yaml::base - fail: outcomes: *"]
    )
    names = sorted(path.name.split("-", 2)[2][:7] for path in (project / "reports").glob("2*"))
    assert names == ["plain-1", "plain-2", "plain-3"]


def test_containers_are_asked_of_the_engine(
    pytester: pytest.Pytester, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without one each test is an error that says so: not skipped, and not run elsewhere."""
    monkeypatch.setenv("DOCKER_HOST", f"unix://{project}/no-engine.sock")
    (project / "scenarios" / "one.yaml").write_text(JOB.format(name="one"), encoding="utf-8")
    result = pytester.runpytest_inprocess("--unstuck-world", "containers")
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["*world 'containers': no engine answers on *no-engine.sock*"])
