"""Where a running system is: who says so, what is no address, and what is not this machine."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from unstuck.errors import TargetError, UsageError
from unstuck.stuck.places import find_places
from unstuck.targets.declared.file import TargetFile
from unstuck.targets.declared.reading import load_target

FILE = """\
name: shop
dependencies:
  broker: {kind: redis}
  store: {kind: postgres, database: shop}
environment:
  REDIS_URL: "{broker.url}"
roles:
  api: {command: [api, "{port}"], ready: {port: true}}
submit: {command: [submit]}
observe:
  sources:
    - {sql: "select id as job, state from orders"}
"""


@pytest.fixture
def file(tmp_path: Path) -> TargetFile:
    path = tmp_path / "unstuck.yaml"
    path.write_text(FILE, encoding="utf-8")
    return load_target(path)


def test_the_variable_that_roles_get_says_where_it_is(file: TargetFile) -> None:
    """The file itself names it: `REDIS_URL: "{broker.url}"`."""
    places = find_places(file, {}, {"REDIS_URL": "redis://:secret@localhost:7000/2"})
    assert places["broker"].address == ("localhost", 7000)
    assert places["broker"].login() == {"password": "secret"}
    assert places["broker"].value("database") == "2"
    assert "store" not in places


def test_the_command_line_beats_the_file_and_the_file_the_variable(file: TargetFile) -> None:
    """In that order."""
    named = replace(file, running={"broker": "127.0.0.1:2", "store": "$STORE"})
    environment = {"REDIS_URL": "redis://127.0.0.1:1", "STORE": "postgresql+psycopg://me@127.0.0.1/shop"}
    places = find_places(named, {}, environment)
    assert places["broker"].port == 2
    assert (places["store"].port, places["store"].login()) == (5432, {"user": "me"})
    assert find_places(named, {"broker": "127.0.0.1:3"}, environment)["broker"].url == "redis://127.0.0.1:3"


def test_a_password_is_not_shown(file: TargetFile) -> None:
    """What is printed for people says host, port and database alone."""
    place = find_places(file, {"store": "postgresql://me:secret@127.0.0.1:5433/shop"}, {})["store"]
    assert place.shown() == "store at 127.0.0.1:5433/shop (--at)"


@pytest.mark.parametrize("address", ["redis://127.0.0.1:no", "sqlite:///shop.db", "://"])
def test_what_is_no_address_is_refused(file: TargetFile, address: str) -> None:
    """With what to write instead."""
    with pytest.raises(UsageError, match="is no address of a server"):
        find_places(file, {"broker": address}, {})


def test_a_name_that_the_file_lacks_is_refused(file: TargetFile) -> None:
    """With what was meant."""
    with pytest.raises(UsageError, match="Did you mean 'broker'"):
        find_places(file, {"brokr": "127.0.0.1:1"}, {})


@pytest.mark.parametrize("address", ["redis://cache.internal:6379", "cache.internal:6379"])
def test_a_host_off_this_machine_takes_two_yeses(file: TargetFile, address: str) -> None:
    """The file has to name it, and the command line has to allow it."""
    with pytest.raises(TargetError, match=r"name it in allow_hosts.*--allow-host cache.internal"):
        find_places(file, {"broker": address}, {})
    named = replace(file, allow_hosts=frozenset({"cache.internal"}))
    with pytest.raises(TargetError, match="If it is meant, allow it with --allow-host"):
        find_places(named, {}, {"REDIS_URL": "redis://cache.internal:6379"})
    allowed = replace(named, hosts_allowed=frozenset({"cache.internal"}))
    assert find_places(allowed, {"broker": "cache.internal:6379"}, {})["broker"].host == "cache.internal"
