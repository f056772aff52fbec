"""The page: who sees what, what is escaped, and what opening a project does."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import quote

import pytest
from sqlalchemy import text

from reference_service import projects
from reference_service.api import Draining, make_app
from reference_service.domain import State
from reference_service.fakes import FakeRuntime, MemoryWorld, memory_world
from reference_service.ports import Unavailable
from reference_service.web import rendering
from tests.unit.reference.asgi import ask
from tests.unit.reference.drive import claimed, get, initiate, put, queued, state_of

NAME = "alps/<script>alert(1)</script>"


class Visitor:
    """A browser as far as the service knows one: it keeps the cookie, and says where a form came from."""

    def __init__(self, world: MemoryWorld) -> None:
        self.draining = Draining()
        self._app = make_app(world.service, self.draining)
        self.cookie = ""

    def __call__(
        self, method: str, path: str, body: str = "", **headers: str
    ) -> tuple[int, dict[str, str], str]:
        given = {"host": "here", "cookie": self.cookie, **headers}
        named = [(key.replace("_", "-"), value) for key, value in given.items()]
        status, answered, answer = ask(self._app, method, path, body=body.encode(), headers=named)
        self.cookie = answered.get("set-cookie", self.cookie).partition(";")[0]
        return status, answered, answer.decode()

    def sign_in(self, token: str = "dev-token") -> Visitor:
        assert self("POST", "/web/login", f"token={quote(token)}")[0] == 303
        return self

    def json(self, method: str, path: str) -> Any:
        status, _, answer = self(method, path)
        assert status == 200, answer
        return json.loads(answer)


@pytest.fixture
def world() -> MemoryWorld:
    return memory_world(tokens={"dev-token": "t", "ärger; =": "other"}, reconcile_after_s=5.0)


@pytest.fixture
def visitor(world: MemoryWorld) -> Visitor:
    return Visitor(world).sign_in()


def test_a_session_is_a_cookie_that_no_script_reads(world: MemoryWorld) -> None:
    """HttpOnly, SameSite, for the page alone; a token of any characters fits; signing out ends it."""
    visitor = Visitor(world)
    _, headers, _ = visitor("POST", "/web/login", f"token={quote('ärger; =')}")
    assert headers["location"] == "/web"
    for part in ("HttpOnly", "SameSite=lax", "Path=/web"):
        assert part in headers["set-cookie"]
    assert visitor("GET", "/web")[0] == 200
    visitor("POST", "/web/logout")
    assert visitor("GET", "/web")[:2][0] == 303


@pytest.mark.parametrize(
    "cookie", ["", "reference_session=bm9wZQ==", "reference_session=%%", "reference_session=ä"]
)
def test_who_has_no_session_is_sent_to_the_form(world: MemoryWorld, cookie: str) -> None:
    """The page redirects; what the script asks for is a 401."""
    visitor = Visitor(world)
    visitor.cookie = cookie
    status, headers, _ = visitor("GET", "/web?project=alps")
    assert (status, headers["location"]) == (303, "/web/login")
    assert visitor("GET", "/web/project?name=alps")[0] == 401
    assert visitor("POST", "/web/reconcile?name=alps")[0] == 401
    status, _, page = visitor("POST", "/web/login", "token=%3Cb%3E")
    assert (status, "not known here" in page) == (401, True)


@pytest.mark.parametrize(
    "headers", [{"origin": "http://elsewhere"}, {"origin": "null"}, {"sec_fetch_site": "cross-site"}]
)
def test_what_another_site_sends_is_refused(visitor: Visitor, headers: dict[str, str]) -> None:
    """Nobody is signed in, or has anything done, by a page of somebody else's."""
    for path in ("/web/login", "/web/logout", "/web/reconcile?name=alps"):
        assert visitor("POST", path, "token=dev-token", **headers)[0] == 403
    assert visitor("POST", "/web/login", "token=dev-token", origin="http://here")[0] == 303


def test_a_form_with_too_many_fields_is_refused(world: MemoryWorld) -> None:
    """As a bad request, not as a bug of ours."""
    status, _, answer = Visitor(world)("POST", "/web/login", "a=1&b=2&c=3&d=4&token=dev-token")
    assert (status, "the form" in answer) == (400, True)


