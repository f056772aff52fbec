"""`find-stuck` and `retry-stuck` on systems that run: jobs in a real Redis, and in a real PostgreSQL."""

from __future__ import annotations

import json
import os
import shlex
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
import redis
import sqlalchemy

from reference_service.store.tables import jobs, metadata
from tests.docs.blocks import commands, loose, of_kind, output
from unstuck.cli import main
from unstuck.clock import realtime_s
from unstuck.errors import ExitCode
from unstuck.targets.dependencies import Dependency, Wanted, open_dependency
from unstuck.worlds.process.session import Session
from unstuck.worlds.process.world import ignore_event

pytestmark = pytest.mark.process

REDIS = """\
name: mail
dependencies:
  broker: {kind: redis}
environment:
  REDIS_URL: "{broker.url}"
roles:
  worker: {command: [worker]}
submit: {command: [submit]}
observe:
  sources:
    - looks:
        - {key: "mail:{job}", field: state, since: at, states: {new: queued, taken: active, sent: succeeded}}
        - {key: todo, held: queue, state: queued, job: $.id}
rescue: {redis: [RPUSH, todo, '{"id": "{job}"}']}
"""
SHOP = """\
name: shop
dependencies:
  database: {kind: postgres, database: shop}
running: {database: $SHOP_URL}
roles:
  worker: {command: [worker]}
submit: {command: [submit]}
observe:
  sources:
    - sql: >-
        select id as job, status as state, moved_at as since, customer as tenant, item as name,
        lease_until > now() as busy from orders
      states: {new: queued, taken: active, shipped: succeeded}
      says_held: {queued: queue, active: lease}
rescue: {sql: "update orders set status = 'new', moved_at = now() where id = '{job}' and status <> 'shipped'"}
"""
ORDERS = """\
create table orders (id text primary key, status text, moved_at timestamptz, customer text, item text,
                     lease_until timestamptz);
insert into orders values
  ('o-1', 'new', now() - interval '2 hours', 'acme', 'a cup', null),
  ('o-2', 'taken', now() - interval '1 hour', 'acme', 'a pot', now() - interval '50 minutes'),
  ('o-3', 'taken', now() - interval '1 hour', 'zeta', 'a pan', now() + interval '1 minute'),
  ('o-4', 'new', now() - interval '1 minute', 'zeta', 'a lid', null),
  ('o-5', 'shipped', now() - interval '1 day', 'zeta', 'a jug', null);
"""


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Dependency]]:
    with Session() as session:
        world = session.world("running-systems", on_event=ignore_event)
        folder = tmp_path_factory.mktemp("run")
        kinds: dict[str, dict[str, Any]] = {"redis": {}, "postgres": {"database": "shop"}}
        yield {
            kind: open_dependency(
                Wanted(name=kind, kind=kind, options=options), world=world, session=session, folder=folder
            )
            for kind, options in kinds.items()
        }
        world.close()


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def asked(capsys: pytest.CaptureFixture[str], command: str) -> tuple[int, Any]:
    """The exit code, and what the command printed as JSON."""
    code = main([*shlex.split(command), "--json"])
    return code, json.loads(capsys.readouterr().out)


@pytest.fixture
def mail(
    here: Path, servers: dict[str, Dependency], monkeypatch: pytest.MonkeyPatch
) -> Iterator[redis.Redis]:
    """A mail system with a job that was forgotten, one that waits, one that is done; in the last database."""
    (here / "unstuck.yaml").write_text(REDIS, encoding="utf-8")
    server = servers["redis"]
    monkeypatch.setenv("REDIS_URL", f"redis://{server.host}:{server.port}")
    client = redis.Redis(host=server.host, port=server.port)
    client.flushall()
    now_s = realtime_s()
    for job, state, age_s in (
        ("m-1", "new", 1800),
        ("m-2", "new", 5),
        ("m-3", "sent", 9000),
        ("m-4", "taken", 900),
    ):
        client.hset(f"mail:{job}", mapping={"state": state, "at": str(now_s - age_s)})
    client.rpush("todo", '{"id": "m-2"}', '{"id": "m-5"}')
    yield client
    client.close()


