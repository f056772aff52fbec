"""Reports of jobs, by file and over HTTP: what is taken, and what is shown since nobody understands it."""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.unit.targets.declared.witnesses import until
from unstuck.targets.declared.ledger import Ledger, parse
from unstuck.targets.declared.tracker import Record
from unstuck.targets.port import PointReached


class Kept:
    """A ledger that runs, and what it took and told."""

    def __init__(self, folder: Path, *, watch: frozenset[str] = frozenset()) -> None:
        self.records: list[Record] = []
        self.problems: list[str] = []
        self.points: list[PointReached] = []
        self.ledger = Ledger(
            file=folder / "ledger.jsonl", emit=self._emit, on_record=self._take, watch=watch,
            on_point=self.points.append, process_of=lambda process, _: process,
        )  # fmt: skip
        self.ledger.start()

    def _emit(self, kind: str, phase: str | None = None, **data: Any) -> None:
        assert (kind, phase) == ("evidence", "ledger")
        self.problems.append(data["problem"])

    def _take(self, record: Record) -> bool:
        self.records.append(record)
        return True

    def write(self, text: str) -> None:
        with self.ledger.file.open("a", encoding="utf-8") as file:
            file.write(text)
        self.ledger.catch_up()

    def jobs(self) -> list[tuple[str, str]]:
        return [(one.event, one.job) for one in self.records]

    def post(self, body: bytes, *, length: int | None = None) -> socket.socket:
        """A connection with a request under way."""
        connection = socket.create_connection(self.ledger.address, timeout=5)
        said = len(body) if length is None else length
        head = f"POST /ledger HTTP/1.1\r\nHost: x\r\nContent-Length: {said}\r\n\r\n"
        connection.sendall(head.encode() + body)
        return connection


@pytest.fixture
def kept(tmp_path: Path) -> Iterator[Kept]:
    one = Kept(tmp_path)
    yield one
    one.ledger.stop()


def test_a_line_that_ran_into_the_next_is_shown(kept: Kept) -> None:
    """Without its newline an end and a begin are one line: it is no report of a job with an odd name."""
    kept.write("begin j-1\nend j-1begin j-2\nend j-2\n")
    assert kept.jobs() == [("begin", "j-1"), ("end", "j-2")]
    assert len(kept.problems) == 1


def test_an_id_with_spaces_needs_the_other_form() -> None:
    """A line is two words; an object says where an id begins and ends."""
    with pytest.raises(ValueError, match="two words"):
        parse(b"begin a job")
    assert parse(b'{"event": "begin", "job": "a job"}').job == "a job"


def test_a_last_line_without_its_end_is_shown(kept: Kept) -> None:
    """It may be a report, or half of one; in the end no more of it will come."""
    kept.write("begin j-1\nend j-1")
    assert kept.problems == []
    kept.ledger.finish()
    assert kept.problems == ["has no newline"]


def test_a_file_that_was_put_in_the_place_of_ours_is_told(kept: Kept) -> None:
    """What was written to the first one since it was read for the last time is not seen."""
    kept.write("begin j-1\n")
    other = kept.ledger.file.with_name("other")
    other.write_text("begin j-2\nend j-2\n", encoding="utf-8")
    os.replace(other, kept.ledger.file)
    kept.ledger.catch_up()
    assert kept.jobs() == [("begin", "j-1"), ("begin", "j-2"), ("end", "j-2")]
    assert len(kept.problems) == 1
    assert "another file" in kept.problems[0]


def test_a_posted_report_that_nobody_understands_is_shown(kept: Kept) -> None:
    """The role may not look at the answer: an effect may hide in it."""
    with kept.post(b'{"event": "finish", "job": "j-1"}') as connection:
        assert connection.recv(100).startswith(b"HTTP/1.1 400")
    assert kept.problems == ["event='finish' must be begin or end"]


def test_a_report_that_was_cut_by_a_kill_is_none(kept: Kept) -> None:
    """1. a role posts, 2. it is killed in the midst of it: it was never answered, and nobody is at fault."""
    body = json.dumps({"event": "end", "job": "j-1"}).encode()
    with kept.post(body[:10], length=len(body)) as connection:
        connection.shutdown(socket.SHUT_WR)
        assert connection.recv(100) == b""  # it has been dealt with
    with kept.post(json.dumps({"event": "begin", "job": "j-2"}).encode()) as other:
        assert other.recv(100).startswith(b"HTTP/1.1 200")
    assert kept.jobs() == [("begin", "j-2")]
    assert kept.problems == []


def test_who_is_held_when_the_run_ends_is_let_go(tmp_path: Path) -> None:
    """1. a begin is held, 2. the run ends: its thread does not outlive it."""
    one = Kept(tmp_path, watch=frozenset({"job.begin"}))
    with one.post(json.dumps({"event": "begin", "job": "j-1", "process": "worker-1"}).encode()) as held:
        until(lambda: len(one.points) == 1)
        one.ledger.stop()
        assert held.recv(100).startswith(b"HTTP/1.1 200")


def test_the_end_of_a_role_that_died_while_it_was_held_is_no_effect(tmp_path: Path) -> None:
    """1. an end is held before it counts, 2. the role is killed, 3. it is let go: nothing was applied."""
    one = Kept(tmp_path, watch=frozenset({"job.end"}))
    held = one.post(json.dumps({"event": "end", "job": "j-1", "process": "worker-1"}).encode())
    until(lambda: len(one.points) == 1)
    held.close()
    until(one.points[0].gone)
    one.points[0].answer({"do": "go"})
    one.ledger.stop()
    assert one.jobs() == []
