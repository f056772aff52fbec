"""The schedule, and the process that keeps it."""

from __future__ import annotations

from typing import Any

import pytest

from reference_service import alerts, scheduler
from reference_service.fakes import FakeRuntime, MemoryWorld, memory_world
from reference_service.ports import Unavailable
from reference_service.scheduler import Schedule
from reference_service.settings import BadSettings, read_settings
from reference_service.store import recovery_runs
from tests.unit.reference.drive import rows

QUARTER = 1_700_000_100.0  # 22:15:00 UTC


def test_a_time_comes_once() -> None:
    """On the quarter of the hour, and not again before the next."""
    schedule = Schedule("*/15 * * * *", QUARTER - 10)
    assert [schedule.has_come(QUARTER + after) for after in (-1, 0, 1, 899, 900)] == [
        False, True, False, False, True,
    ]  # fmt: skip
    assert schedule.in_s(QUARTER + 900) == 900


def test_times_that_were_missed_are_one() -> None:
    """A process that was frozen for an hour sweeps once."""
    schedule = Schedule("*/15 * * * *", QUARTER - 10)
    assert [schedule.has_come(QUARTER + 3600 + after) for after in (1, 2)] == [True, False]


def test_a_clock_that_is_set_back_does_not_stop_the_schedule() -> None:
    """It neither repeats a time at once nor waits until the clock is where it was."""
    schedule = Schedule("*/15 * * * *", QUARTER - 10)
    assert schedule.has_come(QUARTER)
    assert not schedule.has_come(QUARTER - 7200)
    assert schedule.has_come(QUARTER - 6300)


def test_six_fields_have_seconds_last() -> None:
    """As croniter reads them."""
    assert Schedule("* * * * * */2", QUARTER).in_s(QUARTER) == 2


def test_a_bad_expression_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    """Before anything starts."""
    monkeypatch.setenv("REFERENCE_DATABASE_URL", "sqlite://")
    monkeypatch.setenv("REFERENCE_SINK_URL", "http://sink")
    monkeypatch.setenv("REFERENCE_RECOVERY_SCHEDULE", "every 15 minutes")
    with pytest.raises(BadSettings, match=r"RECOVERY_SCHEDULE='every 15 minutes': .*no cron expression"):
        read_settings()


def live(world: MemoryWorld, for_s: float) -> None:
    """One life of a scheduler."""
    runtime = FakeRuntime(world.clock)
    until = world.clock.now() + for_s
    wait = runtime.wait

    def waiting(timeout_s: float) -> None:
        wait(timeout_s)
        runtime.stopping = world.clock.now() >= until

    runtime.wait = waiting  # type: ignore[method-assign]  # so that it ends
    scheduler.loop(world.service, runtime)


def test_it_sweeps_by_its_schedule() -> None:
    """Four times an hour, each on record."""
    world = memory_world(heartbeat_s=30, lease_s=60)
    live(world, 3600)
    assert {row["trigger"] for row in rows(world, "recovery_runs")} == {"schedule"}
    assert len(rows(world, "recovery_runs")) == 4


def test_without_the_defence_it_never_does() -> None:
    """`recovery_sweep` off."""
    world = memory_world(heartbeat_s=30, lease_s=60, defences_off="recovery_sweep")
    live(world, 3600)
    assert rows(world, "recovery_runs") == []


def test_a_scheduler_that_was_away_makes_up_for_it_at_once() -> None:
    """One that is restarted more often than it sweeps would never come to it."""
    world = memory_world(heartbeat_s=30, lease_s=60)
    live(world, 1000)
    before = len(rows(world, "recovery_runs"))
    world.clock.advance(1000)
    live(world, 2)
    assert len(rows(world, "recovery_runs")) == before + 1


def test_a_time_at_which_the_database_is_away_is_made_up_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """When it is back, not at the next quarter of the hour."""
    world = memory_world(heartbeat_s=30, lease_s=60)
    begin, tries = recovery_runs.begin, []

    def away_at_first(*given: Any, **named: Any) -> recovery_runs.Grant:
        tries.append(world.clock.now())
        if len(tries) == 1:
            raise Unavailable("database: away")
        return begin(*given, **named)

    monkeypatch.setattr(recovery_runs, "begin", away_at_first)
    live(world, 1000)
    assert (len(tries), tries[1] - tries[0] < 5) == (2, True)
    assert len(rows(world, "recovery_runs")) == 1


def test_a_sweep_that_was_due_in_a_pause_comes_with_its_end(caplog: pytest.LogCaptureFixture) -> None:
    """Nobody is told meanwhile that the sweep is silent: it was paused for long, and went on at once."""
    world = memory_world(heartbeat_s=30, lease_s=60)
    live(world, 1000)
    [first] = rows(world, "recovery_runs")
    recovery_runs.pause(world.service.store, by="me")
    world.clock.advance(3600)
    caplog.set_level("INFO")
    runtime, looks = FakeRuntime(world.clock), 0

    def waiting(timeout_s: float) -> None:
        nonlocal looks
        world.clock.advance(timeout_s)
        looks += 1
        if looks == 20:
            recovery_runs.resume(world.service.store)
        runtime.stopping = looks == 25

    runtime.wait = waiting  # type: ignore[method-assign]  # so that it ends
    scheduler.loop(world.service, runtime)
    assert len(rows(world, "recovery_runs")) == 2
    assert alerts.values(world.service)["recovery_silent"] < 10
    assert first["state"] == "done"
    assert caplog.text.count("no recovery run now") == 1, "once is enough for one pause"


def test_a_pause_outlives_the_process_that_saw_it() -> None:
    """Unless `recovery_pause_persistence` is off: then a restart forgets it."""
    for off, swept in (("", 0), ("recovery_pause_persistence", 3)):
        world = memory_world(heartbeat_s=30, lease_s=60, defences_off=off)
        recovery_runs.pause(world.service.store, by="me")
        live(world, 1000)
        assert rows(world, "recovery_runs") == []
        live(world, 3600)
        assert len(rows(world, "recovery_runs")) == swept, off
