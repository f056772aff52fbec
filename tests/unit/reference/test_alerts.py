"""Alerts: what each rule measures, who evaluates them, and what is on record."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from reference_service import admission, alerts, recovery_sweep, relay, sweeper, uploads
from reference_service.alerts import RULES
from reference_service.domain import State
from reference_service.fakes import FakeRuntime, MemoryWorld, memory_world
from reference_service.presence import Presence
from reference_service.store import alerting, recovery_runs
from tests.unit.reference.drive import put, rows


def announce(world: MemoryWorld, count: int) -> None:
    for _ in range(count):
        uploads.initiate(world.service, tenant="t", name="v", size_bytes=1)


def fired(world: MemoryWorld) -> set[str]:
    return {spell.name for spell in alerting.newest(world.service.store) if spell.state == "firing"}


def test_a_healthy_service_fires_nothing() -> None:
    """Each rule is on record as quiet after the first evaluation."""
    world = memory_world()
    alerts.evaluate(world.service)
    assert fired(world) == set()
    assert [row["name"] for row in rows(world, "alerts")] == [rule.name for rule in RULES]


def test_uploads_that_do_not_come_fire_above_the_threshold_only() -> None:
    """Older than the window and more than the threshold: five are quiet, six fire."""
    world = memory_world(alert_uploads=5, alert_upload_age_s=300)
    announce(world, 5)
    world.clock.sleep(301)
    alerts.evaluate(world.service)
    assert fired(world) == set()
    announce(world, 1)
    alerts.evaluate(world.service)
    assert fired(world) == set(), "the sixth is young"
    world.clock.sleep(301)
    alerts.evaluate(world.service)
    assert fired(world) == {"uploads_waiting"}


def test_failures_are_those_within_the_window() -> None:
    """They are counted by when they failed, and no more when the window has passed."""
    world = memory_world(alert_failures=0, alert_failures_within_s=60)
    service = world.service
    job = put(world, size_bytes=999)
    with pytest.raises(admission.Refused):
        uploads.complete(service, job)
    assert uploads.find(service, "t", job.id).state is State.FAILED
    alerts.evaluate(service)
    assert fired(world) == {"failures"}
    world.clock.sleep(61)
    alerts.evaluate(service)
    assert fired(world) == set()


def test_orphans_are_those_that_nobody_holds_and_nothing_moves() -> None:
    """A queued job counts once it has not moved for the window."""
    world = memory_world(alert_orphans=0, alert_orphan_age_s=300)
    uploads.complete(world.service, put(world))
    alerts.evaluate(world.service)
    assert fired(world) == set()
    world.clock.sleep(301)
    alerts.evaluate(world.service)
    assert fired(world) == {"orphans"}


def test_a_recovery_that_falls_silent_fires_and_ends_with_the_next_sweep() -> None:
    """From the last sweep by schedule or HTTP, else from the start of whoever was first. An
    operator's own does not count.
    """
    world = memory_world(alert_recovery_silent_s=60)
    Presence(world.service, FakeRuntime(world.clock), "relay").beat_if_due()
    world.clock.sleep(61)
    recovery_sweep.run_once(world.service, trigger="cli")
    alerts.evaluate(world.service)
    assert fired(world) == {"recovery_silent"}
    recovery_sweep.run_once(world.service, trigger="schedule")
    alerts.evaluate(world.service)
    assert fired(world) == set()


def test_a_pause_of_recovery_that_lasts_fires_and_silence_does_not() -> None:
    """What is paused is not silent: one alert for one thing."""
    world = memory_world(alert_recovery_silent_s=60, alert_recovery_paused_s=60)
    Presence(world.service, FakeRuntime(world.clock), "relay").beat_if_due()
    recovery_runs.pause(world.service.store, by="me")
    world.clock.sleep(61)
    alerts.evaluate(world.service)
    assert fired(world) == {"recovery_paused"}
    recovery_runs.resume(world.service.store)
    recovery_sweep.run_once(world.service, trigger="schedule")
    alerts.evaluate(world.service)
    assert fired(world) == set()


def test_a_sweeper_that_falls_silent_fires() -> None:
    """From its last heartbeat; one that never was is counted from the start of whoever was first."""
    world = memory_world(alert_sweeper_silent_s=60)
    Presence(world.service, FakeRuntime(world.clock), "relay").beat_if_due()
    world.clock.sleep(59)
    alerts.evaluate(world.service)
    assert fired(world) == set()
    world.clock.sleep(2)
    alerts.evaluate(world.service)
    assert fired(world) == {"sweeper_silent"}
    Presence(world.service, FakeRuntime(world.clock, "boot-2"), "sweeper").beat_if_due()
    alerts.evaluate(world.service)
    assert fired(world) == set()


def test_only_changes_are_new_rows() -> None:
    """What stays as it is keeps its row, with the newest value and when it was looked at."""
    world = memory_world(alert_uploads=0, alert_upload_age_s=10)
    alerts.evaluate(world.service)
    announce(world, 1)
    world.clock.sleep(11)
    assert [spell.name for spell in alerts.evaluate(world.service)] == ["uploads_waiting"]
    announce(world, 1)
    world.clock.sleep(11)
    assert alerts.evaluate(world.service) == []
    found = [row for row in rows(world, "alerts") if row["name"] == "uploads_waiting"]
    assert [(row["number"], row["state"], row["value"]) for row in found] == [
        (1, "quiet", 0),
        (2, "firing", 2),
    ]
    assert found[1]["evaluated_at"] == world.clock.now()


def test_of_two_who_see_the_same_change_one_records_it() -> None:
    """1. both read that it was quiet, 2. one writes that it fires, 3. the other's insert meets its number."""
    world = memory_world()
    alerts.evaluate(world.service)
    before = {spell.name: spell for spell in alerting.newest(world.service.store)}["orphans"]

    def note() -> object:
        return world.database.run(lambda c: alerting.note(c, before, "orphans", (9.0, 5.0), now=1.0))

    assert note() is not None
    assert note() is None


