"""Virtual time: who goes on, when, and what happens when nobody can."""

from __future__ import annotations

import threading
from functools import partial

import pytest

from unstuck.errors import HarnessError
from unstuck.worlds.sim import GreenScheduler, Incarnation


def test_time_passes_only_when_everybody_waits() -> None:
    """An hour of sleep takes no time, and tasks go on in the order of their moments."""
    scheduler = GreenScheduler(seed=1)
    seen: list[tuple[str, int]] = []

    def nap(name: str, seconds: float) -> None:
        scheduler.sleep(seconds)
        seen.append((name, scheduler.now_ns()))

    tasks = [scheduler.spawn(name, partial(nap, name, s)) for name, s in (("b", 3600.0), ("a", 0.5))]
    assert scheduler.now_ns() == 0
    assert all(task.join() for task in tasks)
    assert seen == [("a", 500_000_000), ("b", 3_600_000_000_000)]


def order_of(seed: int) -> list[int]:
    scheduler = GreenScheduler(seed)
    seen: list[int] = []
    for number in range(8):
        scheduler.spawn(str(number), partial(seen.append, number))
    scheduler.sleep(1)
    return seen


def test_the_seed_decides_who_goes_first() -> None:
    """At the same moment the same seed gives the same order, and among a few seeds there is another."""
    assert order_of(1) == order_of(1)
    assert len({tuple(order_of(seed)) for seed in range(5)}) > 1


def test_a_mailbox_gives_what_comes_or_none_when_the_time_is_up() -> None:
    """A reader wakes at the moment of the put, or at its deadline."""
    scheduler = GreenScheduler(seed=1)
    mailbox = scheduler.mailbox()

    def send() -> None:
        scheduler.sleep(2)
        mailbox.put("news")

    scheduler.spawn("sender", send)
    assert (mailbox.get(0), mailbox.get(1), scheduler.now_ns()) == (None, None, 1_000_000_000)
    assert (mailbox.get(), scheduler.now_ns()) == ("news", 2_000_000_000)


def test_join_says_whether_it_has_ended_and_raises_what_it_raised() -> None:
    """A task that still runs is not waited for longer than asked; its error reaches who joins."""
    scheduler = GreenScheduler(seed=1)

    def fail() -> None:
        scheduler.sleep(1)
        raise ValueError("boom")

    task = scheduler.spawn("failing", fail)
    assert not task.join(0.5)
    with pytest.raises(ValueError, match="boom"):
        task.join()
    scheduler.close()


def test_an_error_that_nobody_heard_of_surfaces_in_the_end() -> None:
    """A task that nobody joins cannot fail in silence."""
    scheduler = GreenScheduler(seed=1)
    scheduler.spawn("lonely", lambda: 1 / 0)
    scheduler.sleep(1)
    with pytest.raises(HarnessError, match=r"task 'lonely' ended by ZeroDivisionError"):
        scheduler.close()


def test_a_deadlock_names_who_waits_for_what() -> None:
    """When nobody can ever go on, the run ends at once and can still be taken down."""
    scheduler = GreenScheduler(seed=1)
    scheduler.spawn("reader", scheduler.mailbox().get)
    with pytest.raises(
        HarnessError, match=r"deadlock at 0.0+ s.*main waits for rain.*reader waits for a mail"
    ):
        scheduler.bell("rain").until(lambda: False, None)
    scheduler.sleep(1)
    assert scheduler.now_ns() == 1_000_000_000


def test_nobody_waits_inside_a_transaction() -> None:
    """A switch while something is locked is a bug of ours, and says so."""
    scheduler = GreenScheduler(seed=1)
    scheduler.locked = "a transaction"
    with pytest.raises(HarnessError, match="main waits for time to pass inside a transaction"):
        scheduler.sleep(1)


def test_what_still_waits_is_unwound_without_effect() -> None:
    """Closing frees suspended tasks; what they try on their way out takes no place in time."""
    scheduler = GreenScheduler(seed=1)
    effects: list[str] = []

    def stubborn() -> None:
        try:
            scheduler.sleep(100)
        finally:
            effects.append("unwound")
            scheduler.now_ns()
            effects.append("recorded")

    scheduler.spawn("stubborn", stubborn)
    scheduler.sleep(1)
    scheduler.close()
    assert effects == ["unwound"]


def test_the_dead_never_go_on_and_the_frozen_go_on_later() -> None:
    """SIGKILL is no cancellation: no `finally` runs; SIGCONT lets what came due happen then."""
    scheduler = GreenScheduler(seed=1)
    lives = {name: Incarnation(name, number) for number, name in enumerate(("dead", "frozen"))}
    seen: list[tuple[str, int]] = []

    def nap(name: str) -> None:
        try:
            scheduler.sleep(1)
        finally:
            seen.append((name, scheduler.now_ns()))

    for name, life in lives.items():
        scheduler.spawn(name, partial(nap, name), owner=life)
    scheduler.sleep(0.5)
    assert lives["dead"].send("SIGKILL")
    assert lives["frozen"].send("SIGSTOP")
    scheduler.sleep(2.5)
    assert seen == []
    lives["frozen"].send("SIGCONT")
    scheduler.sleep(1)
    assert seen == [("frozen", 3_000_000_000)]
    assert not lives["dead"].send("SIGTERM")


def test_another_thread_may_put() -> None:
    """An interruption comes from outside: what another thread puts is there at the next look."""
    scheduler = GreenScheduler(seed=1)
    mailbox = scheduler.mailbox()
    thread = threading.Thread(target=mailbox.put, args=("stop",))
    thread.start()
    thread.join()
    assert mailbox.get(0) == "stop"
