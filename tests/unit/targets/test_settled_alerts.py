"""When alerts may be judged: after an evaluation that saw what became of every job."""

from __future__ import annotations

from typing import Any, LiteralString

import pytest

from unstuck.targets.reference.settled_alerts import FIRING, LATEST, SettledAlerts

ENDS = {"alerts": {"fires": ["orphans"], "ends": ["orphans"]}}


class Database:
    """What the two questions are answered."""

    def __init__(self) -> None:
        self.evaluated_at: float | None = None
        self.moved_at = 1.0
        self.firing: list[str] = []

    def rows_of(self, query: LiteralString) -> list[Any]:
        if query == LATEST:
            return [(self.evaluated_at, self.moved_at)]
        assert query == FIRING
        return [(name,) for name in self.firing]


def test_who_judges_no_alert_waits_for_none() -> None:
    """The database is not even asked."""

    def rows_of(query: LiteralString) -> list[Any]:
        raise AssertionError(query)

    assert SettledAlerts({"effects": {}}).have(rows_of)


def test_an_evaluation_that_measured_before_the_last_move_does_not_count() -> None:
    """1. It measures. 2. The last job ends, and we come. 3. It is recorded, at a time after that move's."""
    database, alerts = Database(), SettledAlerts({"alerts": {"fires": ["failures"]}})
    seen = []
    for evaluated_at in (0.9, 0.9, 1.1, 1.1, 1.3):
        database.evaluated_at = evaluated_at
        seen.append(alerts.have(database.rows_of))
    assert seen == [False, False, False, False, True]


def test_a_job_that_moves_again_begins_the_wait_anew() -> None:
    """Whatever was evaluated before its move may have missed it."""
    database, alerts = Database(), SettledAlerts(ENDS)
    for database.evaluated_at in (1.1, 1.2, 1.3):
        settled = alerts.have(database.rows_of)
    assert settled
    database.moved_at = 1.35
    assert not alerts.have(database.rows_of)


@pytest.mark.parametrize(("firing", "settled"), [(["orphans"], False), (["failures"], True), ([], True)])
def test_an_alert_that_must_end_is_waited_for(firing: list[str], settled: bool) -> None:
    """And no other one."""
    database, alerts = Database(), SettledAlerts(ENDS)
    database.firing = firing
    for database.evaluated_at in (1.1, 1.2, 1.3):
        found = alerts.have(database.rows_of)
    assert found is settled


def test_without_an_evaluation_nothing_has_settled() -> None:
    """Nobody evaluates where that defence is off: the wait for quiet has an end of its own."""
    database, alerts = Database(), SettledAlerts(ENDS)
    assert not any(alerts.have(database.rows_of) for _ in range(10))


def test_each_of_two_evaluators_may_have_measured_before_the_last_move() -> None:
    """1. Both measure. 2. The last job ends, and we come. 3. Both record. 4. One of them has begun anew."""
    database = Database()
    alerts = SettledAlerts({"alerts": {"fires": ["failures"]}}, evaluators=2)
    seen = []
    for database.evaluated_at in (0.9, 1.1, 1.12, 1.3, 1.32):
        seen.append(alerts.have(database.rows_of))
    assert seen == [False, False, False, False, True]
