"""File descriptors: how many jobs find room, and what becomes of one that runs out of them."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from pathlib import Path

import pytest

from reference_service import descriptors
from reference_service.breaker import VISION, Breaker
from reference_service.domain import State
from reference_service.execution import execute
from reference_service.fake_runtime import FakeChild
from reference_service.fakes import FakeRuntime, MemoryWorld, memory_world
from reference_service.ports import Unavailable
from reference_service.room import Room
from reference_service.store import breakers
from tests.unit.reference.drive import claimed, get, make, queued, rows, state_of, work_until_idle

NONE_LEFT = OSError(errno.EMFILE, "Too many open files")


def stopper() -> FakeChild:
    return FakeChild(lambda _: {}, None)


def test_what_is_open_is_counted_against_the_limit() -> None:
    """Of this very process, without the descriptor that the look takes; at the limit nothing is left."""
    code = (
        "import os, resource\n"
        "from reference_service import descriptors, open_files\n"
        "resource.setrlimit(resource.RLIMIT_NOFILE, (40, 40))\n"
        "before = open_files.in_use()\n"
        "os.dup(0)\n"
        "print(before[1], open_files.in_use()[0] - before[0])\n"
        "try:\n"
        "    while True: os.dup(0)\n"
        "except OSError: pass\n"
        "print(open_files.in_use())\n"
        "try: descriptors.check()\n"
        "except OSError as error: print(type(error).__name__)\n"
    )
    root = Path(descriptors.__file__).parents[1]
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "PYTHONPATH": str(root)},
        capture_output=True,
        text=True,
        check=True,
        stdin=subprocess.DEVNULL,
    )
    assert done.stdout.splitlines() == ["40 1", "(40, 40)", "OutOfDescriptorsError"]


@pytest.mark.parametrize(("used", "off", "taken"), [(10, "", 3), (13, "", 0), (13, "descriptor_budget", 3)])
def test_no_more_jobs_are_taken_than_find_room(folder: str, used: int, off: str, taken: int) -> None:
    """With less than the reserve none is; with the budget off nobody looks."""
    world = memory_world(work_folder=folder, slots=3, descriptors_reserve=20, defences_off=off)
    for _ in range(3):
        queued(world)
    one, runtime = make(world)
    runtime.held = True
    runtime.open = (used, 33)
    one.step()
    assert len(runtime.children) == taken


def test_as_many_as_there_is_room_for(folder: str) -> None:
    """Fewer than there are slots: the others stay in the queue."""
    world = memory_world(work_folder=folder, slots=3, descriptors_reserve=20)
    for _ in range(3):
        queued(world)
    one, runtime = make(world)
    runtime.held = True
    runtime.open = (11, 33)
    one.step()
    assert len(runtime.children) == 2


def test_a_child_that_cannot_be_started_gives_its_job_back(folder: str) -> None:
    """Uncharged, and for later; the worker lives on, and another attempt succeeds."""
    world = memory_world(work_folder=folder)
    job = queued(world)
    one, runtime = make(world)
    runtime.no_pipe = 1
    one.step()
    one.step()
    back = get(world, job)
    assert (back.state, back.charged) == (State.QUEUED, 0)
    assert back.not_before is not None
    assert [attempt["outcome"] for attempt in rows(world, "attempts")] == ["handed_back"]
    world.clock.sleep(20)
    work_until_idle(world, one)
    assert state_of(world, job) is State.SUCCEEDED


def test_without_patience_the_worker_dies_of_it(folder: str) -> None:
    """As a program does that never thought of it."""
    world = memory_world(work_folder=folder, defences_off="descriptor_patience")
    queued(world)
    one, runtime = make(world)
    runtime.no_pipe = 1
    with pytest.raises(OSError, match="Too many"):
        one.step()


def broken(world: MemoryWorld, error: Exception) -> None:
    """The next read of the source, or of a stage's file, raises that."""

    def fail(*_: object, **__: object) -> None:
        raise error

    world.objects.get_file = fail  # type: ignore[method-assign]  # a fault


