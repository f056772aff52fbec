"""Processes with wall clocks of their own: what shifts with them, and what stays as it is."""

from __future__ import annotations

import itertools
import json
import os
import select
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Self

import pytest

from unstuck.worlds.process import wall_clock
from unstuck.worlds.process.wall_clock import WallClocks

pytestmark = pytest.mark.process

HOUR_S = 3600.0
SLACK_S = 600.0  # the machine may be busy; no test takes so long
LATE_MS = 5000.0  # likewise, for waits of some milliseconds
WITHIN_S = 30.0

CLOCKS = """
import json, os, time
def clocks():
    return [time.time(), time.monotonic(), time.clock_gettime(time.CLOCK_BOOTTIME),
            time.clock_gettime(5), time.time_ns() / 1e9]
"""  # 5 is CLOCK_REALTIME_COARSE, for which Python has no name
WAITS = """
import asyncio, json, queue, select, sys, threading, time
def took(wait):
    began = time.monotonic()
    wait()
    return time.monotonic() - began
event, condition, lock = threading.Event(), threading.Condition(), threading.Lock()
lock.acquire()
def in_condition():
    with condition:
        condition.wait(0.2)
def in_queue():
    try:
        queue.Queue().get(timeout=0.2)
    except queue.Empty:
        pass
time.time()
print(json.dumps({
    "Event.wait": took(lambda: event.wait(0.2)),
    "Condition.wait": took(in_condition),
    "Lock.acquire": took(lambda: lock.acquire(timeout=0.2)),
    "Queue.get": took(in_queue),
    "time.sleep": took(lambda: time.sleep(0.2)),
    "asyncio.sleep": took(lambda: asyncio.run(asyncio.sleep(0.2))),
    "select": took(lambda: select.select([], [], [], 0.2)),
}))
"""
WALL_WAITS = {
    "by_gettimeofday",
    "wall_condition",
    "wall_mutex",
    "wall_rwlock",
    "wall_semaphore",
    "wall_sleep",
    "wall_timer",
}
MONOTONIC_WAITS = {"monotonic_condition", "monotonic_semaphore", "monotonic_timer"}


@pytest.fixture(scope="module")
def waits(tmp_path_factory: pytest.TempPathFactory, library: Path) -> Path:
    """The program that waits in all the ways of the C library."""
    program = tmp_path_factory.mktemp("waits") / "waits"
    source = Path(__file__).parent / "programs/clock_waits.c"
    compiler = next(found for name in wall_clock.COMPILERS if (found := shutil.which(name)))
    subprocess.run([compiler, "-Wall", "-Werror", "-o", program, source, "-pthread"], check=True)
    return program


@pytest.fixture
def clocks(library: Path, tmp_path: Path) -> Iterator[WallClocks]:
    made = WallClocks(library, tmp_path)
    made.environment("one", {})  # from here on it can be set
    yield made
    made.close()


def environment(clocks: WallClocks, name: str = "one") -> Mapping[str, str]:
    return {**os.environ, **clocks.environment(name, {})}


def python(clocks: WallClocks, program: str) -> Any:
    command = [sys.executable, "-c", program]
    said = subprocess.run(
        command, env=environment(clocks), stdout=subprocess.PIPE, check=True, timeout=WITHIN_S
    )
    return json.loads(said.stdout)


def waited(clocks: WallClocks, program: Path, ms: int) -> dict[str, tuple[int, float]]:
    """name -> (outcome, ms that it took)."""
    said = subprocess.run(
        [program, str(ms)],
        env=environment(clocks),
        stdout=subprocess.PIPE,
        text=True,
        check=True,
        timeout=WITHIN_S,
    )
    rows = [line.split() for line in said.stdout.splitlines()]
    return {name: (int(outcome), float(took)) for name, outcome, took in rows}


class Program:
    """A process of ours that answers each line with what its clocks show."""

    def __init__(self, clocks: WallClocks, program: str, name: str = "one") -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-u", "-c", program],
            env=environment(clocks, name), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.communicate()

    def ask(self) -> Any:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write("\n")
        self._process.stdin.flush()
        return json.loads(self._process.stdout.readline())


ANSWERING = CLOCKS + "import sys\nfor _ in sys.stdin: print(json.dumps(clocks()))\n"
FORKING = (
    CLOCKS
    + """
import sys
for _ in sys.stdin:
    if os.fork() == 0:
        print(json.dumps(clocks()))
        os._exit(0)
    os.wait()
"""
)


