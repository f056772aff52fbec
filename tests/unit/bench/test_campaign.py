"""A campaign: what is counted of its rows, what its journal keeps, and how its periods are production's."""

from __future__ import annotations

import itertools
import json
from pathlib import Path
from typing import Any

import pytest

from bench.campaign.drawing import at_production, cases, factor, production
from bench.campaign.journal import Journal
from bench.campaign.page import page
from bench.campaign.rows import JobRow, RunRow
from bench.campaign.running import Supply, row_of
from bench.campaign.totals import Campaign, as_json, read_campaign, sum_up
from unstuck.campaign import RunRecord
from unstuck.errors import ExitCode, UsageError
from unstuck.faults import FAULTS
from unstuck.scenario import Fault, OnStart, Scenario, Upload


def job(state: str = "succeeded", **facts: Any) -> JobRow:
    usual: dict[str, Any] = {
        "tag": "job",
        "state": state,
        "reason": None,
        "kind": "ok",
        "excluded": None,
        "hit": False,
        "claims": 1,
        "took_s": None,
    }
    return JobRow(**{**usual, **facts})


def run(*jobs: JobRow, name: str = "generated-1", **facts: Any) -> RunRow:
    usual: dict[str, Any] = {
        "judged": True,
        "error": None,
        "broken": (),
        "faults": 1,
        "landed": 1,
        "missed": 0,
        "budget_s": 20.0,
        "took_s": 5.0,
    }
    return RunRow(name=name, jobs=jobs, **{**usual, **facts})


def counted(*rows: RunRow, scale: float = 30.0) -> Campaign:
    return sum_up(rows, date="2026-01-02", commit="abc", world="processes", seed=1, factor=scale)


def test_valid_jobs_that_fail_lower_the_rate_and_are_somebodys_work() -> None:
    """Excluded ones do neither, and are told with why."""
    found = counted(
        run(job(), job("failed", reason="crashed"), job("expired", excluded="not put, or not all of it")),
        run(job(), faults=0, landed=0, name="generated-2"),
    )
    assert (found.jobs, found.valid, found.succeeded, found.manual, found.bad) == (4, 3, 2, 1, 0)
    assert (found.valid_without_fault, found.excluded) == (1, {"not put, or not all of it": 1})
    assert found.failures == {"failed: crashed": 1}


def test_a_job_of_a_broken_promise_is_somebodys_work_once() -> None:
    """Also one that is excluded; and one that is valid and did not succeed is no second one."""
    found = counted(
        run(job("active", kind="stuck"), job(kind="doubled", excluded="its client cancelled it")),
        run(broken=("effects",), name="generated-2"),
    )
    assert (found.bad, found.manual, found.failed_runs, found.broken) == (2, 2, 1, {"effects": 1})


def test_a_run_in_which_a_fault_met_nobody_is_counted() -> None:
    """To leave it out would leave out the job that an earlier fault had ended for good."""
    found = counted(run(job("failed", reason="crashed"), missed=1))
    assert (found.runs, found.missed_runs, found.valid, found.succeeded) == (1, 1, 1, 0)


def test_a_run_that_came_to_no_end_is_told_and_not_counted() -> None:
    """It vanishes from nowhere: it has a number of its own."""
    found = counted(run(job()), run(job("active"), judged=False, error="no room", name="generated-2"))
    assert (found.runs, found.unjudged_runs, found.jobs, found.valid) == (1, 1, 1, 1)


def test_recoveries_are_those_of_valid_jobs_that_were_hit() -> None:
    """A share of jobs; the times are of those that did recover."""
    jobs = [job(hit=True, took_s=float(took)) for took in range(1, 100)]
    found = counted(
        run(*jobs, job(), job("failed", hit=True), job(hit=True, took_s=900.0, excluded="its client …"))
    )
    assert (found.hit, found.recovered) == (100, 99)
    assert (found.recovery_median_s, found.recovery_p99_s, found.recovery_max_s) == (50.0, 99.0, 99.0)


def test_figures_can_be_read_again_and_older_ones_not() -> None:
    """What was measured in another way is not taken for this."""
    found = counted(run(job()))
    assert read_campaign(json.loads(json.dumps(as_json(found)))) == found
    with pytest.raises(KeyError):
        read_campaign({"date": "2026-01-01", "runs": 4})


def test_the_page_states_the_bound_and_what_it_does_not_support() -> None:
    """100 jobs without a failure support 97 %; 99.9 % would take some three thousand."""
    text = page(counted(run(*[job()] * 100)), None)
    assert (
        "- At least 99% succeed: **undecided**. Seen 100 (100.00%) of 100; by the bounds at least 97.05% and "
        "at most 100.00%, and 299 without a failure support it.\n" in text
    )
    assert "At least 99.9% succeed: **undecided**." in text
    assert "1 runs:\n100 of 3000 planned valid jobs: cut short.\n" in text
    assert "3000 of 3000 planned valid jobs.\n" in page(counted(run(*[job()] * 3000)), None)
    assert "Not measured since it is drawn this way." in text


