"""Looks at a system, one after another: what they may conclude together, and what ends them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import pytest

from tests.unit.targets.declared.witnesses import Told, until
from unstuck.clock import monotonic_ns
from unstuck.errors import HarnessError
from unstuck.targets.declared.file import Absent
from unstuck.targets.declared.tracker import NOWHERE, Record, Seen, Tracker
from unstuck.targets.declared.watcher import Watcher

QUEUED = Seen(state="queued", held="queue")


class Scripted:
    """Answers each look with the next of what it was given, the last one for ever."""

    def __init__(self, *found: Seen | Exception) -> None:
        self.left = list(found)
        self.asked: list[Sequence[str]] = []

    def look(self, jobs: Sequence[str]) -> Mapping[str, Seen]:
        self.asked.append(jobs)
        found = self.left.pop(0) if len(self.left) > 1 else self.left[0]
        if isinstance(found, Exception):
            raise found
        return dict.fromkeys(jobs, found)


def watching(
    sources: Scripted, *, absent: Absent = "lost", catch_up: Callable[[Tracker], None] = lambda _: None
) -> tuple[Watcher, Told]:
    told = Told(absent=absent)
    tracker = Tracker(told.emit, now_ns=monotonic_ns, has_ledger=True, begins=True, absent=absent)
    told.tracker = tracker
    tracker.acknowledge("j-1", "any")
    watcher = Watcher(
        sources=sources, effects=None, catch_up=lambda: catch_up(tracker), tracker=tracker, emit=told.emit,
        every_s=0.01,
    )  # fmt: skip
    return watcher, told


@pytest.mark.parametrize("nth", [1, 2, 3])
def test_a_job_on_its_way_between_two_places_is_not_lost(nth: int) -> None:
    """One of the last looks finds it nowhere: 1. out of one place, 2. we look, 3. into the next."""
    looks = [QUEUED] * 3
    looks.insert(nth - 1, NOWHERE)
    watcher, told = watching(Scripted(*looks, QUEUED))
    watcher.look_last()
    assert told.outcome()["held"] == "queue"


def test_a_job_that_stays_away_is_nowhere() -> None:
    """Looks that agree are believed."""
    watcher, told = watching(Scripted(QUEUED, NOWHERE))
    watcher.look_last()
    assert told.outcome() == {"state": "queued", "held": None}


def test_reports_in_a_file_come_before_what_was_read_after_them() -> None:
    """1. a job begins and ends, in the file, 2. a look reads that it has succeeded, 3. the file is read."""
    lines = [Record(job="j-1", event="begin"), Record(job="j-1", event="end")]

    def catch_up(tracker: Tracker) -> None:
        while lines:
            tracker.record(lines.pop(0))

    watcher, told = watching(Scripted(Seen(state="succeeded")), catch_up=catch_up)
    watcher.look_last()
    assert told.moves() == ["queued", "active", "succeeded"]


def test_a_watch_that_fails_in_an_unforeseen_way_ends_the_run() -> None:
    """Nothing is judged by a watch that has ended, whatever ended it."""
    watcher, _ = watching(Scripted(KeyError("broker")))
    watcher.start()

    until(lambda: not watcher.alive)
    with pytest.raises(HarnessError, match="KeyError"):
        watcher.check()


def test_an_ended_job_is_not_asked_for_each_time_but_always_in_the_end() -> None:
    """What has ended costs little, and one that leaves its end is seen all the same."""
    sources = Scripted(Seen(state="succeeded"))
    watcher, told = watching(sources)
    watcher.start()
    until(lambda: len(sources.asked) > 1)
    sources.left = [QUEUED]
    until(lambda: told.moves()[-1] == "queued")
    watcher.look_last()
    assert told.moves() == ["queued", "succeeded", "queued"]
    assert sources.asked[-1] == ["j-1"]
