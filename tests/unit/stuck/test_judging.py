"""Which jobs are stuck: by age, by who is at work, and by what nobody says."""

from __future__ import annotations

import pytest

from unstuck.stuck import Listed, judge
from unstuck.stuck.listing import seconds_of
from unstuck.targets.declared.file import Timings

NOW_S = 10_000.0


def why(job: Listed, *, age_s: float = 600, timings: Timings | None = None) -> str:
    """`stuck`, `risky`, or why it is not."""
    judged = judge([job], now_s=NOW_S, age_s=age_s, timings=timings or Timings())
    if judged.others:
        return judged.others[0][1]
    return "risky" if judged.stuck[0].risk else "stuck"


def job(age_s: float | None, state: str = "queued", *, busy: bool | None = None) -> Listed:
    return Listed(job="a", state=state, since_s=None if age_s is None else NOW_S - age_s, busy=busy)


def test_age_decides() -> None:
    """At the age it counts, before it does not."""
    assert (why(job(599)), why(job(600))) == ("young", "stuck")


def test_who_is_being_processed_is_not_stuck() -> None:
    """However old: that is what `busy` is for."""
    assert why(job(9000, "active", busy=True)) == "being processed"
    assert why(job(9000, "active", busy=False)) == "stuck"


def test_an_active_job_of_which_nobody_says_is_a_risk() -> None:
    """It may be alive, and a rescue would do it twice."""
    assert why(job(9000, "active")) == "risky"


def test_a_lease_that_may_hold_is_a_sign_of_life() -> None:
    """Only of an active job, and only as long as the lease is."""
    timings = Timings(lease_s=3600)
    assert why(job(3599, "active"), timings=timings) == "being processed"
    assert why(job(3601, "active"), timings=timings) == "risky"
    assert why(job(3599), timings=timings) == "stuck"


def test_without_a_date_only_an_age_of_zero_finds_it() -> None:
    """Nobody can say how old it is."""
    assert (why(job(None)), why(job(None), age_s=0)) == ("age unknown", "stuck")


def test_a_word_that_the_map_lacks_is_never_stuck() -> None:
    """Nobody knows whether it has ended."""
    assert why(Listed(job="a", unmapped="odd", since_s=0.0)) == "state unknown"


def test_the_oldest_comes_first() -> None:
    """And last those of which nobody says."""
    jobs = [
        Listed(job=name, state="queued", since_s=at) for name, at in (("b", 9.0), ("a", 5.0), ("c", None))
    ]
    assert [one.job.job for one in judge(jobs, now_s=NOW_S, age_s=0, timings=Timings()).stuck] == [
        "a",
        "b",
        "c",
    ]


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        (1_700_000_000, 1.7e9),
        ("1700000000.5", 1_700_000_000.5),
        (1_700_000_000_000, 1.7e9),
        ("2023-11-14T22:13:20Z", 1.7e9),
        ("2023-11-14 22:13:20", 1.7e9),
        ("2023-11-14T23:13:20+01:00", 1.7e9),
        ("yesterday", None),
        (None, None),
        (True, None),
    ],
)
def test_dates_are_read_in_every_usual_form(value: object, seconds: float | None) -> None:
    """Seconds, milliseconds, ISO 8601; without a zone it is UTC."""
    assert seconds_of(value) == seconds