def rounds(world: MemoryWorld, count: int) -> FakeRuntime:
    runtime = FakeRuntime(world.clock)
    waits: list[float] = []

    def wait(timeout_s: float) -> None:
        waits.append(timeout_s)
        world.clock.sleep(timeout_s)
        runtime.stopping = len(waits) == count

    runtime.wait = wait  # type: ignore[method-assign]  # of this one fake
    return runtime


@pytest.mark.parametrize(
    ("off", "by"),
    [([], "relay"), (["alerts"], None), (["alerts_from_outside"], "sweeper")],
)
def test_who_evaluates(off: list[str], by: str | None) -> None:
    """The relay; without `alerts` nobody; without `alerts_from_outside` the sweeper itself."""
    for role, loop in (("relay", relay.loop), ("sweeper", sweeper.loop)):
        world = memory_world(
            alerts_every_s=1, relay_every_s=0.5, sweep_every_s=0.5, defences_off=",".join(off)
        )
        loop(world.service, rounds(world, 5))
        assert bool(rows(world, "alerts")) is (role == by), role


def test_the_report_measures_now_and_says_what_is_on_record() -> None:
    """Before anybody has evaluated, the state is unknown, and the value is known all the same."""
    world = memory_world(alert_uploads=0, alert_upload_age_s=10)
    announce(world, 2)
    world.clock.sleep(11)
    first = alerts.report(world.service)["alerts"][0]
    assert (first["alert"], first["state"], first["value"]) == ("uploads_waiting", None, 2)
    alerts.evaluate(world.service)
    told = alerts.report(world.service)
    assert told["alerts"][0]["state"] == "firing"
    assert {"alert": "uploads_waiting", "state": "firing", "value": 2, "at": world.clock.now()} in told[
        "changes"
    ]


def test_the_distribution_counts_every_state() -> None:
    """Those without a job, too; with the age of the oldest, and what waits to be sent."""
    world = memory_world()
    announce(world, 2)
    uploads.complete(world.service, put(world))
    world.clock.sleep(7)
    told = alerting.distribution(world.service.store)
    assert told["states"]["awaiting_upload"] == {"jobs": 2, "oldest_s": 7.0, "unmoved_s": 7.0}
    assert told["states"]["queued"]["jobs"] == 1
    assert told["states"]["failed"] == {"jobs": 0, "oldest_s": None, "unmoved_s": None}
    assert (set(told["states"]), told["outbox"]) == ({state.value for state in State}, 1)


def test_who_is_held_up_between_measuring_and_recording_overrules_nobody(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """1. a relay measures too much and freezes, 2. it ends, and another relay says so, 3. the first wakes."""
    world = memory_world(alert_uploads=0, alert_upload_age_s=300)
    announce(world, 1)
    world.clock.sleep(301)
    alerts.evaluate(world.service)
    assert fired(world) == {"uploads_waiting"}
    measure = alerting.measure

    def frozen(*given: Any) -> Mapping[str, float]:
        monkeypatch.setattr(alerting, "measure", measure)
        found = measure(*given)
        world.clock.sleep(world.service.settings.upload_deadline_s)
        sweeper.run_once(world.service)
        alerts.evaluate(world.service)
        assert fired(world) == set()
        return found

    monkeypatch.setattr(alerting, "measure", frozen)
    alerts.evaluate(world.service)
    assert fired(world) == set()
