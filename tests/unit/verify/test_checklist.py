"""The checklist: what each line says of a run, and what the whole comes to."""

from __future__ import annotations

from typing import Any

import pytest

from tests.unit.checks.draft import Draft
from unstuck.campaign import RunRecord
from unstuck.checks.verdict import judge
from unstuck.cli.verify import sheet_of
from unstuck.errors import ExitCode
from unstuck.history import Event
from unstuck.targets.reference import catalogue
from unstuck.verify import Checklist, Line, LineState
from unstuck.verify.evidence import Shown
from unstuck.verify.lines import lines_of
from unstuck.verify.scenarios import BODIES, scenarios

OLD = "abc123"


def line(state: LineState) -> Line:
    return Line(id="x", database="SQLite", says="It works", state=state, evidence=["seen"], folder="f")


def checklist(*states: LineState, interrupted: bool = False) -> Checklist:
    lines = tuple(line(state) for state in states)
    return Checklist(
        old=OLD, new="new", revisions=("0001", "0002"), lines=lines, took_s=1.0, interrupted=interrupted
    )


@pytest.mark.parametrize(
    ("states", "code"),
    [
        ([LineState.OK, LineState.CANNOT], ExitCode.PASS),
        ([LineState.OK, LineState.NOT_PROVED], ExitCode.INCONCLUSIVE),
        ([LineState.NOT_PROVED, LineState.BROKEN], ExitCode.FAIL),
    ],
)
def test_the_worst_line_decides(states: list[LineState], code: ExitCode) -> None:
    """What cannot be done is told, and keeps nobody from deploying."""
    assert checklist(*states).exit_code is code


def test_an_interruption_proves_nothing_but_what_broke() -> None:
    """A line that is broken stays so."""
    assert checklist(LineState.OK, interrupted=True).exit_code is ExitCode.INTERRUPTED
    assert checklist(LineState.BROKEN, interrupted=True).exit_code is ExitCode.FAIL


def test_the_screen_shows_each_line_with_its_evidence() -> None:
    """The folder of a run stands with those that need a look."""
    text = sheet_of(checklist(LineState.OK, LineState.BROKEN, LineState.CANNOT), "reports/x").plain()
    assert "✓ It works" in text
    assert "✗ It works" in text
    assert "DO NOT DEPLOY  3 lines: 1 ok, 1 broken, 1 to read before (!)" in text
    assert checklist(LineState.OK).as_json()["lines"][0]["evidence"] == ["seen"]


@pytest.mark.parametrize("new", [None, "def456", "/tmp/new.whl"])
def test_the_scenarios_hold_both_versions(new: str | None) -> None:
    """Each loads, starts with the old version in every role, and names the new one or this checkout."""
    made = scenarios(OLD, new, catalogue())
    assert [one.name for one in made] == list(BODIES)
    for one in made:
        assert {one.roles[role].version for role in ("api", "worker", "sweeper", "relay")} == {OLD}
        named = {fault.parameters.version for fault in one.faults if hasattr(fault.parameters, "version")}
        assert new in named
        assert named <= {new, OLD}


def migrated(draft: Draft, *, in_flight: int = 1, restarts: bool = False) -> list[Event]:
    """A run of `migrate-in-flight` by hand: one job before the migration, one after it."""
    draft.process("worker-1", "start", role="worker", pid=1, version=OLD)
    draft.queued("j-1")
    draft.claimed("j-1")
    for index, name in ((0, "back_up"), (1, "migrate")):
        facts = {"how": f"{name} is done", "in_flight": in_flight}
        draft.fault("armed", "fired", "landed", index=index, name=name, **facts)
    draft.effect("j-1")
    draft.move("j-1", "active>succeeded", attempt=1, token=1)
    if restarts:
        draft.process("worker-1", "exit", role="worker", pid=1, code=1, expected=False)
    draft.queued("j-2")
    draft.claimed("j-2")
    draft.effect("j-2")
    draft.move("j-2", "active>succeeded", attempt=1, token=1)
    draft.end()
    return draft.events


def shown(draft: Draft, name: str = "migrate-in-flight") -> Shown:
    record = RunRecord(
        scenario=next(one for one in scenarios(OLD, None, catalogue()) if one.name == name),
        verdict=judge(draft.history()),
        error=None,
        exit_code=ExitCode.PASS,
        folder=None,
        duration_s=1.0,
    )
    found = Shown(record)
    found.story = draft.story()
    found.versions = {"worker-1": OLD}
    return found


def states(found: Shown) -> dict[str, str]:
    return {line.id: line.state.value for line in lines_of(found, old=OLD, new="current")}


def test_workers_that_go_on_need_no_restart() -> None:
    """A process of the old version claimed a job after the migration, and none had ended."""
    draft = Draft()
    migrated(draft)
    assert states(shown(draft)) == {"back-up": "ok", "migrate": "ok", "no-restart": "ok"}


def test_a_worker_that_ended_meanwhile_proves_nothing() -> None:
    """Its restart may have been what made it work."""
    draft = Draft()
    migrated(draft, restarts=True)
    assert states(shown(draft))["no-restart"] == "not proved"


def test_a_migration_of_an_idle_service_proves_nothing() -> None:
    """There have to be jobs in flight."""
    draft = Draft()
    migrated(draft, in_flight=0)
    found = states(shown(draft))
    assert (found["back-up"], found["migrate"]) == ("not proved", "not proved")


def test_a_broken_promise_breaks_every_line_of_its_run() -> None:
    """Whichever it was: nobody knows what it comes from."""
    draft = Draft()
    migrated(draft)
    draft.move("j-2", "succeeded>queued", attempt=1, token=1)
    assert set(states(shown(draft)).values()) == {"broken"}


def test_a_run_that_did_not_come_about_proves_nothing() -> None:
    """Its error is the evidence."""
    record = RunRecord(
        scenario=scenarios(OLD, None, catalogue())[0],
        verdict=None,
        error="no PostgreSQL here",
        exit_code=ExitCode.USAGE,
        folder=None,
        duration_s=0.0,
    )
    for one in lines_of(Shown(record), old=OLD, new="current"):
        assert one.state is LineState.NOT_PROVED
        assert "no PostgreSQL here" in one.evidence


def test_a_restore_needs_jobs_that_it_takes_away() -> None:
    """Else the back-up was not older than what came after it."""
    draft = Draft()
    draft.succeeded("j-1")
    facts: dict[str, Any] = {"how": "put back", "in_flight": 1, "gone": ["j-9"]}
    draft.fault("armed", "fired", "landed", name="restore_backup", **facts)
    draft.end()
    [one] = lines_of(shown(draft, "restore-older-backup"), old=OLD, new="current")
    assert one.state is LineState.OK
    assert any("1 jobs that were announced after it are gone" in text for text in one.evidence)
