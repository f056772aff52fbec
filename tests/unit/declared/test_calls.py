"""Calls of a target file: over HTTP, as a program, as a function; answers, errors, what is unknown then."""

from __future__ import annotations

import json
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest

from tests.unit.declared.witness import Told
from unstuck.clock import monotonic_ns
from unstuck.errors import TargetError, UsageError
from unstuck.targets.declared import agent
from unstuck.targets.declared.agent_client import CallError
from unstuck.targets.declared.calls import Caller, find
from unstuck.targets.declared.client import Client
from unstuck.targets.declared.file import CommandCall, HttpCall, JobSource, RowsSource, Submission, TargetFile
from unstuck.targets.declared.sources import Sources
from unstuck.targets.declared.tracker import NOWHERE, Seen, Tracker
from unstuck.worlds.process.ports import free_port


class Answers(BaseHTTPRequestHandler):
    """Answers what its path says: /STATUS/BODY, with what was sent for `echo`."""

    over = threading.Event()

    def do_GET(self) -> None:
        _, status, body = unquote(self.path).split("/", 2)
        sent = self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode()
        if status == "late":
            self.over.wait(20)
        text = sent if body == "echo" else body
        self.send_response(int(status) if status.isdecimal() else 200)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text.encode())

    do_POST = do_GET  # noqa: N815  the base class's name

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  the base class's name
        """Quiet."""


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    Answers.over.clear()
    server = ThreadingHTTPServer(("127.0.0.1", 0), Answers)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
    yield server.server_address[1]
    Answers.over.set()
    server.shutdown()
    server.server_close()


@pytest.fixture
def caller(port: int) -> Caller:
    return Caller(
        address_of=lambda _: ("127.0.0.1", port),
        values_of={"api": f"127.0.0.1:{port}"}.__getitem__,
        databases={},
        agent=None,
    )


def test_a_request_goes_out_filled_in(caller: Caller) -> None:
    """In its URL, its body and its headers; the body of the answer is the answer."""
    call = HttpCall(
        url="http://{api}/200/echo", body={"job": "{job}", "n": [1, "{n}"]}, headers={"X": "{job}"}
    )
    assert json.loads(caller.perform(call, {"job": "j", "n": 2}, 5.0)) == {"job": "j", "n": [1, "2"]}


@pytest.mark.parametrize(
    ("path", "maybe", "said"),
    [
        ("404/no%20such", False, "answered 404 no such"),
        ("503/busy", True, "answered 503 busy"),
        ("302/", False, "answered 302"),
        ("late/x", True, "Read timed out"),
    ],
)
def test_errors_say_whether_it_may_have_been_done(caller: Caller, path: str, maybe: bool, said: str) -> None:
    """A refusal is definite; an error of the server and a timeout are not."""
    with pytest.raises(CallError) as caught:
        caller.perform(HttpCall(url=f"http://{{api}}/{path}"), {}, 0.3)
    assert (caught.value.maybe, said in str(caught.value)) == (maybe, True)


def test_nobody_there_is_definite(caller: Caller) -> None:
    """A connection that was refused carried nothing."""
    with pytest.raises(CallError) as caught:
        caller.perform(HttpCall(url=f"http://127.0.0.1:{free_port()}/"), {}, 1.0)
    assert not caught.value.maybe


def test_no_request_leaves_this_machine(caller: Caller) -> None:
    """Not even when a scenario's value makes the address."""
    with pytest.raises(TargetError, match=r"http: 'prod\.example' is not this machine"):
        caller.perform(HttpCall(url="http://{host}/"), {"host": "prod.example"}, 1.0)


def test_paths_find_what_they_name() -> None:
    """A field, a JSONPath, nothing; a text is JSON first."""
    assert find(None, "x") == "x"
    assert find("id", {"id": 7}) == 7
    assert find("$.a[0].id", '{"a": [{"id": "x"}]}') == "x"
    assert find("$.b", {"a": 1}) is None
    assert find("id", [1]) is None
    with pytest.raises(UsageError, match="is no JSONPath"):
        find("$.[", {})
    with pytest.raises(ValueError, match="Expecting"):
        find("$.a", "no JSON")


def rows(caller: Caller, body: str, **options: Any) -> dict[str, Seen]:
    source = RowsSource(call=HttpCall(url=f"http://{{api}}/200/{body}", method="GET"), **options)
    return Sources((source,), caller, 2.0).look(["a", "b"])


def test_rows_tell_of_many_jobs(caller: Caller) -> None:
    """A list of objects, or an object by job; a word that no map has is kept, and so is an odd holder."""
    assert rows(caller, '[{"job":"a","state":"queued","held":"lease"}]') == {
        "a": Seen(state="queued", held="lease", raw="queued"),
        "b": NOWHERE,
    }
    mapped = rows(caller, '{"a":"new","b":"odd"}', states={"new": "queued"}, says_held={"queued": "queue"})
    assert mapped["a"] == Seen(state="queued", held="queue", raw="new")
    assert mapped["b"].unmapped == "odd"
    assert rows(caller, '[{"job":"a","state":"shipped"}]')["a"].unmapped == "shipped"
    assert rows(caller, '[{"job":"a","state":"queued","held":"shelf"}]')["a"].unmapped == "held: shelf"


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ("oops", "is not JSON"),
        ("7", "no list of rows: 7"),
        ('["a"]', "no rows"),
    ],
)
def test_an_answer_without_rows_is_no_absence(caller: Caller, body: str, said: str) -> None:
    """Else every job would seem to be lost."""
    with pytest.raises(CallError, match=said):
        rows(caller, body)
    with pytest.raises(CallError, match=r"has no \$\.jobs"):
        rows(caller, '{"other":[]}', rows="$.jobs")


