"""The processes of the reference service, and what a scenario may say of them."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pytest

from reference_service.settings import Settings
from tests.unit.runner.stage import scenario
from unstuck.scenario import RoleOptions, Scenario
from unstuck.targets.reference import catalogue, roles
from unstuck.targets.reference.names import OURS
from unstuck.targets.reference.observer import tag_of
from unstuck.targets.reference.places import Places
from unstuck.worlds.port import ProcessSpec

PLACES = Places(
    database="run1",
    database_host="127.0.0.1",
    database_port=5432,
    bucket="unstuck-run1",
    jobs_queue="run1-jobs",
    uploads_queue="run1-uploads",
    jobs_queue_url="http://queue",
)


def changed(**changes: Any) -> Scenario:
    base = scenario()
    return Scenario(
        **{name: getattr(base, name) for name in ("name", "summary", "workload", "faults", "expect")},
        **changes,
    )


def made(role: str = "worker", *, of: Scenario | None = None, **given: Any) -> ProcessSpec:
    reached = {name: ("127.0.0.1", 9000 + n) for n, name in enumerate(roles.REACHES[role])}
    values: dict[str, Any] = {
        "scenario": of or scenario(),
        "places": PLACES,
        "addresses": roles.Addresses(of=reached),
        "port": 8000,
        "public_objects": "http://127.0.0.1:4566",
        "points": None,
        "defences_off": (),
        "folder": Path("/run"),
        "scratch": Path("/scratch"),
        **given,
    }
    return roles.spec(f"{role}-1", role, **values)


def test_a_process_reaches_its_dependencies_through_links_of_its_own() -> None:
    """What it does not reach has an address where nobody listens."""
    worker, relay = made("worker").environment, made("relay").environment
    assert worker["REFERENCE_DATABASE_URL"] == "postgresql+psycopg://postgres@127.0.0.1:9000/run1"
    assert worker["REFERENCE_SINK_URL"] == "http://127.0.0.1:9004"
    assert relay["REFERENCE_SINK_URL"] == "http://127.0.0.1:9"
    assert made("vision").environment["REFERENCE_DATABASE_URL"].endswith("127.0.0.1:5432/run1")


@pytest.mark.parametrize("role", roles.REPLICAS)
def test_every_role_accepts_its_environment(role: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The service's own settings take every word of it."""
    for name, value in made(role, defences_off=("fencing",)).environment.items():
        monkeypatch.setenv(name, value)
    settings = Settings()  # type: ignore[call-arg]  # the environment has the rest
    assert settings.instance == f"{role}-1"
    assert settings.api_host == "127.0.0.1"
    assert {str(one) for one in settings.defences_off} == {"fencing"}


def test_settings_are_the_target_s_then_the_scenario_s_then_the_role_s() -> None:
    """The nearest word counts; booleans as settings are written, text as it is."""
    of = changed(
        settings={"lease_s": 9.5, "slots": 1, "flag": True, "text": "MiXed"},
        roles={"worker": RoleOptions(settings={"slots": 4})},
    )
    environment = made(of=of).environment
    assert environment["REFERENCE_LEASE_S"] == "9.5"
    assert environment["REFERENCE_SLOTS"] == "4"
    assert environment["REFERENCE_FLAG"] == "true"
    assert environment["REFERENCE_TEXT"] == "MiXed"
    assert environment["REFERENCE_SWEEP_EVERY_S"] == "0.5"


def test_only_a_variant_is_unsafe() -> None:
    """With every defence on nothing is said of them."""
    assert "REFERENCE_ALLOW_UNSAFE" not in made().environment
    off = made(defences_off=("fencing", "outbox")).environment
    assert (off["REFERENCE_DEFENCES_OFF"], off["REFERENCE_ALLOW_UNSAFE"]) == ("fencing,outbox", "1")


def test_test_points_are_there_when_somebody_watches() -> None:
    """A run without places has a service without points."""
    assert "REFERENCE_TESTPOINTS" not in made().environment
    assert made(points="127.0.0.1:7").environment["REFERENCE_TESTPOINTS"] == "127.0.0.1:7"


