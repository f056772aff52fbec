"""Looks into a real Redis: every type of key, states, holders, and a server that is not there."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import redis

from unstuck.targets.declared.agent_client import CallError
from unstuck.targets.declared.calls import Caller
from unstuck.targets.declared.file import Look, RedisCall, RedisSource
from unstuck.targets.declared.sources import Sources
from unstuck.targets.declared.tracker import NOWHERE, Seen
from unstuck.targets.dependencies import Dependency, Wanted, open_dependency
from unstuck.worlds.process.ports import free_port
from unstuck.worlds.process.session import Session
from unstuck.worlds.process.world import ignore_event

pytestmark = pytest.mark.process

JOB = "5b8e0c1d-job"  # long enough to be looked for within other texts


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Dependency]:
    with Session() as session:
        world = session.world("redis-sources", on_event=ignore_event)
        wanted = Wanted(name="broker", kind="redis")
        yield open_dependency(wanted, world=world, session=session, folder=tmp_path_factory.mktemp("run"))
        world.close()


@pytest.fixture
def client(server: Dependency) -> Iterator[Any]:
    one = redis.Redis(host=server.host, port=server.port)
    one.flushall()
    yield one
    one.close()


def caller_of(port: int) -> Caller:
    return Caller(
        address_of=lambda _: ("127.0.0.1", port), values_of=lambda name: name, databases={}, agent=None
    )


def look(server: Dependency, *looks: Look, jobs: tuple[str, ...] = (JOB,)) -> dict[str, Seen]:
    caller = caller_of(server.port)
    try:
        return Sources((RedisSource(dependency="broker", looks=looks),), caller, 2.0).look(jobs)
    finally:
        caller.close()


def fill_list(client: Any) -> None:
    client.rpush("place", "other", f'{{"id": "{JOB}"}}')


def fill_set(client: Any) -> None:
    client.sadd("place", JOB)


def fill_sorted(client: Any) -> None:
    client.zadd("place", {JOB: 1})


def fill_hash_key(client: Any) -> None:
    client.hset("place", JOB, "x")


def fill_hash_value(client: Any) -> None:
    client.hset("place", "x", f"<{JOB}>")


def fill_stream(client: Any) -> None:
    client.xadd("place", {"task": JOB})


def fill_text(client: Any) -> None:
    client.set("place", f"now at {JOB}")


@pytest.mark.parametrize(
    "fill", [fill_list, fill_set, fill_sorted, fill_hash_key, fill_hash_value, fill_stream, fill_text]
)
def test_a_job_is_found_in_a_key_of_any_type(server: Dependency, client: Any, fill: Any) -> None:
    """As a member, a field, a value, or within one of them."""
    fill(client)
    found = look(server, Look(key="place", state="queued", held="queue"), jobs=(JOB, "another-one"))
    assert found == {JOB: Seen(state="queued", held="queue"), "another-one": NOWHERE}


def test_a_glob_looks_into_all_that_fit(server: Dependency, client: Any) -> None:
    """Each worker has a list of its own."""
    client.rpush("taken.w1", "x")
    client.rpush("taken.w2", JOB)
    assert look(server, Look(key="taken.*", held="lease"))[JOB].held == "lease"


def test_members_that_are_names_in_a_hash_are_seen_by_their_values(server: Dependency, client: Any) -> None:
    """A list of ids that no client knows, and the messages themselves beside it; also through a glob."""
    client.hset("q.msgs", mapping={"r-1": f'{{"id": "{JOB}"}}', "r-2": '{"id": "another-one"}'})
    client.rpush("q", "r-1")
    client.sadd("acks.w1.q", "r-2")
    queue = Look(key="q", through="q.msgs", state="queued", held="queue")
    acks = Look(key="acks.*.q", through="q.msgs", state="active", held="lease")
    assert look(server, queue, acks, jobs=(JOB, "another-one")) == {
        JOB: Seen(state="queued", held="queue"),
        "another-one": Seen(state="active", held="lease"),
    }


def test_a_member_whose_message_is_gone_holds_nothing(server: Dependency, client: Any) -> None:
    """What is only in the hash, or only in the list, is nobody's to do."""
    client.hset("q.msgs", "r-1", f'{{"id": "{JOB}"}}')
    client.rpush("q", "r-9")
    assert look(server, Look(key="q", through="q.msgs", held="queue"))[JOB] == NOWHERE


