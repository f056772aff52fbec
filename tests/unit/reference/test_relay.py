"""The relay: at least once, and never silently dead."""

from __future__ import annotations

from typing import NoReturn

import pytest

from reference_service import relay, uploads
from reference_service.fakes import FakeRuntime, memory_world
from reference_service.ports import Unavailable
from tests.unit.reference.drive import put, rows


def test_an_event_is_published_and_marked() -> None:
    """Once in the queue, marked in the outbox and on its job."""
    world = memory_world()
    job = uploads.complete(world.service, put(world))
    assert (relay.publish(world.service), relay.publish(world.service)) == (1, 0)
    assert [body["job"] for body in world.jobs_queue.bodies()] == [job.id]
    assert rows(world, "outbox")[0]["published_at"] == world.clock.now()
    assert rows(world, "jobs")[0]["published_at"] == world.clock.now()


def test_a_crash_between_send_and_mark_sends_again() -> None:
    """At least once: it is sent first and marked then."""
    world = memory_world()
    uploads.complete(world.service, put(world))

    class Killed(BaseException):
        pass

    def kill() -> None:
        raise Killed

    world.points.actions["relay.publish.sent"] = kill
    with pytest.raises(Killed):
        relay.publish(world.service)
    world.points.actions.clear()
    assert relay.publish(world.service) == 1
    assert len(world.jobs_queue.bodies()) == 2


def test_the_loop_outlives_an_unreachable_queue() -> None:
    """It waits longer and longer, and publishes when the queue is back."""
    world = memory_world(relay_every_s=0.5)
    uploads.complete(world.service, put(world))
    world.jobs_queue.away = True
    runtime = FakeRuntime(world.clock)
    pauses: list[float] = []

    def wait(timeout_s: float) -> None:
        pauses.append(timeout_s)
        world.clock.sleep(timeout_s)
        world.jobs_queue.away = len(pauses) < 6
        runtime.stopping = len(pauses) == 8

    runtime.wait = wait  # type: ignore[method-assign]  # of this one fake
    relay.loop(world.service, runtime)
    assert max(pauses[:6]) > 2
    assert pauses[7] == 0.5
    assert len(world.jobs_queue.bodies()) == 1


def test_notifications_that_cannot_be_completed_come_again() -> None:
    """The database or the objects were away: the message is kept."""
    world = memory_world(notify=True)
    put(world)

    def away(key: str) -> NoReturn:
        raise Unavailable("objects: away")

    world.objects.head = away  # type: ignore[method-assign]  # of this one fake
    with pytest.raises(Unavailable):
        relay.take_notifications(world.service)
    assert len(world.uploads_queue.bodies()) == 1
