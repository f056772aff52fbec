"""Jobs wait for a dependency that is away, whichever it is and however it is so, and none waits for ever."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from reference_service import alerts, operations, relay
from reference_service.breaker import Breaker
from reference_service.domain import Job, Reason, State
from reference_service.fakes import FakeStages, ManualClock, MemoryWorld, memory_world
from reference_service.figures import read_figures
from reference_service.ports import InvalidMedia, Rejected, StageInput, StageOutput, Unavailable
from reference_service.store import alerting, breakers
from reference_service.worker import Worker
from tests.unit.reference.drive import get, make, queued, rows

AWAY_S = 600.0
PRODUCTION: dict[str, Any] = {"retry_first_s": 5, "retry_longest_s": 300}
BACK_S = 180.0  # within which all are done once it is back: a quarter of that, and their work


class Gate:
    """Stands before a call: the dependency is away until `until`, or for whom `refuses` says so."""

    def __init__(self, clock: ManualClock, away_s: float = AWAY_S, *, takes_s: float = 0.0) -> None:
        self._clock = clock
        self._until = clock.now() + away_s
        self._takes_s = takes_s
        self.calls = self.in_vain = 0

    def away_again(self, away_s: float) -> None:
        self._until = self._clock.now() + away_s

    def __call__(self, *_given: object, **_named: object) -> None:
        self.calls += 1
        if self._clock.now() < self._until:
            self.in_vain += 1
            self._clock.sleep(self._takes_s)
            raise Unavailable("no answer")


class GatedVision:
    """Answers what `gate` lets through."""

    def __init__(self, gate: Callable[[bytes], None]) -> None:
        self._gate = gate

    def caption(self, jpeg: bytes) -> str:
        self._gate(jpeg)
        return "a picture"


class Captioning(FakeStages):
    """Asks the vision API, with the job's name for a picture, in the stage that does; and needs no source."""

    def run(self, stage: str, given: StageInput) -> StageOutput:
        if stage != "captions":
            return super().run(stage, given)
        self.ran.append((given.job, stage))
        given.vision.caption(given.job.encode())
        (given.folder / "captions.json").write_text("[]")
        return StageOutput(files=["captions.json"])


def captioning(world: MemoryWorld, gate: Callable[[bytes], None]) -> MemoryWorld:
    stages = Captioning()
    service = replace(world.service, vision=GatedVision(gate), stages=stages)
    return replace(world, service=service, stages=stages)


def gated(world: MemoryWorld, what: str, gate: Callable[..., None]) -> MemoryWorld:
    """The world with the gate before one of its dependencies."""
    if what == "vision":
        return captioning(world, gate)
    place: Any = world.sink if what == "sink" else world.objects
    for name in {"reads": ["get_file"], "writes": ["put_file", "put_bytes"]}.get(what, ["report"]):
        setattr(place, name, behind(gate, getattr(place, name)))
    return world


def behind(gate: Callable[..., None], action: Callable[..., Any]) -> Callable[..., Any]:
    def call(*given: Any, **named: Any) -> Any:
        gate(*given, **named)
        return action(*given, **named)

    return call


def run_for(world: MemoryWorld, one: Worker, seconds: float, jobs: list[Job] | None = None) -> None:
    """Lets worker and relay take turns for so long, or until all these jobs have ended."""
    until = world.clock.now() + seconds
    while world.clock.now() < until:
        one.step()
        relay.publish(world.service)
        world.clock.sleep(0.5)
        if jobs and all(get(world, job).state in {State.SUCCEEDED, State.FAILED} for job in jobs):
            return


@pytest.mark.parametrize("takes_s", [0.0, 10.0], ids=["refused", "hangs"])
@pytest.mark.parametrize("what", ["vision", "reads", "writes", "sink"])
def test_no_job_is_charged_for_an_outage_of_ten_minutes(what: str, takes_s: float, tmp_path: Path) -> None:
    """Whether it refuses, or answers nothing until the client's time is over; and it is left alone."""
    world = memory_world(work_folder=str(tmp_path), slots=3, lease_s=6000, heartbeat_s=1000, **PRODUCTION)
    jobs = [queued(world) for _ in range(6)]
    gate = Gate(world.clock, takes_s=takes_s)
    world = gated(world, what, gate)
    one, _ = make(world)
    run_for(world, one, AWAY_S + BACK_S, jobs)
    assert {(get(world, job).state, get(world, job).charged) for job in jobs} == {(State.SUCCEEDED, 1)}
    assert gate.in_vain < 40, "five to open it, and some 20 looks"


