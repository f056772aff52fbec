"""The routes: who may ask, how answers look, and what happens while draining."""

from __future__ import annotations

import asyncio
import json
import threading
from typing import Any

import pytest
from sqlalchemy import text

from reference_service import uploads
from reference_service.api import App, Draining, make_app
from reference_service.fakes import MemoryWorld, memory_world
from reference_service.ports import Unavailable
from reference_service.store import SqlDatabase, Store
from tests.unit.reference.asgi import ask
from tests.unit.reference.drive import VIDEO

OURS = {"authorization": "Bearer dev-token"}


class Client:
    """Calls the ASGI application without a socket."""

    def __init__(self, world: MemoryWorld) -> None:
        self.draining = Draining()
        self.app = make_app(world.service, self.draining)

    def __call__(
        self,
        method: str,
        path: str,
        body: Any = None,
        headers: dict[str, str] | None = None,
        sent: list[Any] | None = None,
    ) -> tuple[int, Any]:
        status, _, answer = self.full(method, path, body, OURS if headers is None else headers, sent)
        return status, answer

    def full(
        self, method: str, path: str, body: Any, headers: dict[str, str], sent: list[Any] | None = None
    ) -> tuple[int, dict[str, str], Any]:
        """Status, headers, body; `sent` gets the messages as they come, should the application raise."""
        raw = b"" if body is None else body if isinstance(body, bytes) else json.dumps(body).encode()
        named = [*headers.items(), ("content-type", "application/json")]
        status, given, told = ask(self.app, method, path, body=raw, headers=named, sent=sent)
        return status, given, json.loads(told)


@pytest.fixture
def world() -> MemoryWorld:
    return memory_world(tokens={"dev-token": "dev", "other-token": "other"})


@pytest.fixture
def client(world: MemoryWorld) -> Client:
    return Client(world)


def test_a_job_is_followed_from_upload_to_queue(world: MemoryWorld, client: Client) -> None:
    """Initiate, put, complete twice, get, list."""
    status, made = client("POST", "/jobs", {"name": "v.mp4", "size_bytes": len(VIDEO)})
    assert (status, made["job"]["state"]) == (201, "awaiting_upload")
    world.objects.client_put(made["upload"]["url"], VIDEO)
    job = made["job"]["id"]
    for body in (None, {}, {"etag": None}):
        status, done = client("POST", f"/jobs/{job}/complete", body)
        assert (status, done["job"]["state"]) == (200, "queued")
    status, found = client("GET", f"/jobs/{job}")
    assert (status, found["job"]["stages"][0]) == (200, {"name": "inspect", "state": "pending"})
    assert client("GET", "/jobs?state=queued")[1]["jobs"][0]["id"] == job
    assert client("GET", "/jobs?state=failed")[1]["jobs"] == []


def test_a_multipart_upload_gets_a_url_for_each_part(client: Client) -> None:
    """Numbered from 1, with the upload's id."""
    _, made = client("POST", "/jobs", {"name": "v", "size_bytes": 9, "multipart_parts": 3})
    assert [part["number"] for part in made["upload"]["parts"]] == [1, 2, 3]
    assert made["upload"]["upload_id"]


@pytest.mark.parametrize(
    "headers", [{}, {"authorization": "Bearer nope"}, {"authorization": "Basic dev-token"}]
)
def test_who_has_no_token_is_turned_away(headers: dict[str, str], client: Client) -> None:
    """401 in one line."""
    status, answer = client("GET", "/jobs", headers=headers)
    assert (status, list(answer)) == (401, ["error"])


def test_tenants_do_not_see_each_other(world: MemoryWorld, client: Client) -> None:
    """Another tenant's job is a 404, to read and to change, and is in no list."""
    _, made = client("POST", "/jobs", {"name": "v"})
    theirs = {"authorization": "Bearer other-token"}
    job = made["job"]["id"]
    assert client("GET", f"/jobs/{job}", headers=theirs)[0] == 404
    for action in ("complete", "cancel", "retry"):
        assert client("POST", f"/jobs/{job}/{action}", headers=theirs)[0] == 404
    assert client("GET", "/jobs", headers=theirs)[1]["jobs"] == []
    world.clock.advance(4000)
    orphans = "/jobs/orphaned?max_age_minutes=1"
    assert client("GET", orphans, headers=theirs)[1]["jobs"] == []
    assert [one["id"] for one in client("GET", orphans)[1]["jobs"]] == [job]


def test_lists_come_in_pages(world: MemoryWorld, client: Client) -> None:
    """Newest first, each job once, jobs of the same instant included."""
    for number in range(5):
        client("POST", "/jobs", {"name": f"{number}"})
        world.clock.advance(number % 2)
    seen: list[str] = []
    path: str | None = "/jobs?limit=2"
    while path:
        _, page = client("GET", path)
        seen += [job["id"] for job in page["jobs"]]
        path = f"/jobs?limit=2&cursor={page['next']}" if page["next"] else None
    assert (len(seen), len(set(seen))) == (5, 5)


