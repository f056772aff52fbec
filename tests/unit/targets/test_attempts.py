"""Attempts of a declared target: which of them may still have an effect when their job has ended."""

from __future__ import annotations

from typing import Any

from unstuck.targets.declared.tracker import Record, Seen, Tracker

DONE, ACTIVE = Seen(state="succeeded"), Seen(state="active", held="lease")


class Told:
    """A tracker of one job, and what it told."""

    def __init__(self) -> None:
        self.now_ns = 0
        self.events: list[tuple[str, str | None, dict[str, Any]]] = []
        self.tracker = Tracker(
            self._emit, now_ns=lambda: self.now_ns, has_ledger=True, begins=True, absent="lost"
        )
        self.tracker.acknowledge("j-1", "job")

    def _emit(self, kind: str, phase: str | None = None, **facts: Any) -> None:
        self.events.append((kind, phase, facts))

    def report(self, event: str, process: str, pid: int | None) -> None:
        self.now_ns += 1
        self.tracker.record(Record(job="j-1", event=event, process=process, pid=pid))

    def look(self, seen: Seen) -> None:
        self.now_ns += 1
        self.tracker.saw("j-1", seen, self.now_ns)

    @property
    def open(self) -> list[int]:
        return [attempt.number for attempt in self.tracker.open_attempts().get("j-1", [])]


def test_who_was_paused_may_go_on_when_another_has_ended_the_job() -> None:
    """Its effect is still to come: whoever judges before it would miss a double."""
    told = Told()
    told.report("begin", "worker-1", 11)
    told.look(ACTIVE)
    told.report("begin", "worker-2", 22)
    told.report("end", "worker-2", 22)
    told.look(DONE)
    assert told.open == [1]
    told.report("end", "worker-1", 11)
    assert told.open == []
    assert [phase for kind, phase, _ in told.events if kind == "attempt"] == ["begin", "begin", "end", "end"]


def test_a_process_that_began_anew_has_given_the_older_attempt_up() -> None:
    """A job that failed and was tried again in the same process ends once."""
    told = Told()
    told.report("begin", "worker-1", 11)
    told.report("begin", "worker-1", 11)
    told.report("end", "worker-1", 11)
    told.look(DONE)
    assert told.open == []


def test_without_a_pid_as_many_attempts_are_over_as_have_ended() -> None:
    """Nobody can tell then whether their processes still run."""
    told = Told()
    told.report("begin", "worker-1", None)
    told.report("begin", "worker-2", None)
    told.report("end", "worker-2", None)
    told.look(DONE)
    assert told.open == []


def test_a_job_that_has_ended_is_held_by_nobody() -> None:
    """Also while somebody still works on it in vain; one that has not ended is held by whoever is at it."""
    under_way, done = Told(), Told()
    for told in (under_way, done):
        told.report("begin", "worker-1", 11)
    assert under_way.tracker.outcomes(lambda _: True)["j-1"]["held"] == "process"
    done.look(DONE)
    assert done.tracker.outcomes(lambda _: True)["j-1"]["held"] is None
