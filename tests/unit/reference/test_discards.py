"""What the sweeper removes for others: one that the store will not give up keeps no other."""

from __future__ import annotations

import pytest

from reference_service import sweeper
from reference_service.discards import FAILURES_MAX, OVERDUE_S
from reference_service.fakes import MemoryWorld, memory_world
from reference_service.ports import Rejected, Unavailable
from reference_service.store import events
from tests.unit.reference.drive import queued, rows


def sweep(world: MemoryWorld) -> dict[str, int]:
    return {name: count for name, count in sweeper.run_once(world.service).items() if count}


def left_behind(world: MemoryWorld, *keys: str) -> None:
    """Objects that somebody should have removed by now, in this order."""
    for key in keys:
        world.objects.put_bytes(key, b"x", "x")
        events.discard_object(world.service.store, "j-1", key)
    world.clock.advance(OVERDUE_S + 1)


def locked(
    world: MemoryWorld,
    monkeypatch: pytest.MonkeyPatch,
    word: str,
    kind: type[Unavailable] = Unavailable,
) -> list[str]:
    """The store will not give up keys with this word; what it was asked to delete."""
    real, asked = world.objects.delete, []

    def delete(key: str) -> None:
        asked.append(key)
        if word in key:
            raise kind("s3: AccessDenied")
        real(key)

    monkeypatch.setattr(world.objects, "delete", delete)
    return asked


def test_an_object_that_cannot_be_removed_keeps_no_other(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """It is told of, and tried again by each later sweep."""
    world = memory_world()
    locked(world, monkeypatch, "locked")
    left_behind(world, "locked", "other")
    with caplog.at_level("WARNING"):
        assert sweep(world) == {"removed": 1, "unremoved": 1}
    assert list(world.objects.bodies) == ["locked"]
    assert "not removed {'job': 'j-1', 'key': 'locked', 'error': 's3: AccessDenied'}" in caplog.text
    shown = world.service.metrics.render().decode()
    assert 'reference_swept_total{what="unremoved"} 1.0' in shown
    left_behind(world, "later")
    assert sweep(world) == {"removed": 1, "unremoved": 1}
    monkeypatch.undo()
    world.clock.advance(1)
    assert sweep(world) == {"removed": 1}
    assert world.objects.bodies == {}


def test_more_than_a_list_of_them_do_not_keep_it_either(monkeypatch: pytest.MonkeyPatch) -> None:
    """A sweep ends this part after a few in a row, and the next begins with those behind them."""
    world = memory_world()
    asked = locked(world, monkeypatch, "locked")
    left_behind(world, *(f"locked-{number}" for number in range(101)), "other")
    sweep(world)
    assert len(asked) == FAILURES_MAX
    for _ in range(101 // FAILURES_MAX):
        world.clock.advance(1)
        sweep(world)
    assert asked[101] == "other"


def test_refusals_end_no_list(monkeypatch: pytest.MonkeyPatch) -> None:
    """Under a policy that denies it the store still answers: what is behind them goes in the same sweep."""
    world = memory_world()
    locked(world, monkeypatch, "locked", Rejected)
    left_behind(world, *(f"locked-{number}" for number in range(FAILURES_MAX + 2)), "other")
    assert sweep(world) == {"removed": 1, "unremoved": FAILURES_MAX + 2}
    assert "other" not in world.objects.bodies


def test_what_cannot_be_removed_does_not_keep_the_books_long(monkeypatch: pytest.MonkeyPatch) -> None:
    """Events and instances of long ago are forgotten all the same."""
    world = memory_world()
    queued(world)
    locked(world, monkeypatch, "locked")
    left_behind(world, "locked-1", "locked-2", "locked-3")
    world.clock.advance(sweeper.KEEP_PUBLISHED_S)
    assert sweep(world) == {"unremoved": 3, "unavailable": 1, "announced": 1}
    assert [row["published_at"] for row in rows(world, "outbox")] == [None]  # only the one of just now