@pytest.mark.parametrize("off", ["", "descriptor_patience"])
def test_an_attempt_without_descriptors_is_handed_back(folder: str, off: str) -> None:
    """For a time that doubles with each; without patience its child dies of the error."""
    world = memory_world(work_folder=folder, defences_off=off)
    _, job = claimed(world, FakeRuntime(world.clock))
    broken(world, NONE_LEFT)
    if off:
        with pytest.raises(OSError, match="Too many"):
            execute(world.service, job, stopper(), Path(folder) / "job")
        return
    report = execute(world.service, job, stopper(), Path(folder) / "job")
    assert report["outcome"] == "handed_back"
    assert report["after_s"] > 0


def test_a_connection_that_cannot_be_opened_is_not_a_dependency_that_is_away(
    folder: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Clients say only that they got no connection: so the attempt looks at its own descriptors first."""
    world = memory_world(work_folder=folder)
    _, job = claimed(world, FakeRuntime(world.clock))
    broken(world, Unavailable("objects: no connection"))
    monkeypatch.setattr(descriptors, "in_use", lambda: (250, 256))
    report = execute(world.service, job, stopper(), Path(folder) / "job")
    assert report["outcome"] == "handed_back"
    assert "250 of 256" in report["error"]


def test_descriptors_of_one_worker_do_not_open_the_breaker_for_all(
    folder: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The call failed for want of them: that says nothing of the vision API."""
    world = memory_world(work_folder=folder, breaker_failures=1)
    breaker = Breaker(world.service, VISION)

    def refuse() -> str:
        raise Unavailable("vision: [Errno 24] Too many open files")

    monkeypatch.setattr(descriptors, "in_use", lambda: (250, 256))
    with pytest.raises(descriptors.OutOfDescriptorsError):
        breaker.call(refuse)
    assert breakers.find(world.service.store, VISION) is None, "nothing was counted against it"


@pytest.mark.parametrize("number", [errno.EAGAIN, errno.ENOMEM])
def test_a_fork_that_fails_costs_neither_the_worker_nor_an_attempt(folder: str, number: int) -> None:
    """For want of memory or of processes: the job goes back, and the other jobs of the worker go on."""
    world = memory_world(work_folder=folder)
    job = queued(world)
    one, runtime = make(world)
    runtime.no_pipe, runtime.no_pipe_for = 1, number
    one.step()
    one.step()
    back = get(world, job)
    assert (back.state, back.charged) == (State.QUEUED, 0)


def test_a_time_without_descriptors_counts_once(folder: str) -> None:
    """Not once for each look at the queue; another such time counts again."""
    world = memory_world(work_folder=folder, descriptors_reserve=20)
    one, runtime = make(world)
    for used in (20, 20, 20, 1, 20, 20):
        runtime.open = (used, 33)
        one.step()
    assert "reference_descriptor_waits_total 2.0" in world.service.metrics.render().decode()


def test_a_worker_that_cannot_fork_leaves_the_jobs_to_others(folder: str) -> None:
    """It puts off what it has claimed, and rests: others find jobs that they can begin."""
    world = memory_world(work_folder=folder, slots=2, retry_first_s=5)
    jobs = [queued(world) for _ in range(20)]
    one, runtime = make(world)
    runtime.no_pipe, runtime.no_pipe_for = 10**6, errno.EAGAIN
    for _ in range(10):
        one.step()
    assert sum(get(world, job).attempt for job in jobs) <= 4
    runtime.no_pipe = 0
    world.clock.sleep(60)
    work_until_idle(world, one, steps=60)
    assert {state_of(world, job) for job in jobs} == {State.SUCCEEDED}


def test_a_rest_doubles_until_a_job_is_begun(folder: str) -> None:
    """Up to a minute; the next one begins small."""
    world = memory_world(work_folder=folder, retry_first_s=5)
    room = Room(world.service, FakeRuntime(world.clock), Path(folder))

    def rest_s() -> float:
        room.note_begun(begun=False)
        began_at = world.clock.monotonic()
        while room.most(1) == 0:
            world.clock.sleep(0.5)
        return world.clock.monotonic() - began_at

    rests = [rest_s() for _ in range(7)]
    assert 2.5 <= rests[0] <= 5.5
    assert 30 <= rests[-1] <= 60.5
    room.note_begun(begun=True)
    assert room.most(1) == 1
    assert rest_s() <= 5.5
