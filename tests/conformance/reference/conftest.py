"""Real servers for the adapters: one session of them for all tests here."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator

import boto3
import pytest

from reference_service.aws import AwsAccess
from reference_service.clock import SystemClock
from reference_service.fakes import ManualClock
from reference_service.store import SqlDatabase
from reference_service.store.migrations import migrate
from unstuck.worlds.process.session import Session

REGION = "us-east-1"
NUMBERS = itertools.count(1)


@pytest.fixture(scope="session")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Session]:
    with Session(scratch=tmp_path_factory.mktemp("servers")) as one:
        yield one


@pytest.fixture
def access(request: pytest.FixtureRequest, servers: Session) -> AwsAccess:
    """Of the emulator that the test's parameter names."""
    endpoint = servers.emulator(request.param).url
    return AwsAccess(endpoint=endpoint, region=REGION, key_id="test", secret="test")


@pytest.fixture
def new_name() -> Callable[[str], str]:
    """A name that nobody has used: emulators are shared."""
    return lambda kind: f"{kind}-{next(NUMBERS)}"


def client(service: str, access: AwsAccess) -> object:
    """A plain client, for what a test has to prepare or look at past the adapter."""
    return boto3.client(
        service,  # type: ignore[call-overload]  # one of two names
        endpoint_url=access.endpoint,
        region_name=access.region,
        aws_access_key_id=access.key_id,
        aws_secret_access_key=access.secret,
    )


@pytest.fixture(params=["sqlite memory", "sqlite file", "postgresql"])
def kind(request: pytest.FixtureRequest) -> str:
    """Of database."""
    return str(request.param)


@pytest.fixture
def at_once(kind: str) -> int:
    """How many threads can use it: what is in memory has one connection."""
    return 1 if kind == "sqlite memory" else 4


@pytest.fixture
def database(
    kind: str, request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[SqlDatabase]:
    """Migrated, empty, and able to run two transactions at a time where it can."""
    if kind == "postgresql":
        postgres = request.getfixturevalue("servers").postgres()
        url = postgres.create_database(f"store{next(NUMBERS)}")
        one = SqlDatabase(url, SystemClock(), pool_size=4)
    elif kind == "sqlite file":
        one = SqlDatabase(f"sqlite:///{tmp_path_factory.mktemp('db')}/jobs.db", ManualClock())
    else:
        one = SqlDatabase("sqlite://", ManualClock())
    one.run(migrate)
    yield one
    one.close()
