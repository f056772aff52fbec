"""A campaign runs each case in a folder of its own, and says of each how it ended."""

from __future__ import annotations

import errno
import os
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import pytest

import unstuck.campaign as module
from tests.unit.runner.stage import fault, scenario
from unstuck import rundir
from unstuck.campaign import Progress, RunRecord, excluded, run_many, run_one
from unstuck.checks.port import Verdict
from unstuck.errors import ExitCode, HarnessError, TargetError, UsageError
from unstuck.history import Recorder, read_history
from unstuck.scenario import OnState, Scenario
from unstuck.targets.port import TargetSource
from unstuck.worlds.port import ProcessEvent

Body = Callable[["FakeRun"], None]


class FakeWorld:
    name = "fake"
    capabilities = frozenset({"processes", "signals"})

    def __init__(self, on_event: Callable[[ProcessEvent], None]) -> None:
        self.tell = on_event
        self.closed = 0

    def close(self) -> None:
        self.closed += 1


class FakeTarget:
    name = "fake"
    capabilities = frozenset[str]()


class FakeEngine:
    def __init__(self) -> None:
        self.woken = threading.Event()

    def wake(self) -> None:
        self.woken.set()


class FakeRun:
    """What a run is given; the test's `body` plays it."""

    def __init__(self, request: Any, **given: Any) -> None:
        self.title = request.scenario.title
        self.request = request
        self.world: FakeWorld = given["world"]
        self.recorder: Recorder = given["recorder"]
        self.interrupted: Callable[[], bool] = given["interrupted"]
        self.note: Callable[[str, str], None] = given["note"]
        self.on_engine: Callable[[Any], None] = given["on_engine"]

    def play(self, reason: str = "settled", *, to: str = "cancelled", expect: Any = None) -> None:
        """A history of one job, from the first event to the last."""
        record = self.recorder.record
        record("run", "start", scenario="made-up", expect=expect or {"every_job_terminal": {}}, budget_s=10)
        for before, after in ((None, "awaiting_upload"), ("awaiting_upload", to)):
            if before != after:
                moved: dict[str, Any] = {"from": before, "to": after, "attempt": 0, "token": 0}
                record("transition", job="j-1", **moved)
        record("run", "budget", budget_s=10)
        record("run", "end", reason=reason)


class Campaign:
    """`run_many` and `run_one` with a stage of fakes."""

    name = "fake"
    source = TargetSource()

    def __init__(self, reports: Path) -> None:
        self.reports = reports
        self.body: Body = FakeRun.play
        self.worlds: list[FakeWorld] = []
        self.told: list[Progress] = []
        self.stop = threading.Event()
        self.now_s = 0.0
        self.world_fails: Exception | None = None
        self.stages: list[str] = []
        self.target = FakeTarget()

    # As a stage

    def __enter__(self) -> Self:
        self.stages.append("open")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stages.append("closed")

    def now_ns(self) -> int:
        return 0

    def world(self, name: str, on_event: Callable[[ProcessEvent], None], start_ns: int) -> FakeWorld:
        if self.world_fails is not None:
            raise self.world_fails
        self.worlds.append(FakeWorld(on_event))
        return self.worlds[-1]

    # The test's

    def many(self, cases: list[Scenario], **given: Any) -> list[RunRecord]:
        return run_many(
            cases, reports=self.reports, seed=1, jobs=given.pop("jobs", 1), progress=self.told.append,
            stop=self.stop, **given,
        )  # fmt: skip

    def one(self, case: Scenario | None = None) -> RunRecord:
        return run_one(
            case or scenario(), stage=self, reports=self.reports, seed=1, stop=self.stop,  # type: ignore[arg-type]  # a fake
            progress=self.told.append,
        )  # fmt: skip


@pytest.fixture
def campaign(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Campaign]:
    made = Campaign(tmp_path / "reports")
    monkeypatch.setattr(module, "ProcessStage", lambda **_: made)
    monkeypatch.setattr(module, "run_scenario", lambda request, **given: made.body(FakeRun(request, **given)))
    monkeypatch.setattr(module, "monotonic_ns", lambda: int(made.now_s * 1e9))
    yield made
    assert all(world.closed == 1 for world in made.worlds)
    assert threading.active_count() < 50
    assert not [t for t in threading.enumerate() if t.name == "watch"]


def named(name: str) -> Scenario:
    base = scenario()
    fields = ("summary", "workload", "faults", "expect", "budget_s")
    return Scenario(name=name, **{field: getattr(base, field) for field in fields})