@pytest.mark.parametrize("open_s", [5.0, 30.0])
def test_one_caller_by_itself_finds_out_that_an_api_hangs(open_s: float, tmp_path: Path) -> None:
    """Also where the client waits for an answer for longer than the breaker is open."""
    settings = {**PRODUCTION, "breaker_open_s": open_s, "lease_s": 6000, "heartbeat_s": 1000}
    world = memory_world(work_folder=str(tmp_path), slots=1, **settings)
    job = queued(world)
    world = captioning(world, gate := Gate(world.clock, takes_s=10.0))
    one, _ = make(world)
    run_for(world, one, AWAY_S + BACK_S, [job])
    done = get(world, job)
    assert (done.state, done.charged) == (State.SUCCEEDED, 1)
    assert gate.calls <= done.attempt + 2, "two before it was opened, and one look each time after"


def test_slow_failures_are_in_a_row_however_long_each_took() -> None:
    """A call that hangs for 10 s begins right after the one before, with a breaker that is open for 5."""
    world = memory_world(breaker_failures=3, breaker_open_s=5)
    left = []
    for _ in range(3):
        world.clock.sleep(11)
        left.append(breakers.fail(world.service.store, "vision", most=3, open_s=5, took_s=10))
    assert left == [None, None, 5.0]


def test_after_its_effect_has_begun_a_job_waits_too_and_is_applied_once(tmp_path: Path) -> None:
    """The sink has applied it, and its replies are lost: the same key is told again, uncharged."""
    world = memory_world(work_folder=str(tmp_path), **PRODUCTION)
    job = queued(world)
    gate = Gate(world.clock)
    report = world.sink.report

    def applied_and_lost(**given: Any) -> bool:
        done = report(**given)
        gate()
        return done

    world.sink.report = applied_and_lost  # type: ignore[method-assign]  # a fake of a fake
    one, _ = make(world)
    run_for(world, one, AWAY_S + BACK_S, [job])
    assert (get(world, job).state, get(world, job).charged) == (State.SUCCEEDED, 1)
    assert len(world.sink.applied) == 1
    assert get(world, job).effect_at is not None


def test_a_picture_that_the_api_refuses_costs_its_own_job_only(tmp_path: Path) -> None:
    """It fails at once, as media that cannot be processed; the breaker hears of an answer."""
    world = memory_world(work_folder=str(tmp_path), **PRODUCTION)
    bad, good = queued(world), queued(world)

    def gate(jpeg: bytes) -> None:
        if jpeg == bad.id.encode():
            raise InvalidMedia("vision: status 400")

    world = captioning(world, gate)
    one, _ = make(world)
    run_for(world, one, 10, [bad, good])
    failed = get(world, bad)
    assert (failed.state, failed.reason, failed.attempt) == (State.FAILED, Reason.INVALID_MEDIA, 1)
    assert get(world, good).state is State.SUCCEEDED
    assert [row for row in rows(world, "breakers") if row["failures"]] == []


@pytest.mark.parametrize("what", ["vision", "writes", "sink"])
def test_a_refusal_is_charged_and_opens_nothing(what: str, tmp_path: Path) -> None:
    """It is there, and says no: the job's attempts are what it has."""
    world = memory_world(work_folder=str(tmp_path), patience_s=1, **PRODUCTION)
    job = queued(world)

    def gate(*_given: object, **_named: object) -> None:
        raise Rejected("status 403")

    world = gated(world, what, gate)
    one, _ = make(world)
    run_for(world, one, 500, [job])
    failed = get(world, job)
    assert (failed.state, failed.reason) == (State.FAILED, Reason.DEPENDENCY_UNAVAILABLE)
    assert [row for row in rows(world, "breakers") if row["failures"]] == []


def test_a_job_at_which_an_api_chokes_ends_while_others_are_served(tmp_path: Path) -> None:
    """1. it opens the breaker alone, 2. another job's call closes it, 3. it comes again, and is charged."""
    world = memory_world(work_folder=str(tmp_path), slots=1, **PRODUCTION)
    bad = queued(world)

    def gate(jpeg: bytes) -> None:
        if jpeg == bad.id.encode():
            raise Unavailable("vision: answer has no caption")

    world = captioning(world, gate)
    one, _ = make(world)
    good = []
    for _ in range(40):
        good.append(queued(world))
        run_for(world, one, 30)
    run_for(world, one, 120, good)
    ended = get(world, bad)
    assert (ended.state, ended.reason) == (State.FAILED, Reason.DEPENDENCY_UNAVAILABLE)
    assert ended.charged == 3
    assert {get(world, job).state for job in good} == {State.SUCCEEDED}


