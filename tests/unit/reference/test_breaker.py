"""A dependency that does not answer is left alone, by everybody, until one has looked."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from reference_service.breaker import Breaker
from reference_service.fakes import MemoryWorld, memory_world
from reference_service.ports import DependencyAway, HandBack, Unavailable


@pytest.fixture
def world() -> MemoryWorld:
    return memory_world(breaker_failures=3, breaker_open_s=10)


def attempt(world: MemoryWorld) -> Breaker:
    """What one attempt knows of the vision API: a breaker of its own, and the database."""
    return Breaker(world.service, "vision")


def refuse() -> str:
    raise Unavailable("vision: connection refused")


def fail(world: MemoryWorld, times: int) -> None:
    """As many failures, each of another attempt."""
    for _ in range(times):
        with pytest.raises((Unavailable, DependencyAway)):
            attempt(world).call(refuse)


def never() -> str:
    raise AssertionError("it is left alone")


def test_failures_of_whoever_open_it(world: MemoryWorld) -> None:
    """The third one hears at once that it is left alone, and the next one does not even ask."""
    fail(world, 2)
    with pytest.raises(DependencyAway):
        attempt(world).call(refuse)
    with pytest.raises(DependencyAway) as away:
        attempt(world).call(never)
    assert 10 <= away.value.after_s <= 12.5
    assert isinstance(away.value, HandBack)  # a stage leaves what it has done


def test_an_answer_in_between_is_not_a_failure_in_a_row(world: MemoryWorld) -> None:
    """Two, an answer, two more: it stays closed."""
    fail(world, 2)
    assert attempt(world).call(lambda: "a picture") == "a picture"
    fail(world, 2)
    assert attempt(world).call(lambda: "a picture") == "a picture"


def test_failures_long_apart_are_not_in_a_row(world: MemoryWorld) -> None:
    """Nobody writes down each success, so time does: one failure an hour opens nothing."""
    for _ in range(5):
        fail(world, 1)
        world.clock.advance(11)
    assert attempt(world).call(lambda: "a picture") == "a picture"


def test_one_looks_whether_it_is_back_and_the_others_wait(world: MemoryWorld) -> None:
    """Half-open: of two that come when its time is over, the first asks; its answer closes it for all."""
    fail(world, 3)
    world.clock.advance(10.1)
    first, second = attempt(world), attempt(world)

    def meanwhile() -> str:
        with pytest.raises(DependencyAway):
            second.call(never)
        return "a picture"

    assert first.call(meanwhile) == "a picture"
    assert second.call(lambda: "another") == "another"


def test_a_look_that_finds_nobody_opens_it_again(world: MemoryWorld) -> None:
    """One failure is enough then."""
    fail(world, 3)
    world.clock.advance(10.1)
    fail(world, 1)
    world.clock.advance(5)
    with pytest.raises(DependencyAway):
        attempt(world).call(never)


def test_who_looked_and_died_is_not_waited_for_longer(world: MemoryWorld) -> None:
    """1. one gets the look, 2. it is killed, 3. after the same time another one gets it."""
    fail(world, 3)
    world.clock.advance(10.1)

    def die() -> str:
        raise SystemExit

    with pytest.raises(SystemExit):
        attempt(world).call(die)
    with pytest.raises(DependencyAway):
        attempt(world).call(never)
    world.clock.advance(10.1)
    assert attempt(world).call(lambda: "a picture") == "a picture"


def test_a_closed_one_asks_the_database_once(world: MemoryWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    """A stage with sixty scenes does not pay for each."""
    breaker = attempt(world)
    breaker.call(lambda: "a picture")
    monkeypatch.setattr(type(world.database), "single", never)
    monkeypatch.setattr(type(world.database), "run", never)
    for _ in range(60):
        breaker.call(lambda: "a picture")


def test_switched_off_every_call_goes_through() -> None:
    """Which is what the defence is there to prevent."""
    world = memory_world(breaker_failures=1, defences_off="circuit_breaker")
    asked: list[Callable[[], str]] = []

    def ask() -> str:
        asked.append(refuse)
        return refuse()

    for _ in range(5):
        with pytest.raises(Unavailable):
            attempt(world).call(ask)
    assert len(asked) == 5


@pytest.mark.parametrize(("away_s", "mean_s", "most_s"), [(11, 11, 13), (300, 30, 75), (3600, 120, 300)])
def test_the_longer_it_is_away_the_less_often_they_come_back(
    world: MemoryWorld, away_s: int, mean_s: int, most_s: int
) -> None:
    """Ten thousand jobs that each come as soon as somebody may look are hundreds of claims a second, in vain.

    Within a quarter of the outage, and five minutes at most, all are back.
    """
    fail(world, 3)
    for _ in range(away_s // 11):
        world.clock.advance(11)
        fail(world, 1)
    waits = []
    for _ in range(500):
        with pytest.raises(DependencyAway) as away:
            attempt(world).call(never)
        waits.append(away.value.after_s)
    assert sum(waits) / len(waits) >= mean_s
    assert most_s * 0.9 <= max(waits) <= most_s