def test_a_run_is_judged_from_what_it_recorded(campaign: Campaign) -> None:
    """Its folder has the plan and the history; the record has the verdict."""
    record = campaign.one()
    assert record.verdict is not None
    assert (record.verdict.verdict, record.exit_code, record.error) == (Verdict.PASS, ExitCode.PASS, None)
    assert record.folder is not None
    folder = rundir.RunFolder(path=record.folder)
    assert rundir.read_plan(folder).scenario == "made-up"
    assert folder.history.read_bytes().count(b"\n") == 5


def test_a_broken_promise_beats_our_own_trouble(campaign: Campaign) -> None:
    """Closing failed after a run that had found something: what it found counts."""

    def body(run: FakeRun) -> None:
        run.play("budget", to="awaiting_upload")
        raise HarnessError("the database could not be dropped")

    campaign.body = body
    record = campaign.one()
    assert (record.exit_code, record.error) == (ExitCode.FAIL, "the database could not be dropped")


@pytest.mark.parametrize(
    ("error", "exit_code", "text"),
    [
        (TargetError("process 'api-1': died"), ExitCode.USAGE, "process 'api-1': died"),
        (HarnessError("links: gone"), ExitCode.HARNESS, "links: gone"),
        (KeyError("x"), ExitCode.HARNESS, "KeyError: 'x'. This is a bug of Unstuck."),
    ],
)
def test_an_error_of_a_run_is_its_record_s(
    campaign: Campaign, error: Exception, exit_code: ExitCode, text: str
) -> None:
    """It takes no other run with it, and the world is closed."""

    def body(run: FakeRun) -> None:
        run.recorder.record("run", "start", expect={})
        run.recorder.record("run", "end", reason="error", error=str(error))
        raise error

    campaign.body = body
    record = campaign.one()
    assert (record.exit_code, record.error) == (exit_code, text)
    assert record.verdict is not None
    assert record.verdict.verdict is Verdict.INCONCLUSIVE


def test_a_world_that_cannot_be_made_leaves_no_verdict(campaign: Campaign) -> None:
    """There is an empty history, and nothing to judge."""
    campaign.world_fails = TargetError("preload: no module 'av'")
    record = campaign.one()
    assert (record.verdict, record.exit_code) == (None, ExitCode.USAGE)


def test_what_the_world_cannot_do_is_refused_before_the_service_starts(campaign: Campaign) -> None:
    """The message names what is missing, where, and what to do."""
    campaign.body = lambda _: pytest.fail("it was run")
    record = campaign.one(scenario(fault("link_down", OnState(state="active"), {"link": "a.b", "for_s": 1})))
    assert (record.verdict, record.exit_code) == (None, ExitCode.USAGE)
    assert record.error == (
        "made-up: needs links, which the world 'fake' here cannot do. Run it where it can, or exclude it by "
        "policy."
    )


def test_a_folder_that_cannot_be_made_leaves_a_record_without_one(campaign: Campaign) -> None:
    """The reports folder is a file: said once, and nothing was started."""
    campaign.reports.write_text("not a folder")
    record = campaign.one()
    assert (record.folder, record.verdict, record.exit_code) == (None, None, ExitCode.USAGE)
    assert campaign.worlds == []


def test_a_history_that_cannot_be_made_is_told(campaign: Campaign, monkeypatch: pytest.MonkeyPatch) -> None:
    """No space for the first line: no world, no verdict, and the reason."""

    def full(*_: object, **__: object) -> Recorder:
        raise UsageError("history: path='…' cannot be made (No space left). Give a new, writable folder.")

    monkeypatch.setattr(module, "Recorder", full)
    record = campaign.one()
    assert (record.verdict, record.exit_code) == (None, ExitCode.USAGE)
    assert campaign.worlds == []


