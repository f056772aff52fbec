"""What a process that forks roles does beforehand, and that roles take it as if they had made it."""

from __future__ import annotations

import os
import socket
from types import SimpleNamespace
from typing import Any, cast

import pytest
from sqlalchemy.engine import Engine
from sqlalchemy.engine.interfaces import CacheStats

from reference_service import api, app, aws
from reference_service.aws import AwsAccess, OwnClient
from reference_service.clock import SystemClock
from reference_service.objects import S3Objects
from reference_service.settings import GivenSettings
from reference_service.store import SqlDatabase, database, events, schema, warming, work

POOL_SIZE = 3


def access(endpoint: str | None) -> AwsAccess:
    return AwsAccess(endpoint=endpoint, region="us-east-1", key_id="id", secret="secret")


@pytest.fixture(autouse=True)
def _nothing_ready(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(aws, "_ready", {})
    monkeypatch.setattr(api, "_ready", [])
    monkeypatch.setattr(database, "_ready", {})


def test_a_client_that_is_ready_asks_the_endpoint_of_who_takes_it() -> None:
    """Two takers, two endpoints; each signs for its own."""
    aws.warm_up(access(None), {}, each=2)
    ports = (4001, 4002)
    objects = [S3Objects("bucket", access(f"http://127.0.0.1:{port}")) for port in ports]
    for port, one in zip(ports, objects, strict=True):
        assert one.presign_put("a/key", expires_s=60).startswith(f"http://127.0.0.1:{port}/bucket/a/key?")


def test_a_ready_client_is_taken_once() -> None:
    """The next one is made, and is as good."""
    aws.warm_up(access(None), {}, each=1)
    taken: list[Any] = [OwnClient[Any]("sqs", access("http://127.0.0.1:4001")).own() for _ in range(2)]
    assert taken[0] is not taken[1]
    assert [client.meta.endpoint_url for client in taken] == [aws.NOWHERE, "http://127.0.0.1:4001"]


@pytest.mark.parametrize(
    "other",
    [
        AwsAccess(endpoint="http://127.0.0.1:4001", region="eu-west-1", key_id="id", secret="secret"),
        AwsAccess(endpoint="http://127.0.0.1:4001", region="us-east-1", key_id="other", secret="secret"),
        AwsAccess(endpoint=None, region="us-east-1", key_id="id", secret="secret"),
    ],
    ids=["region", "key", "aws-itself"],
)
def test_a_client_of_another_kind_is_made(other: AwsAccess) -> None:
    """What is ready differs in its endpoint only; AWS itself has none to give."""
    aws.warm_up(access(None), {}, each=1)
    client = OwnClient[Any]("s3", other).own()
    assert client.meta.endpoint_url != aws.NOWHERE
    assert client.meta.region_name == other.region


def test_every_kind_of_statement_is_compiled_beforehand() -> None:
    """Those that stand by themselves, and those with a fence and without."""
    found = {id(one) for one in warming.statements()}
    assert {*map(id, work.CLAIM.values()), *map(id, work.FINISH.values())} <= found


def test_a_statement_that_is_ready_is_not_compiled_again() -> None:
    """What an engine has compiled before a server was known serves the calls of whoever takes it."""
    engine = database.make_ready(POOL_SIZE)
    warming._compile_all(engine)
    taken = SqlDatabase("postgresql://x@127.0.0.1/x", SystemClock(), pool_size=POOL_SIZE)._own_engine()
    assert taken is engine
    for statement, names in (
        (events.REGISTER, events.REGISTERED),
        (events.BEAT, ("b_instance", "b_boot", "b_memory", "b_budget")),
        (schema.CURRENT, ()),
    ):
        *_, found = statement._compile_w_cache(
            taken.dialect, compiled_cache=taken._compiled_cache, column_keys=sorted(names)
        )
        assert found is CacheStats.CACHE_HIT


def test_a_warm_up_leaves_one_engine() -> None:
    """For the first who comes; the next one's is made, and is as good."""
    warming.warm_up(SystemClock(), (POOL_SIZE,), rehearsals=1)
    [(size, ready)] = database._ready.items()
    assert size == POOL_SIZE
    first, second = (
        SqlDatabase("postgresql://x@127.0.0.1/x", SystemClock(), pool_size=POOL_SIZE)._own_engine()
        for _ in range(2)
    )
    assert first is ready
    assert second is not ready


def test_a_warm_up_reaches_nobody(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> None:
    """Whatever the environment says of a server; it is there again afterwards, and nothing was printed."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(0)
        monkeypatch.setenv("PGHOSTADDR", "127.0.0.1")
        monkeypatch.setenv("PGPORT", str(listener.getsockname()[1]))
        monkeypatch.setenv("PGCONNECT_TIMEOUT", "1")
        warming.warm_up(SystemClock(), (POOL_SIZE,), rehearsals=2)
        with pytest.raises(BlockingIOError):
            listener.accept()
    assert os.environ["PGHOSTADDR"] == "127.0.0.1"
    assert capfd.readouterr() == ("", "")


def test_another_version_of_sqlalchemy_breaks_no_warm_up() -> None:
    """An engine without that cache: roles then compile for themselves."""
    without = SimpleNamespace(dialect=database.make_ready(POOL_SIZE).dialect)
    warming._compile(cast("Engine", without), schema.CURRENT, ())


@pytest.mark.parametrize("role", ["api", "worker", "relay"])
def test_a_role_takes_what_the_warm_up_has_made(role: str) -> None:
    """The sizes agree."""
    app.warm_up()
    ready = list(database._ready.values())
    given = GivenSettings(database_url="postgresql://x@127.0.0.1/x", sink_url="http://127.0.0.1:9")
    _, made = app.build(given, role)
    assert made._own_engine() in ready
