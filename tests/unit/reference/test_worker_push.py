"""A worker that events are pushed to: whom it answers what."""

from __future__ import annotations

from dataclasses import replace

from reference_service import worker
from reference_service.domain import Job, State
from reference_service.fakes import FakeRuntime, MemoryWorld, memory_world
from reference_service.memory_inbox import MemoryInbox
from reference_service.ports import Unavailable
from tests.unit.reference.drive import queued, rows, state_of


def make(folder: str, **settings: object) -> tuple[MemoryWorld, worker.Worker, FakeRuntime, MemoryInbox]:
    """A worker with one slot, and its inbox."""
    world = memory_world(work_folder=folder, **{"slots": 1, **settings})  # type: ignore[arg-type]  # settings only
    inbox = MemoryInbox("http://w", world.jobs_queue)
    runtime = FakeRuntime(world.clock)
    one = worker.Worker(replace(world.service, jobs_queue=inbox), runtime)
    one.start()
    return world, one, runtime, inbox


def busy(folder: str, **settings: object) -> tuple[MemoryWorld, worker.Worker, FakeRuntime, MemoryInbox, Job]:
    """Its slot is taken, and its child lives on."""
    world, one, runtime, inbox = make(folder, **settings)
    job = queued(world)
    runtime.held = True
    first = inbox.offer({"job": job.id})
    one.step()
    assert (first.taken, state_of(world, job)) == (True, State.ACTIVE)
    return world, one, runtime, inbox, job


def test_it_says_where_it_is_pushed_to(folder: str) -> None:
    """Its row in the register has the address."""
    world, *_ = make(folder)
    assert [row["address"] for row in rows(world, "instances")] == ["http://w"]


def test_an_event_is_answered_after_the_claim(folder: str) -> None:
    """When its sender hears of it, the job is the worker's."""
    world, one, _, inbox = make(folder)
    job = queued(world)
    world.points.actions["worker.claim.committed"] = lambda: seen.append(offer.taken)
    seen: list[bool | None] = []
    offer = inbox.offer({"job": job.id})
    one.step()
    assert (seen, offer.taken) == ([None], True)


def test_without_ack_after_claim_it_is_answered_before(folder: str) -> None:
    """`ack_after_claim` off: a crash at this place loses the event."""
    world, one, _, inbox = make(folder, defences_off="ack_after_claim")
    job = queued(world)
    world.points.actions["worker.event.received"] = lambda: seen.append((offer.taken, state_of(world, job)))
    seen: list[tuple[bool | None, State]] = []
    offer = inbox.offer({"job": job.id})
    one.step()
    assert seen == [(True, State.QUEUED)]


def test_one_without_a_free_slot_refuses(folder: str) -> None:
    """Nothing waits in a worker's memory."""
    world, one, _, inbox, _ = busy(folder)
    offer = inbox.offer({"job": queued(world).id})
    one.step()
    assert offer.taken is False


def test_one_that_drains_refuses_at_once_and_finishes_its_job(folder: str) -> None:
    """The event goes elsewhere; the worker is done when nothing runs any more."""
    world, one, runtime, inbox, job = busy(folder, slots=2)
    runtime.stopping = True
    offer = inbox.offer({"job": queued(world).id})
    one.step()
    assert (offer.taken, one.done) == (False, False)
    runtime.held = False
    while not one.done:
        one.step()
    assert state_of(world, job) is State.SUCCEEDED


def test_without_that_defence_what_it_accepts_dies_with_it(folder: str) -> None:
    """`refuse_while_draining` off: the event was taken, and nobody claims its job."""
    world, one, runtime, inbox, _ = busy(folder, slots=2, defences_off="refuse_while_draining")
    runtime.stopping = True
    other = queued(world)
    offer = inbox.offer({"job": other.id})
    one.step()
    assert (offer.taken, state_of(world, other)) == (True, State.QUEUED)


def test_one_that_was_told_to_stop_at_the_event_gives_it_back(folder: str) -> None:
    """SIGTERM came between the event and its claim."""
    world, one, runtime, inbox = make(folder)
    job = queued(world)
    world.points.actions["worker.event.received"] = lambda: setattr(runtime, "stopping", True)
    offer = inbox.offer({"job": job.id})
    one.step()
    assert (offer.taken, state_of(world, job)) == (False, State.QUEUED)


def test_one_that_cannot_reach_the_database_refuses(folder: str) -> None:
    """Whoever can shall have it: its sender waits for no deadline."""
    world, one, _, inbox = make(folder)
    job = queued(world)

    def away() -> None:
        raise Unavailable("database: away")

    world.points.actions["worker.event.received"] = away
    offer = inbox.offer({"job": job.id})
    one.step()
    assert offer.taken is False