def test_the_page_says_when_a_share_is_not_true() -> None:
    """Too many fail in the sample itself; the times are multiplied, and say by what."""
    bad = [job("failed", reason="timed_out")] * 5
    text = page(counted(run(*[job(hit=True, took_s=4.0)] * 95, *bad)), counted(run(job()), scale=1.0))
    assert "At least 99% succeed: **refuted**. Seen 95 (95.00%) of 100" in text
    assert "| … ended otherwise: failed: timed_out | 5 |" in text
    assert "median 4.0 s (x 30: 2.0 minutes)" in text
    assert "recovered (at least 5.00% supported): at most 4.0 s (x 30: 2.0 minutes), of too few" in page(
        counted(run(job(hit=True, took_s=4.0))), None
    )


def journal(path: Path, **facts: Any) -> Journal:
    return Journal(path, **{"seed": 1, "world": "processes", "commit": "abc", **facts})


def test_a_campaign_goes_on_where_it_was_interrupted(tmp_path: Path) -> None:
    """Also in the middle of a line, whose run is run again."""
    path = tmp_path / "deep/campaign.jsonl"
    first = journal(path)
    first.add(run(job(), job(excluded="its client cancelled it")))
    first.add(run(job(), name="generated-2", broken=("effects",)))
    path.write_text(path.read_text()[:-20])
    again = journal(path)
    assert sorted(again.names) == ["generated-1"]
    assert again.valid == 1
    again.add(run(job(), name="generated-2"))
    assert [row.name for row in journal(path).rows] == ["generated-1", "generated-2"]


@pytest.mark.parametrize("other", [{"seed": 2}, {"world": "sim"}, {"commit": "abd"}])
def test_a_journal_of_another_campaign_is_refused(tmp_path: Path, other: dict[str, Any]) -> None:
    """Figures of two versions of the service are no figures of one."""
    path = tmp_path / "campaign.jsonl"
    journal(path)
    with pytest.raises(UsageError, match=r"another campaign.*--journal FILE"):
        journal(path, **other)


def drawn(name: str) -> Scenario:
    return Scenario(name=name, summary="", workload=(Upload(),), faults=(), expect={})


def test_scenarios_come_until_enough_valid_jobs_are_there(tmp_path: Path) -> None:
    """Those that were run before are left out; jobs that do not count, do not count."""
    kept = journal(tmp_path / "campaign.jsonl")
    kept.add(run(job(), name="a"))
    supply = Supply((drawn(name) for name in "abcdefgh"), kept, valid=3, within_s=60.0)
    assert supply.draw()
    first = supply.next()
    assert first is not None
    assert first.name == "b"
    kept.add(run(job(excluded="its client cancelled it"), name="b"))
    assert supply.next() is None
    assert supply.draw()
    second = supply.next()
    assert second is not None
    assert second.name == "c"
    kept.add(run(job(), job(), name="c"))
    assert supply.next() is None
    assert not supply.draw()


def test_no_run_begins_when_the_time_is_over(tmp_path: Path) -> None:
    """What is there until then is what is counted."""
    supply = Supply(iter([drawn("a")]), journal(tmp_path / "campaign.jsonl"), valid=3, within_s=0.0)
    assert not supply.draw()
    assert supply.next() is None


def test_a_run_without_a_verdict_is_a_row_with_its_error() -> None:
    """A failure of the harness is no finding, and no nothing either."""
    record = RunRecord(
        scenario=drawn("a"),
        verdict=None,
        error="no port is free",
        exit_code=ExitCode.HARNESS,
        folder=None,
        duration_s=0.5,
    )
    found = row_of(record)
    assert (found.judged, found.error, found.valid) == (False, "no port is free", 0)


def test_every_period_of_production_is_its_default() -> None:
    """And who is away is away for as much longer as the periods are."""
    down = Fault(name="down", parameters=FAULTS["down"].Parameters(role="worker", for_s=40.0), when=OnStart())
    short = Scenario(
        name="a",
        summary="",
        workload=(Upload(),),
        faults=(down,),
        expect={"every_job_terminal": {"within_s": 20.0}},
        settings={"lease_s": 3.0, "upload_deadline_s": 3.0},
        budget_s=20.0,
    )
    long = at_production(short)
    assert factor() == 30.0
    assert (long.settings["lease_s"], long.settings["sweep_every_s"]) == (60.0, 15.0)
    assert long.settings["upload_deadline_s"] == production("upload_deadline_s") == 3600.0
    assert long.faults[0].parameters.for_s == 1200.0
    assert long.expect["every_job_terminal"]["within_s"] == long.budget_s > 20.0 * 30


def test_the_same_seed_draws_the_same_campaign() -> None:
    """In the sim no client is drawn whose upload has to run out."""
    first, again = ([one.name for one in itertools.islice(cases(7, simulated=False), 6)] for _ in "ab")
    assert first == again
    for one in itertools.islice(cases(7, simulated=True), 12):
        assert not any(upload.tag.startswith(("vanished", "late")) for upload in one.workload)
        assert one.settings["lease_s"] == 60.0