def test_a_short_id_has_to_be_the_whole_member(server: Dependency, client: Any) -> None:
    """`7` stands in many texts that have nothing to do with the job."""
    client.rpush("place", "17", "job 7")
    assert look(server, Look(key="place", held="queue"), jobs=("7",))["7"] == NOWHERE
    client.rpush("place", "7")
    assert look(server, Look(key="place", held="queue"), jobs=("7",))["7"].held == "queue"


def test_a_jobs_own_key_says_its_state(server: Dependency, client: Any) -> None:
    """By a field of a hash, by a JSONPath of a text, by being there; an odd word is kept."""
    states = {"done": "succeeded", "pending": None}
    by_field = Look(key="job:{job}", field="status", states=states)
    assert look(server, by_field)[JOB] == NOWHERE
    for word, seen in [
        ("done", Seen(state="succeeded", raw="done")),
        ("pending", Seen(raw="pending")),
        ("odd", Seen(raw="odd", unmapped="odd")),
    ]:
        client.hset(f"job:{JOB}", "status", word)
        assert look(server, by_field)[JOB] == seen
    by_path = Look(key="meta-{job}", field="$.status", reason="$.why", states={"F": "failed"})
    client.set(f"meta-{JOB}", '{"status": "F", "why": "a trace\\nValueError: x"}')
    assert look(server, by_path)[JOB] == Seen(state="failed", raw="F", reason="ValueError: x")
    client.set(f"meta-{JOB}", "no JSON")
    assert look(server, by_path)[JOB].unmapped == "no JSON"
    client.set(f"lock-{JOB}", "1")
    assert look(server, Look(key="lock-{job}", held="lease"))[JOB].held == "lease"


def test_the_first_that_knows_decides(server: Dependency, client: Any) -> None:
    """Of the state and of the holder, each for itself."""
    client.rpush("queue", JOB)
    client.hset(f"job:{JOB}", "status", "started")
    own = Look(key="job:{job}", field="status", states={"started": "active"})
    found = look(server, own, Look(key="queue", state="queued", held="queue"))
    assert found[JOB] == Seen(state="active", held="queue", raw="started")


def test_a_server_that_is_not_there_is_told() -> None:
    """The look fails, and says nothing of any job."""
    caller = caller_of(free_port())
    source = RedisSource(dependency="broker", looks=(Look(key="x", held="queue"),))
    with pytest.raises(CallError, match="broker: "):
        Sources((source,), caller, 1.0).look([JOB])
    with pytest.raises(CallError) as caught:
        caller.perform(RedisCall(dependency="broker", command=("RPUSH", "x", "{job}")), {"job": JOB}, 1.0)
    assert not caught.value.maybe  # refused: it was not carried out
    caller.close()


def test_a_command_goes_out_filled_in(server: Dependency, client: Any, tmp_path: Path) -> None:
    """A submission in Redis alone; an error of the server is definite."""
    del tmp_path
    caller = caller_of(server.port)
    call = RedisCall(dependency="broker", command=("RPUSH", "queue", "{job}"))
    assert caller.perform(call, {"job": JOB}, 2.0) == 1
    assert client.lrange("queue", 0, -1) == [JOB.encode()]
    with pytest.raises(CallError) as caught:
        caller.perform(RedisCall(dependency="broker", command=("HGET", "queue", "x")), {}, 2.0)
    assert not caught.value.maybe
    caller.close()