def test_jobs_of_a_redis_are_found(mail: redis.Redis, capsys: pytest.CaptureFixture[str]) -> None:
    """By keys of their own, with their age, and by the members of a list, which tells none."""
    code, said = asked(capsys, "find-stuck")
    assert code == ExitCode.FAIL
    assert [(one["id"], one["state"]) for one in said["stuck"]] == [("m-1", "queued"), ("m-4", "active")]
    assert said["not_stuck"] == {"age unknown": 1, "young": 1}
    assert 1790 < said["stuck"][0]["age_s"] < 1990


def test_a_redis_gets_its_forgotten_job_back(mail: redis.Redis, capsys: pytest.CaptureFixture[str]) -> None:
    """The one that is at risk is skipped, and nothing is done without a yes."""
    before: Any = mail.lrange("todo", 0, -1)
    code, said = asked(capsys, "retry-stuck")
    assert (code, said["dry_run"], [one["id"] for one in said["would_trigger"]]) == (0, True, ["m-1"])
    assert mail.lrange("todo", 0, -1) == before
    code, said = asked(capsys, "retry-stuck --yes")
    assert (code, said["found"], [one["id"] for one in said["triggered"]]) == (0, 2, ["m-1"])
    assert "nobody says whether it is being processed" in said["skipped"][0]["why"]
    assert mail.lrange("todo", 0, -1) == [*before, b'{"id": "m-1"}']


@pytest.fixture
def shop(
    here: Path, servers: dict[str, Dependency], monkeypatch: pytest.MonkeyPatch
) -> Iterator[psycopg.Connection[Any]]:
    (here / "unstuck.yaml").write_text(SHOP, encoding="utf-8")
    server = servers["postgres"]
    url = f"postgresql://postgres@{server.host}:{server.port}/shop"
    monkeypatch.setenv("SHOP_URL", url)
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("drop table if exists orders")
        connection.execute(ORDERS.encode())
        yield connection


def test_orders_of_a_postgres_are_found(
    shop: psycopg.Connection[Any], capsys: pytest.CaptureFixture[str]
) -> None:
    """With tenant and name; whoever is being processed, by the lease, is not among them."""
    code, said = asked(capsys, "find-stuck")
    assert code == ExitCode.FAIL
    assert [(one["id"], one["held"], one["tenant"], one["name"]) for one in said["stuck"]] == [
        ("o-1", "queue", "acme", "a cup"),
        ("o-2", "lease", "acme", "a pot"),
    ]
    assert said["not_stuck"] == {"being processed": 1, "young": 1}


def test_a_look_can_change_nothing(shop: psycopg.Connection[Any], here: Path) -> None:
    """A statement that writes is refused by the database itself: exit code 2, and the row is as it was."""
    text = SHOP.replace("select id as job", "delete from orders returning id as job").replace(
        " from orders\n", "\n"
    )
    (here / "unstuck.yaml").write_text(text, encoding="utf-8")
    assert main(["find-stuck"]) == ExitCode.USAGE
    assert shop.execute("select count(*) from orders").fetchone() == (5,)


def test_one_order_is_retried_by_its_id(
    shop: psycopg.Connection[Any], capsys: pytest.CaptureFixture[str]
) -> None:
    """One that is alive is skipped with the reason, and so is one that has ended."""
    code, said = asked(capsys, "retry-stuck --yes --job o-2 --job o-3 --job o-5")
    assert (code, [one["id"] for one in said["triggered"]]) == (0, ["o-2"])
    assert [(one["id"], one["why"]) for one in said["skipped"]] == [
        ("o-3", "being processed"),
        ("o-5", "not among the jobs that have not ended"),
    ]
    states = shop.execute("select id, status from orders order by id").fetchall()
    assert states == [("o-1", "new"), ("o-2", "new"), ("o-3", "taken"), ("o-4", "new"), ("o-5", "shipped")]


