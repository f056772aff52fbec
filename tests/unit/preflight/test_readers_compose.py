"""Compose files."""

from __future__ import annotations

from typing import Any

import pytest

from tests.unit.preflight.manifests import workload, workloads
from unstuck.preflight.model import Kind
from unstuck.preflight.readers.compose import fill_in


def one(lines: str) -> Any:
    """The service `worker` with these lines."""
    body = "".join(f"    {line}\n" for line in lines.splitlines())
    return workload("compose.yaml", f"services:\n  worker:\n    image: video\n{body}")


def test_every_value_has_its_line() -> None:
    """Where its key stands; a default where its service begins."""
    found = one("stop_grace_period: 1m30s\nmem_limit: 512m\nstop_signal: QUIT\nrestart: always\ninit: true")
    assert (found.line, found.grace_s.value, found.grace_s.line) == (2, 90, 4)
    assert (found.memory_limit_mib.value, found.memory_limit_mib.line) == (512, 5)
    assert (found.stop_signal.value, found.stop_signal.line) == ("SIGQUIT", 6)
    assert (found.restart.value, found.restart.line) == ("always", 7)
    assert (found.init.value, found.init.line) == (True, 8)
    bare = one("")
    assert (bare.grace_s.value, bare.grace_s.line, bare.grace_s.default) == (10, 2, True)
    assert bare.memory_limit_mib is None
    assert bare.stop_signal is None
    assert bare.restart.value == "no"
    assert bare.init.value is False


def test_the_deploy_section_counts() -> None:
    """Limits, replicas and the restart policy of Swarm's spelling."""
    found = one(
        "deploy:\n  replicas: 3\n  resources: {limits: {memory: 1g}}\n"
        "  restart_policy: {condition: on-failure}"
    )
    assert found.memory_limit_mib.value == 1024
    assert found.replicas.value == 3
    assert found.restart.value == "on-failure"
    assert one("deploy: {restart_policy: {condition: none}}").restart.value == "no"
    assert one("deploy: {restart_policy: {delay: 5s}}").restart.value == "always"
    assert one("scale: 2").replicas.value == 2


@pytest.mark.parametrize(
    ("text", "filled"),
    [
        ("10s", "10s"),
        ("${GRACE:-20s}", "20s"),
        ("${GRACE-20s}", "20s"),
        ("${GRACE}", None),
        ("$GRACE", None),
        ("a$$b", "a$b"),
        ("${A:?no}", None),
        (None, None),
        ("${A:-1}${B}", None),
        ("${A:-}x", "x"),
    ],
)
def test_variables_are_filled_in_where_they_have_a_default(text: str | None, filled: str | None) -> None:
    """What depends on the machine is not known."""
    assert fill_in(text) == filled


def test_a_command_is_split_and_no_shell_is_put_around_it() -> None:
    """Entry point and command together, as a list or as a line."""
    found = one("entrypoint: [tini, --]\ncommand: python -m 'video worker'")
    assert found.entry.words == ("tini", "--", "python", "-m", "video worker")
    assert found.entry.line == 4
    assert not found.entry.in_shell
    assert one("command:").entry is None


def test_the_environment_is_a_mapping_or_a_list() -> None:
    """What has no value is taken from elsewhere."""
    as_mapping = one("environment: {A: 1, B: null, C: '${X}'}").environment
    as_list = one("environment:\n  - A=1\n  - B\n  - C=${X}").environment
    for found in (as_mapping, as_list):
        assert {name: setting.value for name, setting in found.items()} == {"A": "1", "B": None, "C": None}
    assert as_list["A"].line == 5


def test_what_is_inherited_is_not_known() -> None:
    """`extends` may say what is not said here; it is no default."""
    found = one("extends: {file: base.yaml, service: worker}")
    for setting in (found.grace_s, found.memory_limit_mib, found.restart, found.init):
        assert setting.value is None


def test_what_others_wait_for_ends() -> None:
    """A service that must complete is a job, and a database is a dependency unless it is built here."""
    found = workloads(
        "docker-compose.yml",
        "services:\n"
        "  prepare: {image: video}\n"
        "  db: {image: 'postgres:17'}\n"
        "  own: {image: postgres, build: .}\n"
        "  api: {image: video, ports: ['80:80'],\n"
        "    depends_on: {prepare: {condition: service_completed_successfully}}}\n",
    )
    assert {name: one.kind for name, one in found.items()} == {
        "prepare": Kind.JOB,
        "db": Kind.DEPENDENCY,
        "own": Kind.SERVICE,
        "api": Kind.SERVICE,
    }
    assert found["prepare"].restart is None


def test_a_value_that_cannot_be_read_is_said_but_not_known() -> None:
    """It does not become the default."""
    found = one("stop_grace_period: soon\nmem_limit: ${LIMIT}\nstop_signal: ${SIGNAL}\nrestart: ${POLICY}")
    for setting in (found.grace_s, found.memory_limit_mib, found.stop_signal, found.restart):
        assert setting is not None
        assert setting.value is None
        assert not setting.default
