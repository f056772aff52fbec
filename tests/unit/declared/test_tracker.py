"""States folded from client, ledger and looks, in the orders in which they may come."""

from __future__ import annotations

from tests.unit.declared.witness import Clock, Told
from unstuck.targets.declared.file import Absent
from unstuck.targets.declared.tracker import NOWHERE, Attempt, Record, Seen, Tracker

QUEUED, ACTIVE = Seen(state="queued", held="queue"), Seen(state="active", held="lease")
DONE = Seen(state="succeeded")


class Bench:
    """A tracker with a clock that a test sets, and what it told."""

    def __init__(self, *, absent: Absent = "lost", has_ledger: bool = True, begins: bool = True) -> None:
        self.told = Told()
        self.clock = Clock()
        self.tracker = Tracker(
            self.told, now_ns=self.clock, has_ledger=has_ledger, begins=begins, absent=absent
        )

    def at(self, now: int) -> Tracker:
        """The tracker, at this moment."""
        self.clock.now = now
        return self.tracker

    def outcome(self, *alive: int) -> dict[str, object]:
        return dict(self.tracker.outcomes(lambda attempt: attempt.pid in alive)["j"])


def test_a_life_without_races() -> None:
    """Told to a client, begun, ended, and seen to be done: three moves, each by who saw it first."""
    bench = Bench()
    assert bench.at(1).acknowledge("j", "a")
    bench.at(2).saw("j", QUEUED, 2)
    bench.at(3).record(Record(job="j", event="begin", pid=7))
    bench.at(4).saw("j", ACTIVE, 4)
    assert bench.at(5).record(Record(job="j", event="end", pid=7))
    bench.at(6).saw("j", DONE, 6)
    assert bench.told.moves("j") == [
        (None, "queued", "client"),
        ("queued", "active", "ledger"),
        ("active", "succeeded", "look"),
    ]
    assert bench.outcome() == {"state": "succeeded", "held": None}


def test_a_look_that_is_older_than_the_ledger_is_dropped() -> None:
    """1. we read the queue, and the job is in it  2. a worker takes it and begins  3. we act on what we read:
    it would go back to the queue."""
    bench = Bench()
    bench.at(1).acknowledge("j", "a")
    read_ns = 2
    bench.at(3).record(Record(job="j", event="begin"))
    bench.at(4).saw("j", QUEUED, read_ns)
    assert bench.tracker.states() == {"j": "active"}
    bench.at(6).saw("j", QUEUED, 5)  # a look that began after it: it was put back
    assert bench.tracker.states() == {"j": "queued"}


def test_a_report_may_come_before_the_answer_to_the_client() -> None:
    """1. the job is submitted  2. a worker begins it  3. the client hears its id: it exists once."""
    bench = Bench()
    bench.at(1).record(Record(job="j", event="begin"))
    assert bench.at(2).acknowledge("j", "a")
    assert bench.told.moves("j") == [(None, "queued", "look"), ("queued", "active", "ledger")]


def test_active_by_a_look_means_begun_where_begins_are_reported() -> None:
    """A system counts a job as active that it has only put aside for a worker."""
    bench = Bench()
    bench.at(1).acknowledge("j", "a")
    bench.at(2).saw("j", ACTIVE, 2)
    assert bench.tracker.states() == {"j": "queued"}
    without = Bench(begins=False)
    without.at(1).acknowledge("j", "a")
    without.at(2).saw("j", ACTIVE, 2)
    assert without.tracker.states() == {"j": "active"}


def test_an_id_is_given_once() -> None:
    """The second client that is told of the same id is not told of a new job."""
    bench = Bench()
    assert bench.tracker.acknowledge("j", "a")
    assert not bench.tracker.acknowledge("j", "b")