@pytest.mark.parametrize(
    ("path", "body", "said"),
    [
        ("/jobs", {"name": "v", "size_bytes": -1}, "size_bytes=-1: "),
        ("/jobs", {"size_bytes": 1}, "name: "),
        ("/jobs", b"{broken", "body"),
        ("/jobs", {"name": "v", "multipart_parts": 10_001}, "multipart_parts=10001: "),
        ("/jobs", {"name": "v" * 256}, "name="),
        ("/jobs", {"name": "a\0b"}, "must have no NUL character"),
        ("/jobs", b'{"name": "\\ud800"}', "name="),
    ],
)
def test_a_bad_request_is_one_clear_line(path: str, body: Any, said: str, client: Client) -> None:
    """422 that names the field, its value and the rule."""
    status, answer = client("POST", path, body)
    assert status == 422
    assert said in answer["error"] or body == b"{broken"
    assert "\n" not in answer["error"]


def test_what_can_be_no_job_is_not_looked_up(client: Client) -> None:
    """PostgreSQL would refuse a NUL with an error of its own: 404 for a job, 422 for a cursor."""
    assert client("GET", "/jobs/a\0b")[0] == 404
    assert client("POST", "/jobs/a\0b/complete")[0] == 404
    assert client("GET", "/jobs?cursor=1.0~a%00b")[0] == 422
    assert client("GET", "/jobs?cursor=x~j-1")[0] == 422


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"content-length": "65537"}, 413),
        ({"content-length": "9" * 5000}, 413),
        ({"content-length": "-1"}, 413),
        ({"transfer-encoding": "chunked"}, 411),
        ({"content-length": "12"}, 201),
    ],
)
def test_a_body_is_measured_before_it_is_read(headers: dict[str, str], status: int, client: Client) -> None:
    """No client can fill the memory, with a length or without one."""
    assert client("POST", "/jobs", {"name": "v"}, {**OURS, **headers})[0] == status


