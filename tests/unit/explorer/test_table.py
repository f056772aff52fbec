"""The table of an exploration: what it adds up to, how it looks, and what it comes to."""

from __future__ import annotations

import json
from dataclasses import replace

from unstuck.errors import ExitCode
from unstuck.explorer.exploring import Counts, Explored, Uncovered
from unstuck.explorer.telling import About, in_order, table_of
from unstuck.explorer.trials import Approach
from unstuck.report.as_json import points_json
from unstuck.report.points import PointCell, PointRow, PointsTable
from unstuck.report.points_page import points_html
from unstuck.report.points_text import points_sheet

LOST = PointCell(mode="kill", word="lost", verdict="fail", broken=("no_job_lost",), run="run-1")
FINE = PointCell(mode="pause", word="ok", verdict="pass", note="rescued after 2 s")
CUT = PointCell(mode="cut", word="no job", verdict="pass")
MISSED = PointCell(mode="kill", word="not covered", verdict="inconclusive", note="did not land")


def row(life: str, message: str, place: str, *cells: PointCell) -> PointRow:
    return PointRow(life=life, link="worker.broker", message=message, place=place, text="x<y", cells=cells)


TABLE = PointsTable(
    target="mine",
    modes={"kill": "kill", "pause": "pause 3 s"},
    rows=(
        row("handed over", "LPUSH jobs", "on its reply", CUT),
        row("queued", "BRPOP jobs", "on its reply", LOST, FINE),
        row("at work", "SET a", "before it goes on", MISSED),
    ),
    uncovered=(("SET b on worker.broker", "came 1 and 2 times"),),
    linked=7,
    seen=7,
    starting=3,
    left_out=1,
    covered=3,
    exit_code=ExitCode.FAIL,
    duration_s=12.0,
    seed=1,
    version="0",
    date="2026-01-01",
    folder="reports/x",
)
APPROACH = Approach(name="mine", workload=(), promise="at_least_once", budget_s=5.0, pause_s=3.0, replicas={})


def test_trials_and_messages_add_up() -> None:
    """Trials that landed by class; the links' own count by where each message belongs."""
    landed, reconciled = TABLE.sums()
    assert landed == "3 of 4 trials landed: 1 no job, 1 lost, 1 ok"
    assert reconciled == (
        "3 of 3 messages that matter have a trial; the links counted 7: 3 while the service started, "
        "1 on links that were not asked for, 3 since the first client began"
    )


def test_the_screen_shows_a_cell_under_its_mode_and_what_was_not_covered() -> None:
    """A client's cut stands in the first column, and says that it is one; no line is too long."""
    text = points_sheet(TABLE).plain()
    lines = text.splitlines()
    assert "    on its reply      cut: no job" in lines
    [line] = [line for line in lines if " lost" in line and line.startswith("    ")]
    assert line.index("ok, rescued after 2 s") == lines[0].index("pause 3 s")
    assert "not covered: SET b on worker.broker: came 1 and 2 times" in text
    assert max(map(len, lines)) <= 99


def test_the_page_escapes_what_came_from_outside_and_links_each_trial() -> None:
    """Texts of messages are the service's own."""
    page = points_html(TABLE)
    assert "x&lt;y" in page
    assert 'href="run-1/report.html"' in page


def test_programs_read_the_same() -> None:
    """The figures, each row, and the verdict."""
    said = json.loads(points_json(TABLE))
    assert (said["verdict"], said["exit_code"], len(said["rows"])) == ("fail", 1, 3)
    assert said["rows"][1]["cells"][0]["broken"] == ["no_job_lost"]


def test_rows_stand_by_chapter_then_by_message() -> None:
    """In the order in which they first come; both places of a message together."""
    mixed = [
        row("handed over", "A", "before it goes on"),
        row("queued", "B", "on its reply"),
        row("handed over", "C", "before it goes on"),
        row("handed over", "A", "on its reply"),
    ]
    assert [(one.life, one.message) for one in in_order(mixed)] == [
        ("handed over", "A"),
        ("handed over", "A"),
        ("handed over", "C"),
        ("queued", "B"),
    ]


def test_handing_over_comes_first_whatever_a_worker_did_before_it() -> None:
    """One that refreshes what it has in its broker does so whether there is a job or not."""
    rows = [row("queued", "REFRESH", "p"), row("handed over", "LPUSH", "p"), row("queued", "BRPOP", "p")]
    assert [one.message for one in in_order(rows)] == ["LPUSH", "REFRESH", "BRPOP"]


def test_what_was_not_covered_is_no_pass() -> None:
    """Nor is an exploration without a trial, or one whose job does not go through."""
    about = About(target="mine", modes=("kill",), duration_s=1.0, seed=1, date="")
    nothing = Explored(approach=APPROACH, counts=Counts())
    assert table_of(nothing, about).exit_code is ExitCode.INCONCLUSIVE
    owed = replace(nothing, uncovered=(Uncovered(what="a", why="b"),))
    assert table_of(owed, about).exit_code is ExitCode.INCONCLUSIVE
    assert table_of(owed, replace(about, interrupted=True)).exit_code is ExitCode.INTERRUPTED


def test_a_reader_is_told_where_nobody_was_beside_the_one_that_was_paused() -> None:
    """Who carries out jobs is known from the ledger's reports, or from a target with one role."""
    about = About(target="mine", modes=("kill", "pause"), duration_s=1.0, seed=1, date="")
    unknown = Explored(approach=APPROACH, passed_by=("api.retry",))
    points, beside = table_of(unknown, about).notes
    assert "api.retry" in points
    assert "no second worker" in beside
    known = replace(unknown, approach=replace(APPROACH, workers=frozenset({"worker"})), passed_by=())
    assert table_of(known, about).notes == ()
