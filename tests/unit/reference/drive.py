"""Steps that many tests of the service take, over a world in memory."""

from __future__ import annotations

from typing import Any

from sqlalchemy import text

from reference_service import relay, uploads, worker
from reference_service.domain import Job, State
from reference_service.fakes import FakeRuntime, MemoryWorld
from reference_service.ports import ChildEnd
from reference_service.store import lifecycle

VIDEO = b"a video"
KILLED = ChildEnd(exit_code=None, signal=9, result=None, peak_rss_bytes=7, oom_kills=0)


def initiate(world: MemoryWorld, **given: Any) -> tuple[Job, uploads.UploadTarget]:
    values = {"tenant": "t", "name": "v.mp4", "size_bytes": len(VIDEO), **given}
    return uploads.initiate(world.service, **values)


def put(world: MemoryWorld, **given: Any) -> Job:
    """A job whose object is there and which nobody completed."""
    job, target = initiate(world, **given)
    assert target.url is not None
    world.objects.client_put(target.url, VIDEO)
    return job


def queued(world: MemoryWorld) -> Job:
    """A job in `queued` whose event is in the queue."""
    job = uploads.complete(world.service, put(world))
    relay.publish(world.service)
    return job


def claimed(world: MemoryWorld, runtime: FakeRuntime) -> tuple[worker.Worker, Job]:
    """A worker that holds a job whose child has not lived yet."""
    job = queued(world)
    one = worker.Worker(world.service, runtime)
    one.start()
    runtime.held = True
    one.step()
    runtime.held = False
    assert state_of(world, job) is State.ACTIVE
    return one, get(world, job)


def make(world: MemoryWorld, name: str = "boot-1") -> tuple[worker.Worker, FakeRuntime]:
    """A worker that has started, and what it runs on."""
    runtime = FakeRuntime(world.clock, name)
    one = worker.Worker(world.service, runtime)
    one.start()
    return one, runtime


def work_until_idle(world: MemoryWorld, one: worker.Worker, steps: int = 12) -> None:
    """Lets worker and relay take turns."""
    for _ in range(steps):
        one.step()
        relay.publish(world.service)


def get(world: MemoryWorld, job: Job) -> Job:
    found = lifecycle.get_job(world.service.store, job.id)
    assert found is not None
    return found


def state_of(world: MemoryWorld, job: Job) -> State:
    return get(world, job).state


def moves(world: MemoryWorld, job: Job) -> list[tuple[str | None, str]]:
    """The job's transitions in order."""
    statement = text("SELECT from_state, to_state FROM transitions WHERE job = :job ORDER BY id")
    return world.database.run(lambda c: [tuple(row) for row in c.execute(statement, {"job": job.id})])


def rows(world: MemoryWorld, table: str) -> list[Any]:
    return world.database.run(lambda c: list(c.execute(text(f"SELECT * FROM {table}")).mappings()))
