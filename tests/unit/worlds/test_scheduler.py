"""Threads behind the scheduler's port."""

from __future__ import annotations

import threading

import pytest

from unstuck import clock
from unstuck.worlds.process.scheduler import ThreadScheduler


def test_time_counts_from_the_start_that_was_given() -> None:
    """now_ns is relative to `start_ns`, and never steps back."""
    scheduler = ThreadScheduler(clock.monotonic_ns() - 5_000_000_000)
    first, second = scheduler.now_ns(), scheduler.now_ns()
    assert 5_000_000_000 <= first <= second < 60_000_000_000


def test_time_starts_at_zero_by_default() -> None:
    """Without a start the time is that of the scheduler itself."""
    assert 0 <= ThreadScheduler().now_ns() < 60_000_000_000


def test_join_is_false_until_the_task_has_ended() -> None:
    """A task that still runs is no task that has ended."""
    release = threading.Event()

    def wait() -> None:
        release.wait(10)

    task = ThreadScheduler().spawn("waits", wait)
    assert not task.join(0.01)
    release.set()
    assert task.join(10)


def test_join_raises_what_the_task_raised() -> None:
    """An exception does not vanish with its thread; every join raises it."""

    def fail() -> None:
        message = "on purpose"
        raise ValueError(message)

    task = ThreadScheduler().spawn("fails", fail)
    for _ in range(2):
        with pytest.raises(ValueError, match="on purpose"):
            task.join(10)


def test_a_mailbox_gives_items_in_order() -> None:
    """What is put first is got first, None when nothing comes in time."""
    mailbox = ThreadScheduler().mailbox()
    mailbox.put(1)
    mailbox.put(2)
    assert (mailbox.get(0), mailbox.get(0), mailbox.get(0), mailbox.get(0.01)) == (1, 2, None, None)


def test_a_mailbox_wakes_who_waits() -> None:
    """get without a timeout returns as soon as another task puts."""
    scheduler = ThreadScheduler()
    mailbox, got = scheduler.mailbox(), scheduler.mailbox()
    task = scheduler.spawn("waits", lambda: got.put(mailbox.get()))
    mailbox.put("item")
    assert task.join(10)
    assert got.get(0) == "item"