def test_a_job_that_may_not_exist_has_no_outcome() -> None:
    """A submission under an id of ours timed out, and nobody ever saw the job."""
    bench = Bench()
    bench.tracker.expect("j", "a")
    bench.at(2).saw("j", NOWHERE, 2)
    assert bench.tracker.states() == {"j": None}
    bench.at(3).saw("j", QUEUED, 3)  # it does exist
    assert bench.outcome()["state"] == "queued"
    unseen = Bench()
    unseen.tracker.expect("j", "a")
    assert unseen.tracker.outcomes(lambda _: False) == {}


def test_absence_is_success_only_with_an_effect() -> None:
    """Done and forgotten looks like lost; the effect tells them apart."""
    bench = Bench(absent="succeeded")
    bench.at(1).acknowledge("j", "a")
    bench.at(2).saw("j", NOWHERE, 2)
    assert bench.tracker.states() == {"j": "queued"}
    bench.at(3).record(Record(job="j", event="begin"))
    bench.at(4).record(Record(job="j", event="end"))
    bench.at(5).saw("j", NOWHERE, 5)
    assert bench.tracker.states() == {"j": "succeeded"}
    blind = Bench(absent="succeeded", has_ledger=False, begins=False)
    blind.at(1).acknowledge("j", "a")
    blind.at(2).saw("j", NOWHERE, 2)
    assert blind.tracker.states() == {"j": "succeeded"}


def test_a_word_that_the_map_lacks_is_no_absence() -> None:
    """It is told once a word, and the job stays where it was, unread."""
    bench = Bench(absent="succeeded")
    bench.at(1).acknowledge("j", "a")
    bench.at(2).record(Record(job="j", event="begin"))
    bench.at(3).record(Record(job="j", event="end"))
    for now in (4, 5):
        bench.at(now).saw("j", Seen(raw="odd", unmapped="odd"), now)
    assert [one["state"] for one in bench.told.of("evidence", "unmapped")] == ["odd"]
    assert bench.tracker.states() == {"j": "active"}
    bench.at(6).saw("j", DONE, 6)
    assert bench.outcome() == {"state": "succeeded", "held": None}


def test_a_word_that_the_map_lacks_is_the_last_that_is_said_of_a_job() -> None:
    """Where no later look could read it, the final one says so."""
    bench = Bench(absent="succeeded")
    bench.at(1).acknowledge("j", "a")
    bench.at(2).record(Record(job="j", event="begin"))
    bench.at(3).saw("j", Seen(raw="odd", unmapped="odd"), 3)
    assert bench.outcome() == {"state": "active", "held": None, "raw": "odd", "unmapped": "odd"}


def test_an_effect_is_applied_once_under_a_key() -> None:
    """With a key the second is a repeat; without one each is an effect of its own."""
    bench = Bench()
    assert bench.tracker.record(Record(job="j", event="end", key="k"))
    assert not bench.tracker.record(Record(job="j", event="end", key="k"))
    assert bench.tracker.record(Record(job="j", event="end"))
    assert bench.tracker.record(Record(job="j", event="end"))
    assert [one["applied"] for one in bench.told.of("effect")] == [True, False, True, True]


def test_ends_belong_to_the_attempt_of_their_process() -> None:
    """1. one worker begins, and freezes  2. another begins  3. the first one wakes and ends: attempt 1."""
    bench = Bench()
    bench.tracker.record(Record(job="j", event="begin", process="w-1", pid=1))
    bench.tracker.record(Record(job="j", event="begin", process="w-2", pid=2))
    bench.tracker.record(Record(job="j", event="end", process="w-1", pid=1))
    assert bench.told.of("attempt", "end")[0]["attempt"] == 1
    assert bench.tracker.open_attempts() == {"j": [Attempt(2, "w-2", 2)]}


def test_a_living_attempt_holds_its_job() -> None:
    """Nobody else knows the job any more, and a process is still at it: not lost."""
    bench = Bench()
    bench.at(1).acknowledge("j", "a")
    bench.at(2).record(Record(job="j", event="begin", pid=7))
    bench.at(3).saw("j", NOWHERE, 3)
    assert bench.outcome(7) == {"state": "active", "held": "process"}
    assert bench.outcome() == {"state": "active", "held": None}