def test_a_bug_is_a_500_that_says_nothing(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    """The client gets the same shape of answer as ever; the error goes on to the server's log."""

    def broken(*_: Any, **__: Any) -> None:
        raise RuntimeError("a secret")

    monkeypatch.setattr(uploads, "initiate", broken)
    sent: list[Any] = []
    with pytest.raises(RuntimeError):
        client("POST", "/jobs", {"name": "v"}, sent=sent)
    assert sent[0]["status"] == 500
    assert json.loads(sent[1]["body"]) == {"error": "internal error"}


def test_orphans_are_those_that_nobody_holds(world: MemoryWorld, client: Client) -> None:
    """A job past its deadline that has not moved for so long; not one that is still in time."""
    _, late = client("POST", "/jobs", {"name": "late"})
    world.clock.advance(3601)
    client("POST", "/jobs", {"name": "in time"})
    _, answer = client("GET", "/jobs/orphaned?max_age_minutes=10")
    assert [job["id"] for job in answer["jobs"]] == [late["job"]["id"]]
    assert client("GET", "/jobs/orphaned?max_age_minutes=100")[1]["jobs"] == []


def test_cancel_and_retry(client: Client) -> None:
    """A cancelled job is retried as a new one that asks for its upload."""
    _, made = client("POST", "/jobs", {"name": "v"})
    job = made["job"]["id"]
    assert client("POST", f"/jobs/{job}/retry")[0] == 409
    assert client("POST", f"/jobs/{job}/cancel")[1]["job"]["state"] == "cancelled"
    status, again = client("POST", f"/jobs/{job}/retry")
    assert (status, again["job"]["retry_of"], "upload" in again) == (201, job, True)
    status, same = client("POST", f"/jobs/{job}/retry")
    assert (status, same["job"]["id"], "upload" in same) == (200, again["job"]["id"], True)


def test_a_reason_of_a_newer_version_is_borne(world: MemoryWorld, client: Client) -> None:
    """1. a new version fails a job, 2. it is rolled back, 3. this one lists, shows and retries that job."""
    made = client("POST", "/jobs", {"name": "v"})[1]["job"]["id"]
    statement = text("UPDATE jobs SET state = 'failed', reason = 'full_moon' WHERE id = :job")
    world.database.run(lambda connection: connection.execute(statement, {"job": made}))
    [listed] = client("GET", "/jobs")[1]["jobs"]
    assert (listed["reason"], client("GET", f"/jobs/{made}")[1]["job"]["reason"]) == ("crashed", "crashed")
    assert client("POST", f"/jobs/{made}/retry")[0] == 201


def test_draining_refuses_work_and_serves_reads(client: Client) -> None:
    """503 with Retry-After on what would begin something; the rest as ever."""
    _, made = client("POST", "/jobs", {"name": "v"})
    assert client("GET", "/readyz", headers={})[0] == 200
    client.draining.on = True
    status, headers, _ = client.full("POST", "/jobs", {"name": "v"}, OURS)
    assert (status, headers["retry-after"]) == (503, "1")
    assert client("GET", f"/jobs/{made['job']['id']}")[0] == 200
    assert client("GET", "/readyz", headers={})[0] == 503
    assert client("GET", "/livez", headers={})[0] == 200


def test_an_api_is_unready_while_its_database_is_away(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every request needs it. Unready is not dead, and passes."""

    def away(_: object) -> None:
        raise Unavailable("database: away")

    with monkeypatch.context() as patched:
        patched.setattr(SqlDatabase, "single", lambda _, work: away(work))
        status, headers, answer = client.full("GET", "/readyz", None, {})
        assert (status, headers["retry-after"], answer) == (503, "1", {"error": "database: database: away"})
        assert client("GET", "/livez", headers={})[0] == 200
    assert client("GET", "/readyz", headers={})[0] == 200


def test_an_api_is_ready_without_what_only_some_requests_need(
    world: MemoryWorld, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The object store and the queue are not even asked: `/healthz` tells of them."""
    asked: list[str] = []

    def away(key: str) -> None:
        asked.append(key)
        raise Unavailable("s3: away")

    world.jobs_queue.away = True
    monkeypatch.setattr(world.objects, "head", away)
    assert client("GET", "/readyz", headers={}) == (200, {"ready": True})
    assert asked == []
    status, said = client("GET", "/healthz", headers={})
    problems = {check["what"]: check["problem"] for check in said["checks"] if check["problem"] is not None}
    assert (status, problems) == (503, {"objects": "s3: away", "queue": "queue: away"})
    assert client("POST", "/jobs", {"name": "v"})[0] == 201


def test_a_dependency_that_is_away_is_a_503(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    """In one line, with Retry-After."""

    def away(*_: Any, **__: Any) -> None:
        raise Unavailable("database: gone")

    monkeypatch.setattr(uploads, "initiate", away)
    status, headers, answer = client.full("POST", "/jobs", {"name": "v"}, OURS)
    assert (status, headers["retry-after"], answer) == (503, "1", {"error": "database: gone"})


def test_a_sweep_by_http_needs_the_internal_token() -> None:
    """Off without one configured; a tenant's token does not do."""
    internal = {"authorization": "Bearer in"}
    assert Client(memory_world())("POST", "/internal/sweep", headers=internal)[0] == 403
    client = Client(memory_world(internal_token="in"))
    assert client("POST", "/internal/sweep")[0] == 401
    status, answer = client("POST", "/internal/sweep", headers=internal)
    assert (status, answer["counts"]["requeued"]) == (200, 0)


async def get(app: App, path: str) -> int:
    """The status that it answers to our GET."""
    told: list[Any] = []
    scope = {
        "type": "http",
        "http_version": "1.1",
        "method": "GET",
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "root_path": "",
        "headers": [(key.encode(), value.encode()) for key, value in OURS.items()],
        "server": ("127.0.0.1", 80),
        "client": ("127.0.0.1", 1),
    }

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Any) -> None:
        told.append(message)

    await app(scope, receive, send)
    return int(told[0]["status"])


class Hanging:
    """A database that answers nobody before it is let go."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._over = threading.Event()
        self._begun = threading.Semaphore(0)
        monkeypatch.setattr(Store, "single", self._single)

    def _single(self, _work: Any) -> Any:
        self._begun.release()
        self._over.wait(30)
        raise Unavailable("the database hung")

    def have_begun(self, count: int) -> None:
        """Returns when so many wait."""
        for _ in range(count):
            assert self._begun.acquire(timeout=10)

    def let_go(self) -> None:
        self._over.set()


def test_liveness_waits_behind_no_request(world: MemoryWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    """Twice as many requests as threads wait for the database: the process still says that it lives."""
    app, hanging = make_app(world.service, Draining()), Hanging(monkeypatch)

    async def look() -> tuple[int, list[int]]:
        waiting = [asyncio.ensure_future(get(app, "/jobs")) for _ in range(80)]
        try:
            await asyncio.to_thread(hanging.have_begun, 40)  # as many threads as there are
            lives = await asyncio.wait_for(get(app, "/livez"), 10)
        finally:
            hanging.let_go()
        return lives, await asyncio.gather(*waiting)

    assert asyncio.run(look()) == (200, [503] * 80)


def test_no_more_requests_wait_than_may(monkeypatch: pytest.MonkeyPatch) -> None:
    """One more is refused at once; `/livez` is not, nor is anybody afterwards."""
    world = memory_world(requests_max=3)
    client, hanging = Client(world), Hanging(monkeypatch)
    app = client.app

    async def look() -> list[int]:
        waiting = [asyncio.ensure_future(get(app, "/jobs")) for _ in range(3)]
        try:
            await asyncio.sleep(0)
            seen = [await asyncio.wait_for(get(app, path), 10) for path in ("/jobs", "/livez")]
        finally:
            hanging.let_go()
        await asyncio.gather(*waiting)
        return seen

    assert asyncio.run(look()) == [503, 200]
    assert 'refused_total{why="busy"} 1' in world.service.metrics.render().decode()
    monkeypatch.undo()
    assert client("GET", "/jobs")[0] == 200
