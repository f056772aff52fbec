"""Crash points: which messages have one, and whether another run finds the same ones."""

from __future__ import annotations

import pytest

from tests.unit.explorer.made_up import Wire, one_job
from unstuck.explorer.points import CrashPoint, pattern_of, settle


def named(points: tuple[CrashPoint, ...]) -> list[tuple[str, str, int]]:
    return [(point.label, point.on, point.nth) for point in points]


def test_a_write_has_two_places_and_a_poll_that_brings_work_one() -> None:
    """No read, no session, no idle poll, no start-up; what gets no reply has no place there."""
    assert named(one_job().points()) == [
        ("LPUSH jobs", "request", 1),
        ("LPUSH jobs", "reply", 1),
        ("BRPOP jobs", "reply", 1),
        ("SET result:*", "request", 1),
        ("SET result:*", "reply", 1),
        ("PUBLISH done", "request", 1),
    ]


def test_points_belong_to_the_chapter_of_the_jobs_life_that_they_lie_in() -> None:
    """What a client sends is handing over; an effect that was applied begins a chapter of its own."""
    chapters = [(point.link, point.life) for point in one_job().points()]
    assert chapters == [
        ("client.broker", "handed over"),
        ("client.broker", "handed over"),
        ("worker.broker", "queued"),
        ("worker.broker", "at work"),
        ("worker.broker", "at work"),
        ("worker.broker", "effect applied, not ended"),
    ]


def test_counting_begins_with_the_first_client_and_over_all_processes_of_a_role() -> None:
    """As a rule of a link counts, which is armed then and sees the links of every worker."""
    wire = Wire()
    wire.whole("SET a:*")
    wire.begin()
    wire.whole("SET a:*", link="worker-2.broker")
    wire.whole("SET a:*", link="worker-1.broker")
    assert [(one.link, one.on, one.nth) for one in wire.points()] == [
        ("worker.broker", "request", 1),
        ("worker.broker", "reply", 1),
        ("worker.broker", "request", 2),
        ("worker.broker", "reply", 2),
    ]


def test_the_same_messages_in_every_run_are_settled_by_counting() -> None:
    """Nothing is left over, and every point keeps its number."""
    settled = settle([one_job(commits=2).points(), one_job(commits=2).points()])
    assert not settled.unsettled
    assert named(settled.points) == named(one_job(commits=2).points())


def commits(*texts: str) -> tuple[CrashPoint, ...]:
    wire = Wire()
    wire.begin()
    for text in texts:
        wire.seen("SET job:*", on="request", text=text)
    return wire.points()


def test_what_comes_in_a_race_is_named_by_a_word_that_only_it_has() -> None:
    """Two messages of one label change their order: each has a word that the other lacks."""
    first = commits("SET job:1 STARTED", "SET job:1 DONE")
    second = commits("SET job:2 DONE", "SET job:2 STARTED")
    settled = settle([first, second])
    assert [(one.contains, one.nth) for one in settled.points] == [("STARTED", 1), ("DONE", 1)]
    assert not settled.unsettled


def test_what_no_word_tells_apart_is_not_covered_and_says_why() -> None:
    """A message more in one run, and both kinds of it look alike: the named ones are kept."""
    first = commits("SET job:1 tick", "SET job:1 tick", "SET job:1 DONE")
    second = commits("SET job:2 tick", "SET job:2 DONE")
    settled = settle([first, second])
    assert [one.contains for one in settled.points] == ["DONE"]
    [left] = settled.unsettled
    assert left.group.label == "SET job:*"
    assert left.why.startswith("came 2 and 1 times in runs of the same job")


def beating(*, times: int) -> tuple[CrashPoint, ...]:
    wire = Wire()
    wire.seen("SET beat:*", on="request", text="SET beat:1 now")
    wire.begin()
    for _ in range(times):
        wire.seen("SET beat:*", on="request", text="SET beat:1 now")
    return wire.points()


def test_the_same_message_by_the_clock_has_one_trial_that_stands_for_all() -> None:
    """A heartbeat comes as often as the run is long; a bare COMMIT does not: it may commit anything."""
    beats = [beating(times=2), beating(times=1)]
    settled = settle(beats)
    assert [(one.nth, one.repeated) for one in settled.points] == [(1, True)]
    alike = settle([commits("SET job:1 x", "SET job:1 x"), commits("SET job:1 x")])  # never without a job
    assert not alike.points
    wires = [Wire(), Wire()]
    for wire, times in zip(wires, (1, 2), strict=True):
        wire.begin()
        for _ in range(times):
            wire.seen("COMMIT", on="request")
    bare = settle([wire.points() for wire in wires])
    assert not bare.points
    assert len(bare.unsettled) == 1


def test_what_only_one_run_has_is_not_covered() -> None:
    """Whichever of the runs it is."""
    settled = settle([commits(), commits("SET job:1 x")])
    assert not settled.points
    assert [one.why[:18] for one in settled.unsettled] == ["came 0 and 1 times"]


@pytest.mark.parametrize(
    ("labels", "pattern"),
    [
        (["GET a:*"], "GET a:*"),
        (["GET a:*", "GET a:b"], "GET a:[*]"),
        (["GET a:b", "SET c"], "GET a:*"),
    ],
)
def test_a_label_is_a_pattern_only_where_no_other_label_fits_it(labels: list[str], pattern: str) -> None:
    """Else its stars are spelt out, so that nothing else is counted."""
    expected = "GET a:[*]" if "GET a:b" in labels else pattern
    assert pattern_of("GET a:*", labels) == expected