def test_readiness_is_asked_of_the_api_and_read_of_the_others() -> None:
    """HTTP where there is a server, a line of the log where there is none."""
    assert (made("api").ready_url, made("api").ready_line) == ("http://127.0.0.1:8000/readyz", None)
    assert (made().ready_url, made().ready_line) == (None, "ready")


@pytest.mark.parametrize("by_world", [True, False])
def test_memory_is_limited_by_the_world_or_by_the_service_itself(by_world: bool) -> None:
    """Without memory groups the service limits its children, which is another fault and labelled so."""
    of = changed(roles={"worker": RoleOptions(memory_limit_mib=512)})
    spec = made(of=of, world_limits_memory=by_world)
    assert spec.memory_limit_bytes == 512 * 1024**2
    assert spec.memory_limited_by == ("world" if by_world else "service")
    assert ("REFERENCE_MEMORY_LIMIT_BYTES" in spec.environment) is not by_world
    assert (spec.entry, spec.command) == (roles.ENTRY, None), "each world knows how to execute an entry"
    assert made(world_limits_memory=by_world).memory_limit_bytes is None


def test_alerts_that_are_judged_have_time_to_be_evaluated() -> None:
    """One that must end does so a while after the last job; elsewhere the final look waits for a moment."""
    judged = dataclasses.replace(scenario(), expect={"alerts": {"ends": ["dependency_away"]}})
    assert roles.quiet_within_s(changed()) == roles.QUIET_WITHIN_S
    least_s = roles.QUIET_WITHIN_S + roles.RELAY_RESTS_S
    assert roles.quiet_within_s(judged) == least_s + 4 * 15, "the service's default"
    often = dataclasses.replace(judged, settings={"alerts_every_s": 0.5})
    assert roles.quiet_within_s(often) == least_s + 2
    two = dataclasses.replace(often, roles={"relay": RoleOptions(replicas=2)})
    assert roles.evaluators(two) == 2
    assert roles.quiet_within_s(two) == least_s + 3


def test_another_version_is_executed_from_its_own_folder() -> None:
    """A fork would run the code that is loaded already."""
    old = made(version="abc", version_path=Path("/old"))
    assert old.entry is None
    assert old.command is not None
    assert list(old.command)[1:] == ["-P", "-m", "reference_service", "worker"]
    assert (old.environment["PYTHONPATH"], old.version) == ("/old", "abc")
    assert (made().entry, made().argv, made().version) == (roles.ENTRY, ("worker",), "current")


def test_a_run_starts_with_as_many_processes_as_its_scenario_says() -> None:
    """In the order of the roles, numbered from 1; none when it says none."""
    usual = [name for name, _ in roles.names(scenario())]
    assert usual == ["vision-1", "api-1", "worker-1", "worker-2", "sweeper-1", "relay-1"]
    of = changed(roles={"worker": RoleOptions(replicas=0), "api": RoleOptions(replicas=2)})
    assert [name for name, _ in roles.names(of)] == ["vision-1", "api-1", "api-2", "sweeper-1", "relay-1"]


def test_what_the_harness_gives_a_scenario_may_not_say() -> None:
    """Its word would be lost, or open a port to others; all else of the service may be set."""
    with_points = made(points="127.0.0.1:7", defences_off=("fencing",)).environment
    given = {name.removeprefix("REFERENCE_").lower() for name in with_points}
    assert given - set(roles.SETTINGS) <= OURS
    assert set(Settings.model_fields) >= OURS
    settings = catalogue().settings
    assert not OURS & set(settings)
    assert {"lease_s", "slots", "attempts_max"} <= set(settings)


def test_names_are_those_of_the_service() -> None:
    """Links are `role.dependency`, points and stages the service's own."""
    names = catalogue()
    assert "worker.sink" in names.links
    assert "relay.sink" not in names.links
    assert "worker.stage.started" in names.points
    assert names.settings["lease_s"] is float
    assert names.settings["slots"] is int
    assert names.roles == set(roles.REPLICAS)


@pytest.mark.parametrize(("name", "tag"), [("big/c-01", "big"), ("big", "big"), ("a/b/c", "a"), ("", "")])
def test_a_job_s_tag_is_the_first_part_of_its_name(name: str, tag: str) -> None:
    """So that a fault can select it from the first moment on."""
    assert tag_of(name) == tag
