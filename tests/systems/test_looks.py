"""Looks into a real Redis: which jobs are seen, and where."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from unstuck.clock import monotonic_ns, sleep
from unstuck.errors import TargetError
from unstuck.targets.declared.calls import Caller
from unstuck.targets.declared.file import Look, RedisSource
from unstuck.targets.declared.sources import Sources
from unstuck.targets.declared.tracker import NOWHERE, Seen
from unstuck.targets.dependencies.kinds.redis import find_server
from unstuck.worlds.process.ports import LOOPBACK, free_port

redis = pytest.importorskip("redis")
pytestmark = pytest.mark.process

FIRST, SECOND = "job-number-one", "job-number-two"


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, int]]:
    try:
        server = find_server()
    except TargetError as error:
        pytest.skip(str(error))
    port, folder = free_port(), tmp_path_factory.mktemp("redis")
    words = [server, "--bind", LOOPBACK, "--port", str(port), "--dir", str(folder), "--save", ""]
    with subprocess.Popen(words, stdout=subprocess.DEVNULL) as process:
        try:
            _await(port)
            yield LOOPBACK, port
        finally:
            process.kill()


def _await(port: int) -> None:
    deadline_ns = monotonic_ns() + 20_000_000_000
    while True:
        try:
            redis.Redis(port=port).ping()
        except redis.exceptions.ConnectionError:
            assert monotonic_ns() < deadline_ns
            sleep(0.02)
        else:
            return


@pytest.fixture
def look(address: tuple[str, int]) -> Iterator[Any]:
    """`look(looks, client -> what is written before)`: what is seen of the two jobs."""
    caller = Caller(address_of=lambda _: address, values_of=lambda name: name, databases={}, agent=None)
    client = redis.Redis(host=address[0], port=address[1])
    client.flushall()

    def seen(*looks: Look) -> Mapping[str, Seen]:
        source = RedisSource(dependency="broker", looks=looks)
        return Sources((source,), caller, 5.0).look([FIRST, SECOND])

    seen.client = client  # type: ignore[attr-defined]  # the test writes with it
    yield seen
    caller.close()


def test_members_that_are_names_in_a_hash_are_seen_by_their_values(look: Any) -> None:
    """A list of ids that no client knows, and the messages themselves beside it; also through a glob."""
    look.client.hset("q.msgs", mapping={"r-1": f'{{"id": "{FIRST}"}}', "r-2": f'{{"id": "{SECOND}"}}'})
    look.client.rpush("q", "r-1")
    look.client.sadd("acks.w1.q", "r-2")
    queue = Look(key="q", through="q.msgs", state="queued", held="queue")
    acks = Look(key="acks.*.q", through="q.msgs", state="active", held="lease")
    assert look(queue, acks) == {
        FIRST: Seen(state="queued", held="queue"),
        SECOND: Seen(state="active", held="lease"),
    }


def test_a_member_whose_message_is_gone_holds_nothing(look: Any) -> None:
    """What is only in the hash, or only in the list, is nobody's to do."""
    look.client.hset("q.msgs", "r-1", f'{{"id": "{FIRST}"}}')
    look.client.rpush("q", "r-9")
    assert look(Look(key="q", through="q.msgs", held="queue")) == {FIRST: NOWHERE, SECOND: NOWHERE}