def test_a_command_can_list_and_rescue(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Whatever the system is: a program that prints rows, and one that takes an id."""
    rows = json.dumps([{"job": "c-1", "state": "queued", "since": 1}, {"job": "c-2", "state": "succeeded"}])
    (here / "unstuck.yaml").write_text(
        f"""\
name: any
roles:
  worker: {{command: [worker]}}
submit: {{command: [submit]}}
observe:
  list: {{command: ["{{python}}", -c, {json.dumps("print(" + repr(rows) + ")")}]}}
  sources:
    - each: {{command: ["false", "{{job}}"]}}
rescue: {{command: ["{{python}}", -c, "import sys; open('asked', 'a').write(sys.argv[1])", "{{job}}"]}}
""",
        encoding="utf-8",
    )
    code, said = asked(capsys, "retry-stuck --yes")
    assert (code, [one["id"] for one in said["triggered"]]) == (0, ["c-1"])
    assert (here / "asked").read_text() == "c-1"
    assert sys.executable


def test_a_place_that_tells_no_ids_is_named(
    mail: redis.Redis, here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """What is only there is not listed, and nobody takes that for empty."""
    text = REDIS.replace(", job: $.id", "").replace("new: queued, ", "new: null, ")
    (here / "unstuck.yaml").write_text(text, encoding="utf-8")
    assert main(["find-stuck"]) == ExitCode.FAIL
    assert "not listed: todo, whose members tell no id" in capsys.readouterr().out


def test_nobody_says_where_it_is(
    shop: psycopg.Connection[Any], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """One line with what to give: never the address of a run, never a guess."""
    monkeypatch.delenv("SHOP_URL")
    assert main(["find-stuck"]) == ExitCode.USAGE
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert "--at database=ADDRESS" in said


def test_the_screen_shows_what_is_stuck_and_what_to_type(
    shop: psycopg.Connection[Any], capsys: pytest.CaptureFixture[str]
) -> None:
    """A table, the counts, the next command."""
    assert main(["find-stuck", "--age-minutes", "90"]) == ExitCode.FAIL
    said = capsys.readouterr().out
    assert "o-1  new" not in said
    assert "o-1  queued  queue" in said
    assert "1 stuck (no sign of life for 90 min); 1 being processed, 2 young" in said
    assert "unstuck retry-stuck --age-minutes 90" in said


def test_the_page_shows_what_is_printed(
    shop: psycopg.Connection[Any],
    here: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """The console of docs/your-own-service.md, with this database in the place of its own."""
    [block] = [one for one in of_kind("console") if one.first == "$ unstuck find-stuck --target shop.yaml"]
    text = SHOP.replace("running: {database: $SHOP_URL}", 'environment: {DATABASE_URL: "{database.url}"}')
    (here / "shop.yaml").write_text(text, encoding="utf-8")
    monkeypatch.setenv("DATABASE_URL", os.environ["SHOP_URL"])
    [command] = commands(block)
    assert main(command[1:]) == ExitCode.FAIL
    printed = capsys.readouterr().out
    assert [" ".join(loose(line).split()) for line in output(block)] == [
        " ".join(loose(line).split()) for line in printed.splitlines() if line
    ]


def test_the_reference_service_is_a_target_too(
    here: Path,
    servers: dict[str, Dependency],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """By its own tables: a lease that holds is a sign of life, one that is over is none."""
    server = servers["postgres"]
    url = f"postgresql+psycopg://postgres@{server.host}:{server.port}/shop"
    monkeypatch.setenv("REFERENCE_DATABASE_URL", url)
    engine = sqlalchemy.create_engine(url)
    now_s = realtime_s()
    with engine.begin() as connection:
        metadata.drop_all(connection)
        metadata.create_all(connection)
        for job, state, age_s, lease_s in (
            ("j-1", "queued", 900, None), ("j-2", "active", 900, 30), ("j-3", "active", 900, -30),
            ("j-4", "failed", 900, None), ("j-5", "awaiting_upload", 5, None),
        ):  # fmt: skip
            connection.execute(
                jobs.insert().values(
                    id=job, tenant="dev", name="a.mp4", state=state, attempt=0, charged=0, token=0,
                    upload_key="k", upload_deadline=now_s, created_at=now_s, updated_at=now_s - age_s,
                    lease_expires_at=None if lease_s is None else now_s + lease_s,
                )
            )  # fmt: skip
    engine.dispose()
    code, said = asked(capsys, "find-stuck --target reference")
    assert code == ExitCode.FAIL
    assert [(one["id"], one["state"], one["tenant"]) for one in said["stuck"]] == [
        ("j-1", "queued", "dev"),
        ("j-3", "active", "dev"),
    ]
    assert said["not_stuck"] == {"being processed": 1, "young": 1}
