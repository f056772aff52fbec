"""The recorded history: appended whole, read back checked."""

from __future__ import annotations

import errno
import gc
import json
import os
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

from unstuck.errors import HarnessError, UsageError
from unstuck.history import Event, Recorder, read_history

MOVE: dict[str, Any] = {"from": None, "to": "queued", "attempt": 0, "token": 0}


def row(number: int, **changes: Any) -> dict[str, Any]:
    return {
        "i": number, "t": 5, "kind": "evidence", "phase": None, "job": None, "process": None, "data": {},
        **changes,
    }  # fmt: skip


def written(path: Path, *rows: Any) -> Path:
    path.write_text("".join(f"{json.dumps(each)}\n" for each in rows))
    return path


def test_what_was_recorded_is_read_back(tmp_path: Path) -> None:
    """Numbers from 0, times since the start, and every field as it was given."""
    path = tmp_path / "history.jsonl"
    recorder = Recorder(path, 100)
    events = [
        recorder.record("run", "start", at_ns=100, scenario="sigterm-mid-job"),
        recorder.record("transition", job="j-ö", at_ns=90, **MOVE),
        recorder.record("process", "exit", process="worker-1", at_ns=250, code=None, took_s=0.5),
    ]
    recorder.close()
    recorder.close()
    history = read_history(path)
    assert history.events == tuple(events)
    assert history.cut is None
    assert [event.at_ns for event in history.events] == [0, -10, 150]


def test_without_a_time_an_event_is_stamped_now(tmp_path: Path) -> None:
    """By the run's own clock, which the sim brings along."""
    recorder = Recorder(tmp_path / "h.jsonl", 7, now_ns=lambda: 10)
    assert recorder.record("run", "start").at_ns == 3
    recorder.close()


def test_an_empty_file_is_an_empty_history(tmp_path: Path) -> None:
    """A run that was killed before its first event has no events."""
    Recorder(tmp_path / "h.jsonl", 0).close()
    assert read_history(tmp_path / "h.jsonl").events == ()


def test_threads_may_record_at_once(tmp_path: Path) -> None:
    """Numbers have no gaps, lines are whole, and subscribers get every event in order."""
    path = tmp_path / "h.jsonl"
    recorder = Recorder(path, 0)
    got: list[int] = []
    recorder.subscribe(lambda event: got.append(event.number))

    def work() -> None:
        for _ in range(200):
            recorder.record("evidence", text="x" * 100)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    recorder.close()
    assert len(read_history(path).events) == 800
    assert got == list(range(800))


def test_a_subscriber_may_record(tmp_path: Path) -> None:
    """Its events come after, for every subscriber in the same order."""
    recorder = Recorder(tmp_path / "h.jsonl", 0)
    first: list[str] = []
    second: list[str] = []

    def answer(event: Event) -> None:
        first.append(event.kind)
        if event.kind == "question":
            recorder.record("answer")

    recorder.subscribe(answer)
    recorder.subscribe(lambda event: second.append(event.kind))
    recorder.record("question")
    recorder.close()
    assert first == second == ["question", "answer"]


def test_a_subscriber_that_crashes_stops_nobody_else(tmp_path: Path) -> None:
    """Its error reaches who recorded; the event is written, and the next ones are delivered."""
    recorder = Recorder(tmp_path / "h.jsonl", 0)
    got: list[int] = []

    def crash_once(event: Event) -> None:
        if event.number == 0:
            raise ValueError("boom")
        got.append(event.number)

    recorder.subscribe(crash_once)
    with pytest.raises(ValueError, match="boom"):
        recorder.record("evidence")
    recorder.record("evidence")
    recorder.close()
    assert got == [1]
    assert len(read_history(tmp_path / "h.jsonl").events) == 2


def test_after_close_events_are_only_handed_on(tmp_path: Path) -> None:
    """A late thread does no harm to a closed file."""
    recorder = Recorder(tmp_path / "h.jsonl", 0)
    recorder.record("evidence")
    recorder.close()
    got: list[Event] = []
    recorder.subscribe(got.append)
    recorder.record("evidence")
    assert len(got) == 1
    assert len(read_history(tmp_path / "h.jsonl").events) == 1


