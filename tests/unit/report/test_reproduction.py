"""An incident, reproduced: what two runs come to together, and how it is shown."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path

import pytest

from tests.unit.report.made_up import recorded
from tests.unit.report.test_pages import Page, script_hashes
from unstuck.errors import ExitCode
from unstuck.report.as_json import reproduction_json
from unstuck.report.group import RunLine
from unstuck.report.reproduction import Reproduction
from unstuck.report.reproduction_page import reproduction_html
from unstuck.report.reproduction_text import reproduction_sheet
from unstuck.report.run_page import run_html
from unstuck.report.text import run_sheet


def told(reports: Path, *, stuck: int = 2, after: int = 0, lands: bool = True) -> Reproduction:
    """`stuck` jobs without the defences, `after` with them."""
    return Reproduction(
        incident="deployment-resilience",
        happened="A deploy killed instances.",
        about="A deploy replaces the workers.",
        defences_off=("lease_recovery", "startup_cleanup"),
        fails=("every_job_terminal",),
        before=recorded(reports, stuck=stuck)[1],
        after=recorded(reports, stuck=after, lands=lands)[1],
        jobs=6,
        world="sim",
        command="unstuck reproduce deployment-resilience --world sim",
        seed=7,
        version="0.1.0",
        date="2026-03-01",
        duration_s=9.0,
        folder="reports/x",
    )


def test_it_happened_and_does_not_any_more(tmp_path: Path) -> None:
    """What the incident names failed without the defences, and each promise is kept with them."""
    both = told(tmp_path)
    assert (both.exit_code, both.word, both.unseen) == (ExitCode.PASS, "reproduced, and defended", ())
    assert both.conclusion() == (
        "Without these defences every_job_terminal failed; with every defence on, each promise was kept."
    )
    rows = {row.name: (row.before, row.after, row.bad) for row in both.rows()}
    assert rows["stuck"] == ("2", "0", True)
    assert rows["lost"] == ("0", "0", False)
    assert rows["jobs"][:2] == ("4 succeeded, 2 active", "6 succeeded")
    assert rows["last job ended"][0] == "never"
    assert "claims of one job at most" in rows  # more of them than attempts_max is no bug


def test_a_job_that_failed_is_never_called_ok(tmp_path: Path) -> None:
    """Its record is as it should be, and `ok 7` beside `7 failed` reads as if the job were."""
    both = told(tmp_path)
    assert both.before.summary is not None
    assert "ok" in {row.name for row in both.rows()}
    assert "2 stuck, " in run_sheet(both.before).plain()
    jobs = tuple(
        replace(job, state="failed") if job.outcome == "ok" else job for job in both.before.summary.jobs
    )
    line = replace(both.before, summary=replace(both.before.summary, jobs=jobs))
    assert "ok" not in {row.name for row in replace(both, before=line).rows()}
    for text in (run_sheet(line).plain(), run_html(line)):
        assert not re.search(r"\d ok\b", text)


def test_an_incident_that_does_not_happen_proves_nothing(tmp_path: Path) -> None:
    """A green run with the defences says nothing of them when it was green without them, too."""
    both = told(tmp_path, stuck=0)
    assert (both.exit_code, both.word) == (ExitCode.INCONCLUSIVE, "not reproduced")
    assert "every_job_terminal did not fail: the incident did not happen again" in both.conclusion()


def test_another_failure_is_not_the_incident(tmp_path: Path) -> None:
    """It is told by which property the service broke instead."""
    both = replace(told(tmp_path), fails=("effects",))
    assert (both.exit_code, both.unseen) == (ExitCode.INCONCLUSIVE, ("effects",))
    assert "(every_job_terminal" in both.conclusion()


def test_a_promise_broken_with_every_defence_is_a_failure(tmp_path: Path) -> None:
    """Whether or not the incident was seen."""
    assert told(tmp_path / "a", after=1).exit_code is ExitCode.FAIL
    assert told(tmp_path / "b", stuck=0, after=1).exit_code is ExitCode.FAIL


def test_a_run_with_the_defences_that_proves_nothing_makes_it_inconclusive(tmp_path: Path) -> None:
    """The deploy never came."""
    both = told(tmp_path, lands=False)
    assert (both.exit_code, both.word) == (ExitCode.INCONCLUSIVE, "defended, unproved")


@pytest.mark.parametrize(
    ("code", "told_as"), [(ExitCode.HARNESS, ExitCode.HARNESS), (ExitCode.USAGE, ExitCode.USAGE)]
)
def test_a_run_that_could_not_be_made_is_told_as_what_it_is(
    tmp_path: Path, code: ExitCode, told_as: ExitCode
) -> None:
    """A harness error says nothing about the service, and is no incident that did not happen."""
    broken = RunLine(title="x", exit_code=code, error="the zygote is gone")
    both = replace(told(tmp_path), before=broken)
    assert both.exit_code is told_as
    assert both.conclusion() == "the zygote is gone"
    assert "the zygote is gone" in reproduction_html(both)
    assert "the zygote is gone" in reproduction_sheet(both).plain()


def test_an_interruption_shows_nothing(tmp_path: Path) -> None:
    """Whatever had been seen by then."""
    both = replace(told(tmp_path), interrupted=True)
    assert (both.exit_code, both.word) == (ExitCode.INTERRUPTED, "interrupted")
    assert "nothing is shown" in both.conclusion()


def test_the_screen_has_both_side_by_side(tmp_path: Path) -> None:
    """The same line has both counts; where to read and how to do it again is at the end."""
    screen = reproduction_sheet(told(tmp_path)).plain()
    assert re.search(r"^  stuck +2 +0$", screen, re.MULTILINE)
    assert re.search(r"^  verdict +✗ fail +✓ pass$", screen, re.MULTILINE)
    assert "missing then    lease_recovery, startup_cleanup" in screen
    assert "Report  reports/x/reproduction.html" in screen
    assert screen.count("Replay  unstuck replay reports/x/") == 2
    assert max(map(len, screen.splitlines())) <= 120


def test_the_page_stands_alone_and_has_both_timelines(tmp_path: Path) -> None:
    """Each id is there once, each link within the page leads to one, and no script but ours may run."""
    html = reproduction_html(told(tmp_path))
    page = Page(html)
    assert html.count('class="timeline"') == 2
    ids = re.findall(r' id="([^"]+)"', html)
    assert len(ids) == len(set(ids))
    assert {link[1:] for link in page.links if link.startswith("#")} <= set(ids)
    assert script_hashes(page)[0] in page.policy


def test_programs_get_both_in_short(tmp_path: Path) -> None:
    """Classes, what failed, the timeline of each, and what it comes to."""
    data = json.loads(reproduction_json(told(tmp_path)))
    assert (data["verdict"], data["exit_code"], data["reproduced"]) == ("reproduced, and defended", 0, True)
    assert data["runs"]["before"]["classes"]["stuck"] == 2
    assert "every_job_terminal" in data["runs"]["before"]["failed"]
    assert data["runs"]["after"]["failed"] == []
    assert data["runs"]["after"]["timeline"][-1]["what"] == "the final look: all ended"
