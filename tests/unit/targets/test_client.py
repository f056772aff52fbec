"""What a client of the reference service concludes from each kind of answer, over real sockets."""

from __future__ import annotations

import json
import socket
import struct
import threading
from collections.abc import Iterator, Mapping, Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from unstuck.targets.reference import client as module
from unstuck.targets.reference.client import Client

ANNOUNCED = {
    "job": {"id": "j-1"},
    "upload": {"url": "http://put", "parts": [{"url": "http://1"}], "expires_in_s": "20"},
}
RESET = "reset"
Answer = tuple[int, bytes] | str


class Api:
    """Answers as it was told, one answer a request, the last one for ever."""

    def __init__(self, *answers: Answer) -> None:
        self.answers = list(answers)
        self.asked: list[tuple[str, str, bytes, Mapping[str, str]]] = []
        api = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def _answer(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                api.asked.append((self.command, self.path, body, dict(self.headers)))
                answer = api.answers.pop(0) if len(api.answers) > 1 else api.answers[0]
                if isinstance(answer, str):
                    linger = struct.pack("ii", 1, 0)
                    self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
                    self.connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 900\r\n\r\n{")
                    self.close_connection = True
                    self.connection.close()
                    self.rfile.close()
                    return
                self.send_response(answer[0])
                self.send_header("Content-Length", str(len(answer[1])))
                self.send_header("Connection", "close")
                self.end_headers()
                self.wfile.write(answer[1])

            do_GET = do_POST = do_PUT = _answer  # noqa: N815  the base class's names

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002  the base class's name
                """Quiet."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.handle_error = lambda *_: None  # type: ignore[method-assign]  # a reset is meant
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"
        threading.Thread(target=self.server.serve_forever, args=(0.01,), daemon=True).start()

    def stop(self) -> None:
        self.server.shutdown()
        self.server.server_close()


class Desk:
    def __init__(self, folder: Path) -> None:
        self.apis: list[Api] = []
        self.urls: list[tuple[str, str]] = []
        self.refused: list[dict[str, Any]] = []
        self.published: list[str] = []
        self.video = folder / "tiny.mp4"
        self.video.write_bytes(b"0123456789")
        self.client = Client(
            addresses=self.addresses,
            video=lambda _: self.video,
            publish=self.published.append,
            emit=lambda *_, **facts: self.refused.append(facts),
        )

    def addresses(self) -> Sequence[tuple[str, str]]:
        return self.urls

    def api(self, *answers: Answer) -> Api:
        made = Api(*answers)
        self.apis.append(made)
        self.urls.append((f"api-{len(self.urls) + 1}", made.url))
        return made

    def nobody(self) -> None:
        """An address where nobody listens."""
        with socket.create_server(("127.0.0.1", 0)) as server:
            port = server.getsockname()[1]
        self.urls.append((f"api-{len(self.urls) + 1}", f"http://127.0.0.1:{port}"))


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Desk]:
    """Time passes only between two rounds of tries: a second each."""
    now_ns = [0]
    monkeypatch.setattr(module, "monotonic_ns", lambda: now_ns[0])
    monkeypatch.setattr(module, "sleep", lambda _: now_ns.__setitem__(0, now_ns[0] + 1_000_000_000))
    made = Desk(tmp_path)
    yield made
    made.client.close()
    for api in made.apis:
        api.stop()


def body(answer: object) -> bytes:
    return json.dumps(answer).encode()


def test_an_announcement_gives_what_a_client_needs(desk: Desk) -> None:
    """The job, where to put, until when; asked with the run's token, by tag and client."""
    api = desk.api((201, body(ANNOUNCED)))
    reply = desk.client.call(
        "initiate_upload", {"video": "tiny.mp4", "tag": "big", "client": "c-01", "parts": 2}
    )
    assert (reply.phase, reply.data) == (
        "ok",
        {"status": 201, "job": "j-1", "url": "http://put", "part_urls": ["http://1"], "deadline_in_s": 20.0},
    )
    method, path, asked, headers = api.asked[0]
    assert (method, path) == ("POST", "/jobs")
    assert json.loads(asked) == {"name": "big/c-01", "size_bytes": 10, "multipart_parts": 2}
    assert headers["Authorization"].startswith("Bearer ")


@pytest.mark.parametrize(
    "answer", [{}, {"job": {"id": "j"}}, {"job": 7, "upload": {"expires_in_s": 1}}, {"upload": 7, "job": 7}]
)
def test_an_announcement_that_tells_of_no_upload_leaves_it_open(desk: Desk, answer: object) -> None:
    """The service's nonsense is no bug of ours: the job may exist."""
    desk.api((201, body(answer)))
    reply = desk.client.call("initiate_upload", {"video": "v", "tag": "t", "client": "c"})
    assert reply.phase == "info"
    assert "does not tell of an upload" in str(reply.error)


def test_a_refused_announcement_is_passed_on(desk: Desk) -> None:
    """A definite no, in the service's own words."""
    desk.api((422, body({"detail": "too large"})))
    reply = desk.client.call("initiate_upload", {"video": "v", "tag": "t", "client": "c"})
    assert (reply.phase, reply.error) == ("fail", "too large")


@pytest.mark.parametrize(
    ("answer", "phase", "error"),
    [
        ((200, body({"state": "queued"})), "ok", None),
        ((200, b""), "ok", None),
        ((404, body({"error": "no such job"})), "fail", "no such job"),
        ((409, body({"code": 7})), "fail", "{'code': 7}"),
        ((400, body(["odd"])), "fail", "['odd']"),
        ((500, body({"error": "oops"})), "info", "oops"),
        ((302, body({})), "info", "{}"),
        ((200, b"<html>"), "info", "the answer is not JSON"),
        ((200, body([1])), "info", "the answer is no JSON object"),
        ((500, b"<html>"), "info", "the answer is not JSON"),
    ],
)
def test_an_answer_says_whether_it_was_done(
    desk: Desk, answer: Answer, phase: str, error: str | None
) -> None:
    """2xx done, 4xx definitely not, all else unknown."""
    desk.api(answer)
    reply = desk.client.call("complete_upload", {"job": "j-1"})
    assert (reply.phase, reply.error) == (phase, error)
    assert reply.data["status"] == answer[0]


def test_a_connection_that_breaks_in_the_answer_leaves_it_open(desk: Desk) -> None:
    """It was heard, and may have been done: it is not asked again."""
    api = desk.api(RESET)
    reply = desk.client.call("cancel", {"job": "j-1"})
    assert (reply.phase, "status" in reply.data) == ("info", False)
    assert len(api.asked) == 1


def test_what_one_refuses_is_asked_of_another(desk: Desk) -> None:
    """503 while draining is recorded of who said it; nobody listening is no answer at all."""
    desk.nobody()
    draining = desk.api((503, b"{}"))
    desk.api((200, body({"state": "queued"})))
    assert desk.client.call("complete_upload", {"job": "j-1"}).phase == "ok"
    assert len(draining.asked) == 1
    assert desk.refused == [{"process": "api-2", "role": "api", "status": 503, "method": "POST"}]


def test_a_refusal_is_tried_again_until_it_is_taken(desk: Desk) -> None:
    """A deploy takes a moment: 503, then success on the same address."""
    api = desk.api((503, b"{}"), (503, b"{}"), (200, b"{}"))
    assert desk.client.call("complete_upload", {"job": "j-1"}).phase == "ok"
    assert len(api.asked) == 3


def test_a_client_without_patience_goes_away(desk: Desk) -> None:
    """With `patience_s` it comes again for no longer, whatever it is told."""
    api = desk.api((503, b"{}"))
    values = {"video": "tiny.mp4", "tag": "job", "client": "c-1", "patience_s": 0}
    assert desk.client.call("initiate_upload", values).phase == "fail"
    assert len(api.asked) == 1


@pytest.mark.parametrize(
    ("prepare", "error"),
    [("draining", "503"), ("nobody", "refused"), ("none", "no API process is running")],
)
def test_a_refusal_that_goes_on_is_a_definite_no(desk: Desk, prepare: str, error: str) -> None:
    """After ten seconds the client gives up; nothing was done."""
    if prepare == "draining":
        desk.api((503, b"{}"))
    if prepare == "nobody":
        desk.nobody()
    reply = desk.client.call("complete_upload", {"job": "j-1"})
    assert reply.phase == "fail"
    assert error in str(reply.error)


@pytest.mark.parametrize(
    ("status", "phase"), [(200, "ok"), (403, "fail"), (404, "fail"), (500, "info"), (503, "info")]
)
def test_a_put_says_whether_the_object_is_there(desk: Desk, status: int, phase: str) -> None:
    """The whole video goes to the presigned URL; 5xx of a store leaves it open."""
    api = desk.api((status, b""))
    reply = desk.client.call("put_object", {"url": f"{api.url}/bucket/key?sig=1", "video": "tiny.mp4"})
    assert (reply.phase, reply.data["status"]) == (phase, status)
    assert api.asked[0][:3] == ("PUT", "/bucket/key?sig=1", b"0123456789")


def test_parts_make_the_whole(desk: Desk) -> None:
    """Each is cut from its place; the last may be shorter."""
    api = desk.api((200, b""))
    for number in (1, 2, 3):
        desk.client.call("put_part", {"url": f"{api.url}/p", "video": "v", "number": number, "of": 3})
    assert [asked[2] for asked in api.asked] == [b"0123", b"4567", b"89"]


def test_a_put_that_nobody_takes_or_answers(desk: Desk) -> None:
    """Nobody there: not done. Broken off: unknown."""
    desk.nobody()
    nobody = desk.urls[0][1]
    assert desk.client.call("put_object", {"url": nobody, "video": "v"}).phase == "fail"
    api = desk.api(RESET)
    assert desk.client.call("put_object", {"url": api.url, "video": "v"}).phase == "info"


def test_a_duplicate_event_is_published(desk: Desk) -> None:
    """By whoever knows the queue."""
    assert desk.client.call("publish_event", {"job": "j-1"}).phase == "ok"
    assert desk.published == ["j-1"]


def test_a_job_is_read_or_is_none(desk: Desk) -> None:
    """For the final look: what the API shows, or nothing."""
    desk.api((200, body({"job": {"state": "queued"}})), (404, b"{}"))
    shown = desk.client.get_job("j-1")
    assert shown is not None
    assert shown["job"] == {"state": "queued"}
    assert desk.client.get_job("j-1") is None


def test_an_unknown_action_is_a_bug_of_the_plan(desk: Desk) -> None:
    """Not an answer of the service."""
    with pytest.raises(KeyError):
        desk.client.call("dance", {})


def test_a_closed_client_sends_nothing(desk: Desk) -> None:
    """A port of this run may be another run's by then."""
    api = desk.api((200, b"{}"))
    desk.client.close()
    assert desk.client.call("complete_upload", {"job": "j-1"}).phase == "fail"
    assert desk.client.call("put_object", {"url": api.url, "video": "v"}).phase == "fail"
    assert api.asked == []


def test_a_client_that_is_closed_while_it_tries_again_gives_up(desk: Desk) -> None:
    """Its run is taken down: it must not find another one's API."""
    api = desk.api((503, b"{}"))
    desk.client._emit = lambda *_, **__: desk.client.close()
    assert desk.client.call("complete_upload", {"job": "j-1"}).error == "the run is being taken down"
    assert len(api.asked) == 1
