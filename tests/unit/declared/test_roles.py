"""Processes of a target: commands, environments, and what may not reach them."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.unit.declared.test_reading import GOOD, write
from unstuck.errors import TargetError
from unstuck.scenario import RoleOptions, Scenario
from unstuck.targets.declared.file import Variant
from unstuck.targets.declared.reading import load_target
from unstuck.targets.declared.roles import Surroundings, python_of, replicas, spec_of, timings_of, variants_of
from unstuck.worlds.port import ProcessSpec

MORE = """
settings: {lease_s: {value: 60, variable: LEASE}}
configurations:
  fast: {settings: {lease_s: 5}, environment: {MODE: fast}, timings: {lease_s: 5}}
timings: {job_s: 1, lease_s: 60}
"""


def scenario(**changes: Any) -> Scenario:
    return replace(Scenario(name="s", summary="", workload=(), faults=(), expect={}), **changes)


def spec(
    tmp_path: Path,
    text: str = GOOD + MORE,
    *,
    configuration: str | None = None,
    given: Scenario | None = None,
    allowed: tuple[str, ...] = (),
    limits: bool = True,
) -> ProcessSpec:
    file = load_target(write(tmp_path, text), allowed)
    around = Surroundings(
        target=file,
        scenario=given or scenario(),
        variants=variants_of(file, configuration, ()),
        ledger={"UNSTUCK_LEDGER_URL": "http://127.0.0.1:1/ledger"},
        folder=tmp_path / "run",
        scratch=tmp_path / "scratch",
    )
    values: Mapping[str, str] = {"broker": "127.0.0.1:7"}
    return spec_of(
        file.roles["worker"],
        "worker-1",
        around,
        port=9,
        value_of=values.__getitem__,
        world_limits_memory=limits,
    )


def test_a_process_is_complete(tmp_path: Path) -> None:
    """Command and environment are filled in; the ledger and its own name are there."""
    one = spec(tmp_path)
    assert one.command == ("worker", "worker-1")
    assert one.environment["URL"] == "redis://127.0.0.1:7/0"
    assert one.environment["LEASE"] == "60"
    assert one.environment["UNSTUCK_PROCESS"] == "worker-1"
    assert one.environment["UNSTUCK_LEDGER_URL"] == "http://127.0.0.1:1/ledger"
    assert one.folder == str(tmp_path)


def test_a_configuration_and_a_scenario_change_it(tmp_path: Path) -> None:
    """The scenario has the last word on settings, a role's own before those of all."""
    assert spec(tmp_path, configuration="fast").environment["LEASE"] == "5"
    assert spec(tmp_path, configuration="fast").environment["MODE"] == "fast"
    given = scenario(settings={"lease_s": 7})
    assert spec(tmp_path, configuration="fast", given=given).environment["LEASE"] == "7"
    given = scenario(settings={"lease_s": 7}, roles={"worker": RoleOptions(settings={"lease_s": 8})})
    assert spec(tmp_path, given=given).environment["LEASE"] == "8"


def test_the_users_own_brokers_do_not_reach_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Unless the file passes one on; an address elsewhere needs its two yeses even then."""
    monkeypatch.setenv("REDIS_URL", "redis://localhost:6379")
    monkeypatch.setenv("SHOP_DATABASE_URL", "postgres://prod.example/shop")
    monkeypatch.setenv("SHOP_COLOUR", "green")
    environment = spec(tmp_path).environment
    assert "REDIS_URL" not in environment
    assert "SHOP_DATABASE_URL" not in environment
    assert environment["SHOP_COLOUR"] == "green"
    assert (
        spec(tmp_path, GOOD + "inherit: [REDIS_URL]\n").environment["REDIS_URL"] == "redis://localhost:6379"
    )
    passed_on = GOOD + "inherit: [SHOP_DATABASE_URL]\n"
    with pytest.raises(TargetError, match=r"SHOP_DATABASE_URL: 'prod\.example' is not this machine"):
        spec(tmp_path, passed_on)
    both = spec(tmp_path, passed_on + "allow_hosts: [prod.example]\n", allowed=("prod.example",))
    assert both.environment["SHOP_DATABASE_URL"] == "postgres://prod.example/shop"


def test_temporary_files_go_with_the_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Into a folder of the run that is there; unless the file says otherwise."""
    monkeypatch.setenv("TMPDIR", "/their/own")
    told = Path(spec(tmp_path).environment["TMPDIR"])
    assert told.is_relative_to(tmp_path / "scratch")
    assert told.is_dir()
    assert spec(tmp_path, GOOD + "inherit: [TMPDIR]\n").environment["TMPDIR"] == "/their/own"
    assert (
        spec(tmp_path, GOOD + MORE.replace("MODE: fast", "TMPDIR: /named"), configuration="fast").environment[
            "TMPDIR"
        ]
        == "/named"
    )


def test_a_scenario_cannot_lead_it_elsewhere(tmp_path: Path) -> None:
    """A setting that becomes an address is looked at once it is filled in."""
    text = GOOD + "settings: {cache: {value: localhost, variable: CACHE_HOST}}\n"
    with pytest.raises(TargetError, match="CACHE_HOST: 'prod' is not this machine"):
        spec(tmp_path, text, given=scenario(settings={"cache": "prod"}))


def test_what_it_lacks_is_told(tmp_path: Path) -> None:
    """Its folder, and a limit on memory that cannot be made here."""
    text = GOOD.replace("    ready: ready", "    ready: ready\n    folder: nowhere")
    with pytest.raises(TargetError, match="role 'worker': folder='nowhere' is not there"):
        spec(tmp_path, text)
    text = GOOD.replace("    ready: ready", "    ready: ready\n    memory_limit_mib: 100")
    with pytest.raises(TargetError, match="memory_limit_mib=100 needs a memory cgroup"):
        spec(tmp_path, text, limits=False)


def test_small_choices(tmp_path: Path) -> None:
    """The target's Python, how many there are, the times in force, a configuration that is not there."""
    file = load_target(write(tmp_path, GOOD + MORE))
    assert python_of(file) == sys.executable
    assert python_of(replace(file, python=".venv/bin/python")) == str(tmp_path / ".venv/bin/python")
    assert python_of(replace(file, python="python3.12")) == "python3.12"
    assert replicas(file.roles["worker"], scenario(roles={"worker": RoleOptions(replicas=3)})) == 3
    assert replicas(file.roles["worker"], scenario()) == 1
    assert timings_of(file, variants_of(file, "fast", ())).lease_s == 5
    assert timings_of(file, (Variant(),)).lease_s == 60
    with pytest.raises(TargetError, match=r"has no configuration 'fats'\. Did you mean 'fast'"):
        variants_of(file, "fats", ())