def test_only_the_wall_clock_shifts(clocks: WallClocks) -> None:
    """By an hour, in each way to read it; the monotonic clock and the time since boot are the machine's."""
    assert python(clocks, CLOCKS + "print(json.dumps(clocks()))")[0] == pytest.approx(
        time.time(), abs=SLACK_S
    )
    clocks.set("one", offset_s=HOUR_S, drift_ppm=0)
    wall, monotonic, boot, coarse, ns = python(clocks, CLOCKS + "print(json.dumps(clocks()))")
    for ahead in (wall, coarse, ns):
        assert ahead - time.time() == pytest.approx(HOUR_S, abs=SLACK_S)
    assert monotonic == pytest.approx(time.monotonic(), abs=SLACK_S)
    assert boot == pytest.approx(time.clock_gettime(time.CLOCK_BOOTTIME), abs=SLACK_S)


def test_a_process_without_a_file_behaves_as_always(library: Path, tmp_path: Path) -> None:
    """Neither without the variable, nor with one that names no such file, is there any change."""
    (tmp_path / "other").write_bytes(b"x" * 4096)
    for variable in ({}, {wall_clock.VARIABLE: "/nowhere"}, {wall_clock.VARIABLE: str(tmp_path / "other")}):
        said = subprocess.run(
            [sys.executable, "-c", "import time; print(time.time())"],
            env={**os.environ, "LD_PRELOAD": str(library), **variable}, stdout=subprocess.PIPE, check=True,
        )  # fmt: skip
        assert float(said.stdout) == pytest.approx(time.time(), abs=SLACK_S)


def test_the_clock_changes_while_the_process_runs(clocks: WallClocks) -> None:
    """It jumps ahead, behind, and back; each time it is seen that it was read, and not before."""
    with Program(clocks, ANSWERING) as program:
        assert program.ask()[0] == pytest.approx(time.time(), abs=SLACK_S)
        assert not clocks.is_seen("one")
        for offset_s in (
            HOUR_S,
            -24 * HOUR_S,
            0.0,
            *range(10_000, 500_000, 10_000),
        ):  # more than a file has slots
            clocks.set("one", offset_s=offset_s, drift_ppm=0)
            assert not clocks.is_seen("one")
            assert program.ask()[0] - time.time() == pytest.approx(offset_s, abs=SLACK_S)
            assert clocks.is_seen("one")


def test_a_clock_drifts_from_when_it_was_set(clocks: WallClocks) -> None:
    """At a million ppm it is twice as fast, at a million less it stands still. It begins at the real time."""
    with Program(clocks, ANSWERING) as program:
        for drift_ppm, pace in ((1e6, 2.0), (-5e5, 0.5), (-1e6, 0.0)):
            clocks.set("one", offset_s=0, drift_ppm=drift_ppm)
            wall, monotonic, *_ = program.ask()
            time.sleep(0.6)  # a clock of the wrong pace is 0.3 s off
            later, monotonic_later, *_ = program.ask()
            passed_s = monotonic_later - monotonic
            # Between its two clocks a process may be put aside; both readings are so wide.
            assert later - wall == pytest.approx(pace * passed_s, abs=0.15)
            assert later == pytest.approx(time.time(), abs=SLACK_S)


def test_forked_children_have_the_clock_of_their_parent(clocks: WallClocks) -> None:
    """As they are, and as it is changed afterwards: a pool's workers are forked before anything is done."""
    with Program(clocks, FORKING) as program:
        for offset_s in (HOUR_S, -HOUR_S):
            clocks.set("one", offset_s=offset_s, drift_ppm=0)
            assert program.ask()[0] - time.time() == pytest.approx(offset_s, abs=SLACK_S)
            assert clocks.is_seen("one")


def test_programs_that_it_starts_have_the_clock_too(clocks: WallClocks) -> None:
    """A shell and what it calls: the environment goes on to them."""
    clocks.set("one", offset_s=24 * HOUR_S, drift_ppm=0)
    said = subprocess.run(
        ["sh", "-c", "date +%s"], env=environment(clocks), stdout=subprocess.PIPE, check=True
    )
    assert int(said.stdout) - time.time() == pytest.approx(24 * HOUR_S, abs=SLACK_S)


def test_each_process_has_its_own_clock(clocks: WallClocks) -> None:
    """One is ahead, and its neighbour knows nothing of it."""
    clocks.set("one", offset_s=HOUR_S, drift_ppm=0)
    with Program(clocks, ANSWERING, "one") as one, Program(clocks, ANSWERING, "two") as two:
        assert one.ask()[0] - time.time() == pytest.approx(HOUR_S, abs=SLACK_S)
        assert two.ask()[0] - time.time() == pytest.approx(0, abs=SLACK_S)
        assert not clocks.is_seen("two")


