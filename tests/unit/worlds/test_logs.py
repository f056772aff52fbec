"""A long log is cut down in its middle, in place, while its process goes on writing."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from unstuck.worlds.process import logs
from unstuck.worlds.process.readiness import LineProbe


@pytest.fixture
def log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(logs, "LOG_BYTES_MAX", 1000)
    monkeypatch.setattr(logs, "HEAD_BYTES", 100)
    monkeypatch.setattr(logs, "TAIL_BYTES", 200)
    return tmp_path / "log"


def lines(first: int, last: int) -> bytes:
    return b"".join(b"line %05d\n" % number for number in range(first, last))  # 11 bytes each


def test_a_short_log_is_left_alone(log: Path) -> None:
    """Up to the limit nothing happens to it."""
    log.write_bytes(b"x" * 1000)
    assert logs.cut_down(str(log)) is None
    assert log.read_bytes() == b"x" * 1000


def test_begin_and_end_are_kept(log: Path) -> None:
    """With whole lines at the end, and a line in between that says how much is missing."""
    log.write_bytes(lines(0, 200))
    cut = logs.cut_down(str(log))
    assert cut is not None
    dropped = cut.dropped
    text = log.read_bytes()
    assert text.startswith(lines(0, 9))
    assert text.endswith(lines(182, 200))
    assert f"\n[unstuck] {dropped} bytes in the middle of this log are missing".encode() in text
    kept = 100 + len(lines(182, 200))
    assert dropped == 200 * 11 - kept


def test_a_place_in_the_log_is_found_again(log: Path) -> None:
    """In its head and in its tail; of what was dropped, where it goes on."""
    log.write_bytes(lines(0, 200))
    cut = logs.cut_down(str(log))
    assert cut is not None
    text = log.read_bytes()
    assert cut.place_of(11) == 11
    assert text[cut.place_of(190 * 11) :].startswith(b"line 00190\n")
    assert text[cut.place_of(100 * 11) :].startswith(b"line 00182\n")
    assert cut.place_of(200 * 11) == len(text)


@pytest.mark.parametrize(("before", "after"), [(5, 187), (150, 3)])
def test_a_predecessors_line_makes_nobody_ready(before: int, after: int, log: Path) -> None:
    """1. one says that it is ready, and ends  2. the next one starts  3. its log is cut while it does."""
    log.write_bytes(lines(0, before) + b"ready\n" + lines(0, after))
    started_at = log.stat().st_size
    probe = LineProbe(str(log), started_at, "ready")
    with log.open("ab") as file:
        file.write(lines(0, 2) + b"rea")
    assert not probe.ready()
    cut = logs.cut_down(str(log))
    assert cut is not None
    probe.was_cut(cut)
    assert not probe.ready()
    with log.open("ab") as file:
        file.write(b"dy\n")
    assert probe.ready()
    assert log.read_bytes()[cut.place_of(started_at) :] == lines(0, 2) + b"ready\n"


def test_what_is_missing_adds_up(log: Path) -> None:
    """A log that grows long again is cut again; the count goes on."""
    log.write_bytes(lines(0, 200))
    first = logs.cut_down(str(log))
    assert first is not None
    with log.open("ab") as file:
        file.write(lines(200, 400))
    second = logs.cut_down(str(log), first.dropped)
    assert second is not None
    assert second.dropped > first.dropped
    assert log.read_bytes().endswith(lines(382, 400))
    assert log.read_bytes().count(b"[unstuck]") == 1


def test_who_writes_goes_on_at_the_new_end(log: Path) -> None:
    """1. a process has the log open  2. it is cut  3. the process writes: no hole, nothing in between."""
    file = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    try:
        os.write(file, lines(0, 200))
        logs.cut_down(str(log))
        os.write(file, b"after\n")
    finally:
        os.close(file)
    text = log.read_bytes()
    assert text.endswith(lines(199, 200) + b"after\n")
    assert b"\0" not in text


def test_a_line_without_end_is_kept_as_it_is(log: Path) -> None:
    """There is no whole line to begin with."""
    log.write_bytes(b"x" * 5000)
    logs.cut_down(str(log))
    assert log.read_bytes().endswith(b"x" * 200)


def test_a_log_that_is_gone_is_an_error(log: Path) -> None:
    """Whoever supervises the process passes over it."""
    with pytest.raises(FileNotFoundError):
        logs.cut_down(str(log))