def test_names_are_escaped_wherever_they_stand(world: MemoryWorld, visitor: Visitor) -> None:
    """A name that is markup is shown as the text that it is, in page and answers, and nothing inline runs."""
    initiate(world, name=NAME)
    initiate(world, name="<b>/x")
    _, headers, page = visitor("GET", "/web?project=alps")
    answers = json.dumps([visitor.json("GET", f"/web/{what}?name=alps") for what in ("project", "rows")])
    for shown in (page, answers):
        assert "<script>alert" not in shown
        assert "<b>" not in shown.replace("<b>1</b>", "").replace("<b>2</b>", "")
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page
    assert "%3Cb%3E" in page
    policy = headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert " style=" not in page
    assert " on" not in page.replace(" on the way", "")


def test_tenants_do_not_see_each_other(world: MemoryWorld, visitor: Visitor) -> None:
    """Neither projects nor jobs, nor by a job's id; and opening moves nothing of another's."""
    job = put(world, name="alps/x")
    other = Visitor(world).sign_in("ärger; =")
    assert "alps" in visitor("GET", "/web")[2]
    assert "alps" not in other("GET", "/web")[2]
    assert other.json("GET", f"/web/rows?name=alps&ids={job.id}") == {
        "project": "alps",
        "rows": [],
        "fresh": [],
    }
    assert other.json("POST", "/web/reconcile?name=alps")["moved"] == 0
    assert state_of(world, job) is State.AWAITING_UPLOAD


def test_projects_are_what_names_begin_with(world: MemoryWorld, visitor: Visitor) -> None:
    """The one with the newest job first; names without a `/` are together."""
    for name in ("alps/a", "plain", "alps/b/c", "sea/x"):
        initiate(world, name=name)
        world.clock.advance(1)
    found = projects.overview(world.service, "t")
    assert [(one.name, one.jobs, one.live) for one in found] == [("sea", 1, 1), ("alps", 2, 2), ("", 1, 1)]
    page = visitor("GET", "/web?project=alps")[2]
    assert page.index(">b/c<") < page.index(">a<")
    assert visitor.json("GET", "/web/project?name=")["title"] == "Without a project"
    assert "No job" in Visitor(memory_world()).sign_in()("GET", "/web")[2]


def test_every_answer_says_which_project_it_is_for(world: MemoryWorld, visitor: Visitor) -> None:
    """And has what came since, beside the rows that were asked for."""
    first, _ = initiate(world, name="alps/a")
    world.clock.advance(1)
    sea, _ = initiate(world, name="sea/a")
    cursor = (
        visitor.json("GET", "/web/project?name=alps")["rows"][0]["html"]
        .split('data-cursor="')[1]
        .split('"')[0]
    )
    world.clock.advance(1)
    second, _ = initiate(world, name="alps/b")
    answer = visitor.json("GET", f"/web/rows?name=alps&newest={cursor}&ids={first.id},{sea.id}")
    assert answer["project"] == "alps"
    assert [row["id"] for row in answer["rows"]] == [first.id]
    assert [row["id"] for row in answer["fresh"]] == [second.id]
    assert visitor("GET", "/web/rows?name=alps&newest=x")[0] == 422
    assert visitor("GET", "/web/rows?name=a%00")[0] == 404


def test_opening_takes_an_upload_that_is_there(world: MemoryWorld, visitor: Visitor) -> None:
    """And leaves one that is not, or not wholly, to its client."""
    there = put(world, name="alps/a")
    absent, _ = initiate(world, name="alps/b")
    partly, _ = initiate(world, name="alps/c", multipart_parts=2)
    assert visitor.json("POST", "/web/reconcile?name=alps") == {"project": "alps", "moved": 1}
    states = [state_of(world, job) for job in (there, absent, partly)]
    assert states == [State.QUEUED, State.AWAITING_UPLOAD, State.AWAITING_UPLOAD]