@pytest.mark.parametrize("offset_s", [HOUR_S, -HOUR_S], ids=["ahead", "behind"])
def test_pythons_waits_are_as_long_as_ever(clocks: WallClocks, offset_s: float) -> None:
    """Events, conditions, locks, queues, sleeps and asyncio: none ends at once, none hangs."""
    clocks.set("one", offset_s=offset_s, drift_ppm=0)
    took = python(clocks, WAITS)
    assert clocks.is_seen("one")
    for name, took_s in took.items():
        assert 0.19 <= took_s < LATE_MS / 1e3, name


@pytest.mark.parametrize("offset_s", [HOUR_S, -365 * 24 * HOUR_S], ids=["ahead", "behind"])
def test_waits_until_a_moment_of_a_shifted_clock_are_as_long_as_asked(
    clocks: WallClocks, waits: Path, offset_s: float
) -> None:
    """Whatever the C library has: now and 150 ms of the shifted clock is in 150 ms, longer than a slice."""
    clocks.set("one", offset_s=offset_s, drift_ppm=0)
    found = waited(clocks, waits, 150)
    assert clocks.is_seen("one")
    assert set(found) == WALL_WAITS | MONOTONIC_WAITS
    for name, (outcome, took_ms) in found.items():
        assert 149 <= took_ms < LATE_MS, name
        assert outcome in {0, 1, 110}, name  # slept, one expiry, ETIMEDOUT


def test_waits_until_a_moment_of_a_slow_clock_take_longer(clocks: WallClocks, waits: Path) -> None:
    """At half the pace 150 ms of the wall clock are 300; what waits by the monotonic clock does not care."""
    clocks.set("one", offset_s=0, drift_ppm=-500_000)
    found = waited(clocks, waits, 150)
    for name in WALL_WAITS:
        assert 295 <= found[name][1] < LATE_MS, name
    for name in MONOTONIC_WAITS:
        assert 149 <= found[name][1] < LATE_MS, name


def test_a_wait_ends_when_the_clock_jumps_past_its_moment(clocks: WallClocks, waits: Path) -> None:
    """As it does when the machine's clock is set; all but the kernel's own timer."""
    process = subprocess.Popen([waits, "60000"], env=environment(clocks), stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        # It jumps again and again: whenever the wait begins, a jump comes after that.
        jumps = itertools.count(1)
        while not select.select([process.stdout], [], [], 0.2)[0]:
            clocks.set("one", offset_s=next(jumps) * HOUR_S, drift_ppm=0)
        name, outcome, took_ms = process.stdout.readline().split()
        assert (name, int(outcome)) == ("wall_condition", 110)
        assert float(took_ms) < 30_000
    finally:
        process.kill()
        process.communicate()


def test_a_library_is_compiled_once(library: Path) -> None:
    """Who asks again for the same folder gets the same file, untouched."""
    before = library.stat().st_mtime_ns
    assert wall_clock.compile_shim(library.parent) == library
    assert library.stat().st_mtime_ns == before


def test_what_was_preloaded_anyway_still_is(clocks: WallClocks, library: Path) -> None:
    """An allocator that a role preloads comes after ours."""
    assert (
        clocks.environment("one", {"LD_PRELOAD": "/lib/other.so"})["LD_PRELOAD"] == f"{library}:/lib/other.so"
    )


def test_a_static_program_keeps_the_real_time_and_that_is_noticed(clocks: WallClocks, tmp_path: Path) -> None:
    """Nothing can be preloaded into it: its clock is never seen to be read, so that no fault lands."""
    source = tmp_path / "static.c"
    source.write_text(
        '#include <stdio.h>\n#include <time.h>\nint main() { printf("%ld", (long)time(NULL)); }\n'
    )
    compiler = next(found for name in wall_clock.COMPILERS if (found := shutil.which(name)))
    if subprocess.run([compiler, "-static", "-o", tmp_path / "static", source], check=False).returncode != 0:
        pytest.skip("no static C library to link with")
    clocks.set("one", offset_s=HOUR_S, drift_ppm=0)
    said = subprocess.run([tmp_path / "static"], env=environment(clocks), stdout=subprocess.PIPE, check=True)
    assert int(said.stdout) - time.time() == pytest.approx(0, abs=SLACK_S)
    assert not clocks.is_seen("one")