@pytest.mark.parametrize("before", ["drained", "waited"])
def test_only_what_a_job_did_to_a_dependency_counts_against_it(before: str, tmp_path: Path) -> None:
    """A drain does not, nor a wait while others found it away: the outages behind that are not its fault."""
    settings = {**PRODUCTION, "attempts_max": 1, "drain_grace_s": 0}
    world = memory_world(work_folder=str(tmp_path), slots=1, **settings)
    job = queued(world)
    gate = Gate(world.clock, 0.0)
    world = captioning(world, gate)
    one, runtime = make(world)
    if before == "drained":
        runtime.held = True
        one.step()
        runtime.stopping, runtime.held = True, False
        while not one.done:
            one.step()
        one, _ = make(world, "boot-2")
    else:
        for _ in range(5):
            breakers.fail(world.service.store, "vision", most=5, open_s=30)
        run_for(world, one, 5)
    now = get(world, job)
    assert (now.state, now.attempt, now.charged) == (State.QUEUED, 1, 0)
    gate.away_again(45)
    world.clock.sleep(31)
    breakers.close(world.service.store, "vision")
    run_for(world, one, AWAY_S, [job])
    assert gate.in_vain >= 5, "it was the first to meet the outage"
    assert (get(world, job).state, get(world, job).charged) == (State.SUCCEEDED, 1)


def test_no_job_waits_more_often_than_it_may(tmp_path: Path) -> None:
    """Alone in the world with a dependency that never comes back, it ends all the same."""
    world = memory_world(work_folder=str(tmp_path), waits_max=4, **PRODUCTION)
    job = queued(world)
    world = captioning(world, Gate(world.clock, 10**6))
    one, _ = make(world)
    run_for(world, one, 1200, [job])
    ended = get(world, job)
    assert (ended.state, ended.reason, ended.charged) == (State.FAILED, Reason.DEPENDENCY_UNAVAILABLE, 3)
    assert ended.attempt == 4 + 3


def test_who_waits_fetches_nothing(tmp_path: Path) -> None:
    """The breaker is asked before the source, and a stage that needs no source gets none."""
    world = memory_world(work_folder=str(tmp_path), **PRODUCTION)
    job = queued(world)
    gate = Gate(world.clock)
    world = captioning(world, gate)
    fetched: list[str] = []
    world.objects.get_file = behind(  # type: ignore[method-assign]  # a fake of a fake
        lambda key, *_given, **_named: fetched.append(key), world.objects.get_file
    )
    one, _ = make(world)
    run_for(world, one, AWAY_S)
    waiting = get(world, job)
    assert waiting.attempt > 10
    assert fetched.count(job.upload_key) == 1
    run_for(world, one, BACK_S, [job])
    assert get(world, job).state is State.SUCCEEDED
    assert fetched.count(job.upload_key) == 2, "stitch needs it"


def left_alone(world: MemoryWorld) -> Breaker:
    breaker = Breaker(world.service, "vision")

    def refuse() -> str:
        raise Unavailable("no answer")

    with pytest.raises(Exception, match="left alone"):
        breaker.call(refuse)
    return breaker


def fires(world: MemoryWorld) -> bool:
    alerts.evaluate(world.service)
    newest = {spell.name: spell.state for spell in alerting.newest(world.service.store)}
    return newest["dependency_away"] == "firing"


def test_an_alert_tells_how_long_a_dependency_has_been_left_alone() -> None:
    """Since it was opened, whoever has looked in vain meanwhile; no more once it has answered."""
    world = memory_world(breaker_failures=1, alert_dependency_away_s=300)
    for _ in range(10):
        left_alone(world)
        assert not fires(world)
        world.clock.sleep(30.1)
    left_alone(world)
    assert fires(world)
    world.clock.sleep(30.1)
    Breaker(world.service, "vision").call(lambda: "a picture")
    assert not fires(world)


def test_a_dependency_that_nobody_needs_any_more_is_no_alert() -> None:
    """Nobody asks it again, so nobody will ever close it."""
    world = memory_world(breaker_failures=1, alert_dependency_away_s=1, alert_dependency_within_s=120)
    left_alone(world)
    world.clock.sleep(60)
    assert fires(world)
    world.clock.sleep(100)
    assert not fires(world)


def test_metrics_and_diagnose_tell_which_it_is(capsys: pytest.CaptureFixture[str]) -> None:
    """The gauge is 0 for the others."""
    world = memory_world(breaker_failures=1)
    left_alone(world)
    world.clock.sleep(12)
    shown = world.service.metrics.render(read_figures(world.service)).decode()
    assert 'reference_breaker_open_seconds{dependency="vision"} 12.0' in shown
    assert 'reference_breaker_open_seconds{dependency="sink"} 0.0' in shown
    operations.diagnose(["--json"])(world.service)
    [told] = json.loads(capsys.readouterr().out)["dependencies"]
    assert told == {"dependency": "vision", "is": "left alone", "open_s": 12.0, "failures": 1}
    operations.diagnose([])(world.service)
    assert "dependencies that do not answer: 1" in capsys.readouterr().out
    Breaker(world.service, "vision")
    world.clock.sleep(20)
    Breaker(world.service, "vision").call(lambda: "a picture")
    operations.diagnose([])(world.service)
    assert "dependencies that do not answer: 0" in capsys.readouterr().out
