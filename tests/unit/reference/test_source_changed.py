"""A worker takes the object that completion verified, and no other."""

from __future__ import annotations

from reference_service import relay, uploads
from reference_service.domain import Reason, State
from reference_service.fakes import memory_world
from tests.unit.reference.drive import VIDEO, get, initiate, make, state_of, work_until_idle


def test_an_upload_that_is_overwritten_after_its_completion_is_not_worked_on(folder: str) -> None:
    """The URL is still good: the job fails at once, since it was another object that was verified."""
    world = memory_world(work_folder=folder)
    job, target = initiate(world)
    assert target.url is not None
    world.objects.client_put(target.url, VIDEO)
    uploads.complete(world.service, job)
    relay.publish(world.service)
    world.objects.client_put(target.url, VIDEO.swapcase())
    one, _ = make(world)
    work_until_idle(world, one)
    done = get(world, job)
    assert (done.state, done.reason, done.attempt) == (State.FAILED, Reason.SOURCE_CHANGED, 1)
    assert world.sink.reports == []


def test_the_same_upload_put_again_changes_nothing(folder: str) -> None:
    """A client that retries its PUT after the completion has put the same object."""
    world = memory_world(work_folder=folder)
    job, target = initiate(world)
    assert target.url is not None
    world.objects.client_put(target.url, VIDEO)
    uploads.complete(world.service, job)
    relay.publish(world.service)
    world.objects.client_put(target.url, VIDEO)
    one, _ = make(world)
    work_until_idle(world, one)
    assert state_of(world, job) is State.SUCCEEDED