def test_opening_asks_a_store_that_hangs_once(world: MemoryWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not for each of fifty uploads; what the database alone can tell is done all the same."""
    lost = queued(world)
    for message in world.jobs_queue.receive(wait_s=0, most=9):
        world.jobs_queue.delete(message)
    world.clock.advance(6)
    for _ in range(40):
        initiate(world)
    asked = []

    def hang(key: str) -> None:
        asked.append(key)
        raise Unavailable("s3: no answer")

    monkeypatch.setattr(world.objects, "head", hang)
    assert projects.reconcile(world.service, "t", "") == 1
    assert len(asked) == 1
    assert state_of(world, lost) is State.QUEUED


def test_a_project_that_is_opened_again_meanwhile_is_reconciled_once(
    world: MemoryWorld, visitor: Visitor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another project, and the same one afterwards, are."""
    begun: list[str] = []

    def opened_meanwhile(_service: Any, _tenant: str, project: str) -> int:
        begun.append(project)
        if len(begun) == 1:
            assert visitor.json("POST", "/web/reconcile?name=alps")["moved"] == 0
            assert visitor.json("POST", "/web/reconcile?name=sea")["moved"] == 7
        return 7

    monkeypatch.setattr(projects, "reconcile", opened_meanwhile)
    assert visitor.json("POST", "/web/reconcile?name=alps")["moved"] == 7
    assert begun == ["alps", "sea"]
    assert visitor.json("POST", "/web/reconcile?name=alps")["moved"] == 7


def test_opening_announces_a_job_without_an_event(world: MemoryWorld, visitor: Visitor) -> None:
    """Once its event would have been answered; before that, and while one waits, it does not."""
    job = queued(world)
    for message in world.jobs_queue.receive(wait_s=0, most=9):
        world.jobs_queue.delete(message)

    def events() -> int:
        query = text("SELECT count(*) FROM outbox WHERE published_at IS NULL")
        return int(world.database.run(lambda c: c.execute(query).scalar_one()))

    counts = []
    for wait_s in (0.0, 6.0, 6.0):
        world.clock.advance(wait_s)
        visitor("POST", "/web/reconcile?name=")
        counts.append(events())
    assert counts == [0, 1, 1]
    assert get(world, job).state is State.QUEUED


def test_opening_takes_a_job_from_the_dead(world: MemoryWorld, visitor: Visitor) -> None:
    """Not from the living: as long as the lease holds it stays where it is."""
    _, job = claimed(world, FakeRuntime(world.clock, "boot-1"))
    visitor("POST", "/web/reconcile?name=")
    assert state_of(world, job) is State.ACTIVE
    world.clock.advance(world.service.settings.lease_s + 1)
    visitor("POST", "/web/reconcile?name=")
    assert state_of(world, job) is State.QUEUED


@pytest.mark.parametrize("defence", ["event_reconciliation", "lease_recovery"])
def test_opening_does_nothing_that_is_switched_off(defence: str) -> None:
    """A defence that is off is off for the page, too."""
    world = memory_world(defences_off=defence, reconcile_after_s=1.0)
    active = claimed(world, FakeRuntime(world.clock, "boot-1"))[1]
    waiting = queued(world)
    world.clock.advance(1000)
    moved = projects.reconcile(world.service, "t", "")
    assert moved == 1
    assert (state_of(world, active) is State.ACTIVE) is (defence == "lease_recovery")
    assert state_of(world, waiting) is State.QUEUED


def test_a_page_without_a_database_asks_again(
    world: MemoryWorld, visitor: Visitor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """503 with Retry-After, and a page that says so; the script gets the API's own answer."""

    def away(*_: Any, **__: Any) -> None:
        raise Unavailable("database: gone")

    monkeypatch.setattr(projects, "overview", away)
    status, headers, page = visitor("GET", "/web")
    assert (status, headers["retry-after"], "asks again" in page) == (503, "2", True)
    assert visitor("GET", "/web/project?name=alps")[0] == 503


def test_the_page_is_told_when_its_defence_is_off() -> None:
    """So that what happens without it can be shown in a browser."""
    off = memory_world(defences_off="page_pulls_what_is_open")
    assert 'data-pulls="all"' in Visitor(off).sign_in()("GET", "/web")[2]
    assert 'data-pulls="open"' in Visitor(memory_world()).sign_in()("GET", "/web")[2]


@pytest.mark.parametrize("name", rendering.STATIC)
def test_static_files_come_as_what_they_are(visitor: Visitor, name: str) -> None:
    """With a type that the browser need not guess; nothing else lies there."""
    status, headers, _ = visitor("GET", f"/web/static/{name}")
    assert (status, headers["x-content-type-options"]) == (200, "nosniff")
    assert headers["content-type"].startswith(rendering.STATIC[name])
    assert visitor("GET", "/web/static/..%2Froutes.py")[0] == 404


def test_a_draining_page_reads_and_does_nothing(world: MemoryWorld, visitor: Visitor) -> None:
    """Opening is refused with 503 and Retry-After; looking is not."""
    visitor.draining.on = True
    status, headers, _ = visitor("POST", "/web/reconcile?name=alps")
    assert (status, headers["retry-after"]) == (503, "1")
    assert visitor("GET", "/web/project?name=alps")[0] == 200