def test_a_disk_that_fills_up_in_the_midst_is_told_and_what_was_recorded_is_kept(
    campaign: Campaign, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Exit 2 with the disk's line, though a process that ends could not be recorded any more either."""

    def full(_file: int, _line: bytes) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def body(run: FakeRun) -> None:
        run.play("error")
        with monkeypatch.context() as patched:
            patched.setattr(os, "write", full)
            run.world.tell(ProcessEvent(name="w", role="worker", phase="exit", at_ns=0, data={}))
        assert run.recorder.failure is not None
        raise run.recorder.failure

    campaign.body = body
    record = campaign.one()
    assert record.exit_code is ExitCode.USAGE
    assert "takes no more (No space left on device). Free some space" in str(record.error)
    assert record.folder is not None
    assert len(read_history(record.folder / "history.jsonl").events) == 5


def test_a_history_that_cannot_be_read_is_told(campaign: Campaign) -> None:
    """Somebody wrote into it: the line is named, and nothing is judged."""

    def body(run: FakeRun) -> None:
        run.play()
        run.recorder.path.write_text("not JSON\n")

    campaign.body = body
    record = campaign.one()
    assert record.verdict is None
    assert record.exit_code is ExitCode.USAGE
    assert "history.jsonl:1" in str(record.error)


def test_a_bug_in_judging_takes_no_other_run_with_it(
    campaign: Campaign, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is the record's error."""

    def buggy(_: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(module, "judge", buggy)
    record = campaign.one()
    assert (record.verdict, record.exit_code) == (None, ExitCode.HARNESS)
    assert "This is a bug of Unstuck." in str(record.error)


def test_what_a_process_does_is_recorded_and_its_signals_are_shown(campaign: Campaign) -> None:
    """A full disk is the run's matter: in the world's own thread it must not be raised."""

    def event(phase: Any, **data: Any) -> ProcessEvent:
        return ProcessEvent(name="worker-1", role="worker", phase=phase, at_ns=5, data=data)

    def body(run: FakeRun) -> None:
        run.play()
        run.world.tell(event("ready", pid=7))
        run.world.tell(event("signal", signal="SIGTERM"))
        run.world.tell(event("usage", odd=object()))
        run.note("settling", "1 jobs open")

    campaign.body = body
    record = campaign.one()
    assert record.folder is not None
    lines = rundir.RunFolder(path=record.folder).history.read_text().splitlines()
    assert '"role":"worker"' in lines[-1]
    assert [(step.phase, step.note) for step in campaign.told] == [
        ("running", "SIGTERM to worker-1"),
        ("settling", "1 jobs open"),
    ]


def test_an_interruption_wakes_the_run(campaign: Campaign) -> None:
    """Whoever waits looks up; the run ends, and its record says interrupted."""
    engine = FakeEngine()

    def body(run: FakeRun) -> None:
        run.on_engine(engine)
        campaign.stop.set()
        assert engine.woken.wait(5)
        assert run.interrupted()
        run.play("interrupted")

    campaign.body = body
    assert campaign.one().exit_code is ExitCode.INTERRUPTED


@pytest.mark.parametrize(
    ("to", "exit_code"), [("cancelled", ExitCode.PASS), ("awaiting_upload", ExitCode.FAIL)]
)
def test_an_interruption_after_the_end_changes_nothing(
    campaign: Campaign, to: str, exit_code: ExitCode
) -> None:
    """The run had come to its own end: what it found is found."""

    def body(run: FakeRun) -> None:
        run.play("settled", to=to)
        campaign.stop.set()

    campaign.body = body
    assert campaign.one().exit_code is exit_code


def test_records_come_in_the_order_of_the_cases(campaign: Campaign) -> None:
    """Whichever ends first; each is told as soon as it is done."""
    first_may_end = threading.Event()

    def body(run: FakeRun) -> None:
        if run.title == "a":
            assert first_may_end.wait(5)
        else:
            first_may_end.set()
        run.play()

    campaign.body = body
    records = campaign.many([named("a"), named("b")], jobs=2)
    assert [r.scenario.name for r in records] == ["a", "b"]
    done = [step for step in campaign.told if step.phase == "done"]
    assert sorted(step.title for step in done) == ["a", "b"]
    assert {id(step.record) for step in done} == {id(record) for record in records}
    assert campaign.stages == ["open", "closed"]


def test_what_cannot_begin_in_time_is_excluded_and_says_so(campaign: Campaign) -> None:
    """The first one used it up; the second is no failure, and no pass."""

    def body(run: FakeRun) -> None:
        run.play()
        campaign.now_s = 11

    campaign.body = body
    ran, left = campaign.many([named("a"), named("b")], time_budget_s=10)
    assert (ran.excluded, ran.exit_code) == (None, ExitCode.PASS)
    assert left.excluded == "the time budget of 10 s was used up"
    assert (left.verdict, left.folder) == (None, None)


def test_a_time_budget_may_be_as_long_as_one_likes(campaign: Campaign) -> None:
    """Also longer than a clock can tell."""
    assert campaign.many([named("a")], time_budget_s=1e300)[0].excluded is None


def test_after_an_interruption_nothing_new_begins(campaign: Campaign) -> None:
    """What had not begun says so."""
    campaign.stop.set()
    [record] = campaign.many([named("a")])
    assert (record.excluded, record.exit_code) == ("interrupted before it began", ExitCode.INTERRUPTED)
    assert campaign.worlds == []


def test_reports_that_cannot_be_written_are_refused_before_anything_starts(campaign: Campaign) -> None:
    """One line, and no stage was opened."""
    campaign.reports.write_text("not a folder")
    with pytest.raises(UsageError):
        campaign.many([named("a")])
    assert campaign.stages == []


def test_an_excluded_case_proves_nothing() -> None:
    """No verdict, no folder, and the reason."""
    record = excluded(named("a"), "not here")
    assert (record.verdict, record.folder, record.excluded) == (None, None, "not here")
    assert record.exit_code is ExitCode.PASS
