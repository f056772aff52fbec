"""Reports to the ledger: both forms, both ways, garbage, and a job that stands at its report."""

from __future__ import annotations

import json
import socket
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.unit.declared.witness import Told
from unstuck.targets.declared.ledger import BEGIN, END, ENDED, LINE_BYTES_MAX, Ledger, parse
from unstuck.targets.declared.tracker import Record
from unstuck.targets.port import PointReached


@pytest.mark.parametrize(
    ("line", "record"),
    [
        (b"begin 7", Record(job="7", event="begin")),
        (b"end  a ", Record(job="a", event="end")),
        (b'{"event": "end", "job": 7, "key": "k"}', Record(job="7", event="end", key="k")),
        (
            b'{"event": "begin", "job": "7", "attempt": 2, "pid": 3, "process": "w-1", "at_ns": 9, "x": 0}',
            Record(job="7", event="begin", attempt=2, pid=3, process="w-1", at_ns=9),
        ),
    ],
)
def test_reports_are_read(line: bytes, record: Record) -> None:
    """Two words, or an object, whose other keys do not matter."""
    assert parse(line) == record


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (b"start 7", "event='start' must be begin or end"),
        (b"begin", "job=None must be the id of a job"),
        (b"end a b", "must be two words, or an object"),
        (b"{", "Expecting property name"),
        (b'{"event": "end"}', "job=None must be"),
        (b'{"event": "end", "job": true}', "job=True must be"),
        (b'{"event": "end", "job": "7", "pid": "x"}', "pid='x' must be a whole number"),
        (b'{"event": "end", "job": "7", "key": 1}', "key=1 must be a text"),
        (b"\xff\xfe", "can't decode"),
        (b"begin " + b"x" * LINE_BYTES_MAX, "is longer than"),
    ],
)
def test_garbage_is_refused_with_its_rule(line: bytes, said: str) -> None:
    """What is no report says why."""
    with pytest.raises(ValueError, match=said.replace("(", r"\(")):
        parse(line)


class Bench:
    """A ledger that runs, with what it took and who stands at a place."""

    def __init__(self, folder: Path, watch: frozenset[str] = frozenset()) -> None:
        self.told = Told()
        self.records: list[Record] = []
        self.standing: list[PointReached] = []
        self.stands = threading.Event()
        self.ledger = Ledger(
            file=folder / "ledger.jsonl",
            emit=self.told,
            on_record=self._take,
            watch=watch,
            on_point=self._stand,
            process_of=lambda process, _: process,
        )
        self.ledger.start()

    def _take(self, record: Record) -> bool:
        self.records.append(record)
        return True

    def _stand(self, point: PointReached) -> None:
        self.standing.append(point)
        self.stands.set()

    def write(self, data: bytes) -> None:
        with self.ledger.file.open("ab") as file:
            file.write(data)
        self.ledger.catch_up()

    def post(self, **report: object) -> int:
        host, port = self.ledger.address
        request = urllib.request.Request(f"http://{host}:{port}/ledger", json.dumps(report).encode())
        try:
            with urllib.request.urlopen(request, timeout=20) as answer:
                return int(answer.status)
        except urllib.error.HTTPError as error:
            with error:
                return error.code


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    one = Bench(tmp_path)
    yield one
    one.ledger.stop()


@pytest.fixture
def watching(tmp_path: Path) -> Iterator[Bench]:
    one = Bench(tmp_path, frozenset({BEGIN, END, ENDED}))
    yield one
    one.ledger.stop()


def test_lines_are_taken_whole(bench: Bench) -> None:
    """1. half a line is written  2. we read  3. the rest comes: one report."""
    bench.write(b"begin 7\nend")
    assert [one.event for one in bench.records] == ["begin"]
    bench.write(b" 7\n\n")
    assert [one.event for one in bench.records] == ["begin", "end"]


def test_garbage_in_the_file_is_shown_and_passed_over(bench: Bench) -> None:
    """At most five times; what follows counts."""
    bench.write(b"nonsense\n" * 9 + b"begin 7\n")
    assert len(bench.told.of("evidence", "ledger")) == 5
    assert [one.job for one in bench.records] == ["7"]


def test_a_line_without_end_is_not_kept(bench: Bench) -> None:
    """A flood without a line break is told once, and takes no memory; the next line counts."""
    for _ in range(4):
        bench.write(b"x" * LINE_BYTES_MAX)
    bench.write(b"x\nbegin 7\n")
    [problem] = bench.told.of("evidence", "ledger")
    assert problem["problem"] == f"is longer than {LINE_BYTES_MAX} bytes"
    assert [one.job for one in bench.records] == ["7"]


def test_a_file_that_was_shortened_is_told(bench: Bench) -> None:
    """Somebody began it anew: what is there now is read, and that something may be missing is said."""
    bench.write(b"begin 7\nend 7\n")
    bench.ledger.file.write_bytes(b"begin 8\n")
    bench.ledger.catch_up()
    assert [one.job for one in bench.records] == ["7", "7", "8"]
    assert "was shortened" in bench.told.of("evidence", "ledger")[0]["problem"]


def test_a_posted_report_is_answered_when_it_is_kept(bench: Bench) -> None:
    """200; 400 for garbage, and for a body that is too long."""
    assert bench.post(event="begin", job="7") == 200
    assert [one.job for one in bench.records] == ["7"]
    assert bench.post(event="stop", job="7") == 400
    assert bench.post(event="end", job="7", key="x" * LINE_BYTES_MAX) == 400


def test_a_job_stands_at_its_report_until_it_is_let_go(watching: Bench) -> None:
    """The begin is kept before the job stands there; the answer comes when it may go on."""
    answers: list[int] = []
    posting = threading.Thread(
        target=lambda: answers.append(watching.post(event="begin", job="7", process="w-1", pid=1))
    )
    posting.start()
    assert watching.stands.wait(20)
    [point] = watching.standing
    assert (point.point, point.job, point.process, answers) == (BEGIN, "7", "w-1", [])
    assert [one.event for one in watching.records] == ["begin"]
    point.answer({"do": "go"})
    posting.join(20)
    assert answers == [200]


def test_who_dies_at_its_end_has_had_no_effect(watching: Bench) -> None:
    """1. the job reports its end, and stands there  2. it is killed  3. it is let go: nothing is applied."""
    body = json.dumps({"event": "end", "job": "7", "process": "w-1", "pid": 1}).encode()
    with socket.create_connection(watching.ledger.address) as client:
        head = f"POST /ledger HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n\r\n"
        client.sendall(head.encode() + body)
        assert watching.stands.wait(20)
    [point] = watching.standing
    gone = threading.Event()
    for _ in range(200):
        if point.gone():
            break
        gone.wait(0.02)
    assert point.gone()
    point.answer({"do": "go"})
    watching.ledger.stop()
    assert watching.records == []


def test_a_report_without_a_process_stands_nowhere(watching: Bench) -> None:
    """Nobody knows whom to strike there: it is kept and answered at once."""
    assert watching.post(event="begin", job="7") == 200
    assert watching.standing == []
