"""What a worker that starts takes for left behind, and what it leaves to others."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.engine import Connection

from reference_service.cleanup import give_back_dead
from reference_service.domain import Job, State
from reference_service.fakes import FakeRuntime, MemoryWorld, memory_world
from reference_service.service import Service
from reference_service.store import recovery
from reference_service.store.tables import attempts, jobs
from tests.unit.reference.drive import claimed, get, moves, rows, state_of


def as_instance(world: MemoryWorld, name: str) -> Service:
    """The service as another instance has it."""
    settings = world.service.settings.model_copy(update={"instance": name})
    return replace(world.service, settings=settings)


def held(folder: str, **settings: Any) -> tuple[MemoryWorld, Job]:
    """A live worker `local` holds a job, with a lease that outlasts the test."""
    world = memory_world(work_folder=folder, instance_dead_after_s=20, lease_s=500, **settings)
    _, job = claimed(world, FakeRuntime(world.clock, "boot-1"))
    return world, job


def execute(world: MemoryWorld, statement: str) -> None:
    world.database.run(lambda connection: connection.execute(text(statement)))


def test_a_live_instances_job_is_left_alone(folder: str) -> None:
    """Another worker starts, and finds nothing to give back."""
    world, job = held(folder)
    assert give_back_dead(as_instance(world, "another"), FakeRuntime(world.clock, "boot-2")) == 0
    assert state_of(world, job) is State.ACTIVE


def test_without_care_the_living_lose_theirs(folder: str) -> None:
    """`careful_cleanup` off takes each open attempt for one that was left behind."""
    world, job = held(folder, defences_off="careful_cleanup")
    assert give_back_dead(as_instance(world, "another"), FakeRuntime(world.clock, "boot-2")) == 1
    assert state_of(world, job) is State.QUEUED


def test_cleaning_up_twice_is_cleaning_up_once(folder: str) -> None:
    """The second one finds nothing, and the job has moved, and was charged, once."""
    world, job = held(folder)
    world.clock.advance(30)
    service, runtime = as_instance(world, "another"), FakeRuntime(world.clock, "boot-2")
    assert [give_back_dead(service, runtime) for _ in range(3)] == [1, 0, 0]
    assert moves(world, job).count(("active", "queued")) == 1
    assert len(rows(world, "attempts")) == 1


def test_two_that_clean_up_at_once_give_back_once(folder: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """1. both read the list, 2. the first moves the job, 3. the second finds its token gone."""
    world, job = held(folder)
    world.clock.advance(30)
    service, runtime = as_instance(world, "another"), FakeRuntime(world.clock, "boot-2")
    seen = recovery.dead_attempts(service.store, instance="x", boot_id="x", dead_after_s=20)
    monkeypatch.setattr("reference_service.cleanup.recovery.dead_attempts", lambda *_a, **_k: seen)
    assert [give_back_dead(service, runtime), give_back_dead(service, runtime)] == [1, 0]
    assert moves(world, job).count(("active", "queued")) == 1


def test_an_instance_that_is_on_no_record_is_judged_by_when_it_began(folder: str) -> None:
    """Its row is missing: young attempts are left, old ones are given back."""
    world, job = held(folder)
    execute(world, "DELETE FROM instances")
    service, runtime = as_instance(world, "another"), FakeRuntime(world.clock, "boot-2")
    assert give_back_dead(service, runtime) == 0
    world.clock.advance(30)
    assert give_back_dead(service, runtime) == 1
    assert state_of(world, job) is State.QUEUED


def test_a_job_without_its_attempt_waits_for_its_lease(folder: str) -> None:
    """The attempts log has lost its row: nothing fails, and nobody guesses."""
    world, job = held(folder)
    execute(world, "DELETE FROM attempts")
    world.clock.advance(30)
    assert give_back_dead(as_instance(world, "another"), FakeRuntime(world.clock, "boot-2")) == 0
    assert get(world, job).state is State.ACTIVE


def test_an_attempt_of_a_job_that_is_gone_is_passed_over(folder: str) -> None:
    """A row of the attempts log whose job was removed by hand keeps nobody from starting."""
    world, _ = held(folder)
    execute(world, "DELETE FROM jobs")
    world.clock.advance(30)
    assert give_back_dead(as_instance(world, "another"), FakeRuntime(world.clock, "boot-2")) == 0


def test_as_many_as_were_left_behind_are_given_back(folder: str) -> None:
    """By one start, and not the first hundred: the leases of the rest may be long."""
    world, job = held(folder)
    for table, key in ((jobs, "id"), (attempts, "job")):
        columns = ", ".join(column.name for column in table.c if column.name != key)
        copied = (
            f"INSERT INTO {table} ({key}, {columns}) SELECT :id, {columns} FROM {table} WHERE {key} = :job"
        )
        ids = [{"id": f"j-{number}", "job": job.id} for number in range(2 * recovery.BATCH)]
        world.database.run(partial(Connection.execute, statement=text(copied), parameters=ids))
    world.clock.advance(21)
    assert give_back_dead(as_instance(world, "another"), FakeRuntime(world.clock, "boot-2")) == 201
