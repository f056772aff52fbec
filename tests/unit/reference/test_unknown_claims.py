"""What a worker makes of a claim when nobody says whether it happened."""

from __future__ import annotations

import pytest

from reference_service.domain import State
from reference_service.fakes import memory_world
from reference_service.ports import CommitUnknown, Unavailable
from reference_service.store import work
from tests.unit.reference.drive import get, make, queued, state_of, work_until_idle


def test_a_claim_whose_commit_is_unknown_is_looked_up(folder: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The commit happened and its answer was lost: the worker finds that the job is its own, and works."""
    world = memory_world(work_folder=folder)
    job = queued(world)
    one, _ = make(world)
    real = work.claim

    def claim_and_lose_the_answer(*given: object, **named: object) -> None:
        real(*given, **named)  # type: ignore[arg-type]  # passed on as given
        raise CommitUnknown("gone")

    monkeypatch.setattr(work, "claim", claim_and_lose_the_answer)
    work_until_idle(world, one)
    assert (state_of(world, job), get(world, job).attempt) == (State.SUCCEEDED, 1)


@pytest.mark.parametrize("in_vain", [1, 3])
def test_a_claim_is_looked_up_until_somebody_says(
    in_vain: int, folder: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """1. the claim's commit is not answered, nor is the question whether it happened  2. its event comes
    again, to another worker, who finds the job held  3. no lease has to run out for the job to be worked on.
    """
    world = memory_world(work_folder=folder)
    job = queued(world)
    one, _ = make(world)
    claim, find, left = work.claim, work.find_claim, [in_vain]

    def claim_and_lose_the_answer(*given: object, **named: object) -> None:
        claim(*given, **named)  # type: ignore[arg-type]  # passed on as given
        raise CommitUnknown("gone")

    def find_later(*given: object) -> object:
        left[0] -= 1
        if left[0] >= 0:
            raise Unavailable("database: it did not answer a moment ago")
        return find(*given)  # type: ignore[arg-type]  # passed on as given

    monkeypatch.setattr(work, "find_claim", find_later)
    with monkeypatch.context() as patched:
        patched.setattr(work, "claim", claim_and_lose_the_answer)
        one.step()
    began = world.clock.monotonic()
    work_until_idle(world, one)
    assert world.clock.monotonic() - began < world.service.settings.lease_s / 2
    assert (state_of(world, job), get(world, job).attempt) == (State.SUCCEEDED, 1)


def test_a_claim_that_never_happened_is_asked_about_no_longer_than_a_lease(
    folder: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Then the job is anybody's in any case."""
    world = memory_world(work_folder=folder)
    queued(world)
    one, _ = make(world)
    with monkeypatch.context() as patched:
        patched.setattr(work, "claim", lose_the_connection)
        one.step()
        assert one._in_doubt
        world.clock.advance(world.service.settings.lease_s)
        world.jobs_queue.away = True
        one.step()
    assert not one._in_doubt


def test_a_claim_that_was_lost_with_its_commit_keeps_its_event(
    folder: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing was committed: the event comes again, and nobody has to wait for the sweeper."""
    world = memory_world(work_folder=folder)
    job = queued(world)
    one, _ = make(world)
    with monkeypatch.context() as patched:
        patched.setattr(work, "claim", lose_the_connection)
        one.step()
    world.clock.advance(11)  # the queue's visibility timeout
    one.step()
    assert get(world, job).attempt == 1


def lose_the_connection(*_: object, **__: object) -> None:
    raise CommitUnknown("gone")