def test_a_kill_loses_at_most_the_last_line(tmp_path: Path) -> None:
    """What was recorded before a kill -9 is in the file, without any flush or close."""
    path = tmp_path / "h.jsonl"
    program = (
        "import os, sys, pathlib\n"
        "from unstuck.history import Recorder\n"
        "recorder = Recorder(pathlib.Path(sys.argv[1]), 0)\n"
        "for n in range(50): recorder.record('evidence', n=n)\n"
        "os.kill(os.getpid(), 9)\n"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    ended = subprocess.run([sys.executable, "-c", program, str(path)], env=environment, check=False)
    assert ended.returncode == -9
    assert [event.data["n"] for event in read_history(path).events] == list(range(50))


@pytest.mark.parametrize(
    ("number", "words"),
    [
        (errno.ENOSPC, "Free some space"),
        (errno.EFBIG, "Free some space"),  # a quota of the shell's (`ulimit -f`)
        (errno.EIO, "Look at the disk"),
    ],
)
def test_a_full_disk_is_one_error_and_no_corruption(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, words: str
) -> None:
    """The half line is taken back; later events reach subscribers only, and raise nothing more.

    It is the disk that is at fault and not Unstuck: a usage error, exit 2.
    """
    path = tmp_path / "h.jsonl"
    recorder = Recorder(path, 0)
    recorder.record("evidence")
    real = os.write
    calls: list[int] = []

    def write(file: int, line: bytes) -> int:
        calls.append(len(line))
        if len(calls) == 1:
            return real(file, line[:5])  # as much as fitted
        raise OSError(number, os.strerror(number))

    got: list[Event] = []
    recorder.subscribe(got.append)
    with monkeypatch.context() as patched:
        patched.setattr(os, "write", write)
        with pytest.raises(UsageError, match=words):
            recorder.record("evidence")
    recorder.record("evidence")
    recorder.close()
    assert [event.number for event in got] == [1, 2]
    assert recorder.failure is not None
    history = read_history(path)
    assert (len(history.events), history.cut) == (1, None)


@pytest.mark.parametrize("value", [float("nan"), object(), {1, 2}])
def test_what_json_cannot_hold_is_refused(tmp_path: Path, value: object) -> None:
    """Before it is numbered, so that the history stays whole."""
    recorder = Recorder(tmp_path / "h.jsonl", 0)
    with pytest.raises(HarnessError, match="holds what JSON cannot"):
        recorder.record("evidence", value=value)
    recorder.record("evidence")
    recorder.close()
    assert len(read_history(tmp_path / "h.jsonl").events) == 1


def test_a_file_that_cannot_be_made_is_one_error(tmp_path: Path) -> None:
    """An old history is never written over, and a missing folder is named."""
    (tmp_path / "h.jsonl").write_text("")
    for path in (tmp_path / "h.jsonl", tmp_path / "nowhere" / "h.jsonl"):
        with pytest.raises(UsageError, match="cannot be made"):
            Recorder(path, 0)


def test_a_cut_last_line_is_left_out_and_said(tmp_path: Path) -> None:
    """Read up to there; also when what is left of the line is no UTF-8."""
    path = written(tmp_path / "h.jsonl", row(0), row(1))
    with path.open("ab") as file:
        file.write(b'{"i":2,"job":"\xc3')
    history = read_history(path)
    assert len(history.events) == 2
    assert history.cut == "line 3 is cut; read up to there"


def test_a_missing_file_is_a_matter_of_usage(tmp_path: Path) -> None:
    """With what to give instead."""
    with pytest.raises(UsageError, match=r"cannot be read .* Give the folder of a run"):
        read_history(tmp_path / "h.jsonl")


BAD: list[tuple[Any, str]] = [
    (7, "is a whole number, not an object"),
    ([], "is a list, not an object"),
    ({"i": 1}, "t is missing"),
    (row(1, extra=1), "'extra' is unknown"),
    (row(2), "i=2 must be 1: lines are missing or moved"),
    (row(True), "i=True must be 1"),
    (row(1, t=1.5), "t=1.5 must be a whole number"),
    (row(1, kind=3), "kind=3 must be text"),
    (row(1, kind=[]), "kind=[] must be text"),
    (row(1, phase=3), "phase=3 must be text or null"),
    (row(1, job=3), "job=3 must be text or null"),
    (row(1, process=[]), "process=[] must be text or null"),
    (row(1, data=[]), "data=[] must be an object"),
    (row(1, kind="transition", data=MOVE), "job=None must be text"),
    (row(1, kind="process", phase="start"), "process=None must be text"),
    (row(1, kind="transition", job="j", data={}), "data.from is missing in an event of kind='transition'"),
    (row(1, kind="transition", job="j", data={**MOVE, "token": "3"}), "data.token='3' must be a whole"),
    (row(1, kind="transition", job="j", data={**MOVE, "token": True}), "data.token=True must be a whole"),
    (row(1, kind="clock", phase="stepped", data={"by_s": None}), "data.by_s=None must be a whole number or"),
]  # fmt: skip


@pytest.mark.parametrize(("bad", "message"), BAD)
def test_a_malformed_line_is_named(tmp_path: Path, bad: Any, message: str) -> None:
    """With file and line, what is wrong, and the rule."""
    path = written(tmp_path / "h.jsonl", row(0), bad, row(2))
    with pytest.raises(UsageError) as caught:
        read_history(path)
    assert str(caught.value).startswith(f"{path}:2: {message}")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (b'{"i":1', "is not JSON"),
        (b"", "is not JSON"),
        (b"{},{}", "is not JSON"),
        (b'{"i":"\xff"}', "byte 6 is not UTF-8"),
        (b"[" * 100_000, "nested too deeply"),
    ],
)
def test_a_line_that_is_no_json_is_named(tmp_path: Path, line: bytes, message: str) -> None:
    """In the middle of a file nothing can have been cut by a crash."""
    path = tmp_path / "h.jsonl"
    path.write_bytes(json.dumps(row(0)).encode() + b"\n" + line + b"\n" + json.dumps(row(2)).encode() + b"\n")
    with pytest.raises(UsageError, match=message) as caught:
        read_history(path)
    assert str(caught.value).startswith(f"{path}:2: ")


def test_a_bad_line_far_inside_is_named(tmp_path: Path) -> None:
    """Lines are read in bulk, and still each one is told apart."""
    rows: list[Any] = [row(n) for n in range(2000)]
    rows[1234] = row(1)
    path = written(tmp_path / "h.jsonl", *rows)
    with pytest.raises(UsageError, match=r"h\.jsonl:1235: i=1 must be 1234"):
        read_history(path)


@pytest.mark.parametrize("was_on", [True, False])
def test_reading_leaves_the_collector_as_it_was(tmp_path: Path, *, was_on: bool) -> None:
    """It is paused while reading only."""
    path = written(tmp_path / "h.jsonl", row(0))
    try:
        if not was_on:
            gc.disable()
        read_history(path)
        assert gc.isenabled() is was_on
    finally:
        gc.enable()
