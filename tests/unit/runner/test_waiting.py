"""Waiting sees every state, ends with its time, and keeps its errors to itself."""

from __future__ import annotations

import pytest

from tests.unit.runner.stage import in_turn, stage


def test_whoever_waits_sees_every_state_however_short() -> None:
    """It is looked at after each event, so a state that is passed at once is not missed."""
    with stage() as made:
        made.scheduler.spawn(
            "passing", in_turn(lambda: made.job(state="active"), lambda: made.job(state="queued"))
        )
        assert made.engine.until(lambda: any(j.state == "active" for j in made.engine.live.jobs.values()), 5)
        assert made.engine.live.jobs["j-1"].state in {"active", "queued"}


def test_waiting_ends_with_its_time_and_a_last_look() -> None:
    """False when it is not so at the end; True when it has come to be so without an event."""
    with stage() as made:
        assert not made.engine.until(lambda: False, 2)
        assert made.scheduler.now_ns() >= 2e9
        before_ns = made.scheduler.now_ns()
        assert made.engine.until(lambda: made.scheduler.now_ns() >= before_ns + 1e9, 1)


def test_an_error_in_what_is_waited_for_belongs_to_whoever_waits() -> None:
    """The engine lives on, and nobody else hears of it."""
    with stage() as made:
        with pytest.raises(ZeroDivisionError):
            made.engine.until(lambda: bool(1 / 0), 1)
        assert made.engine.until(lambda: True, 1)
        assert made.engine.error is None