def test_one_call_for_each_job(caller: Caller) -> None:
    """404 and an answer without a state say nothing of it."""

    def each(path: str, state: str | None = None) -> Seen:
        source = JobSource(
            call=HttpCall(url=f"http://{{api}}/{path}", method="GET"),
            state=state,
            states={"done": "succeeded"},
        )
        return Sources((source,), caller, 2.0).look(["a"])["a"]

    assert each("200/done") == Seen(state="succeeded", raw="done")
    assert each('200/{"s":"done"}', "$.s").state == "succeeded"
    assert each('200/{"s":"done"}', "$.t") == NOWHERE
    assert each("404/x") == NOWHERE


def client_of(caller: Caller, submit: Submission, told: Told) -> Client:
    file = TargetFile(
        name="t", path=Path("t"), folder=Path(), submit=submit, observe=None,  # type: ignore[arg-type]  # not looked at
    )  # fmt: skip
    tracker = Tracker(told, now_ns=monotonic_ns, has_ledger=False, begins=False, absent="lost")
    return Client(file, caller, tracker, told)


@pytest.mark.parametrize(
    ("body", "job", "found"),
    [
        ("a-7", None, "a-7"),
        ('"a-7"', None, "a-7"),
        ('{"id":7}', "$.id", "7"),
        ('{"id":""}', "$.id", None),
        ('{"id":true}', "$.id", None),
        ("{}", "$.id", None),
        ("no JSON", "$.id", None),
        ("", None, None),
    ],
)
def test_the_id_of_a_job_is_found_or_missed(
    caller: Caller, body: str, job: str | None, found: str | None
) -> None:
    """An answer without one leaves the job unknown, since it may exist; the answer is shown."""
    told = Told()
    client = client_of(caller, Submission(call=HttpCall(url=f"http://{{api}}/200/{body}"), job=job), told)
    reply = client.call("submit", {"tag": "t", "client": "c", "values": {}})
    assert (reply.phase, reply.data.get("job")) == (("ok", found) if found else ("info", None))
    assert bool(told.of("evidence", "no_id")) is (found is None)


def test_an_id_of_ours_goes_out(caller: Caller) -> None:
    """With `chosen` the answer does not matter; each job has another."""
    told = Told()
    submit = Submission(call=HttpCall(url="http://{api}/200/echo", body="{job}"), chosen=True)
    client = client_of(caller, submit, told)
    ids = [client.call("submit", {"tag": "t", "client": "c", "values": {}}).data["job"] for _ in range(2)]
    assert len(set(ids)) == 2


def run(*words: str, timeout_s: float = 10.0) -> dict[str, Any]:
    done = agent._run({"command": [sys.executable, "-c", *words], "timeout_s": timeout_s})
    assert isinstance(done, dict)
    return done


def test_a_program_is_heard_in_bounds() -> None:
    """A flood is read to its end, so that the program never stands still, and only its begin is kept."""
    done = run("import sys; sys.stdout.write('x' * 50_000_000); sys.exit(3)")
    assert (done["code"], len(done["out"])) == (3, agent.SHOWN)


def test_a_child_that_is_left_behind_holds_up_nobody() -> None:
    """It has the pipe open still; what the program itself has printed counts."""
    before_ns = monotonic_ns()
    done = run("import subprocess; subprocess.Popen(['sleep', '5']); print('job-7')")
    assert done["out"].strip() == "job-7"
    assert monotonic_ns() - before_ns < 4_000_000_000


def test_a_function_gets_what_it_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Values that it has no parameter for are left out; one with `**` gets all."""
    (tmp_path / "shop_calls.py").write_text("def one(a): return a\ndef every(**given): return given\n")
    monkeypatch.syspath_prepend(tmp_path)
    assert agent._call({"function": "shop_calls:one", "arguments": {"a": 1, "b": 2}}) == 1
    assert agent._call({"function": "shop_calls:every", "arguments": {"a": 1, "b": 2}}) == {"a": 1, "b": 2}


def test_calls_are_data() -> None:
    """Two alike are one and the same."""
    assert CommandCall(command=("a",)) == CommandCall(command=("a",))


@pytest.mark.parametrize("path", ["/500/no", "/late/x"])
def test_an_error_shows_no_password(port: int, caller: Caller, path: str) -> None:
    """The address of a running system may have one in it: `--at api=http://me:secret@…`."""
    with pytest.raises(CallError, match=f"^GET http://127.0.0.1:{port}{path}: ") as caught:
        caller.perform(HttpCall(url=f"http://me:secret@127.0.0.1:{port}{path}", method="GET"), {}, 0.2)
    assert "secret" not in str(caught.value)
