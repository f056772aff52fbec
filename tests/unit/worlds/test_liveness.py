"""A process that was ready is asked whether it lives, and given up after too many failures in a row."""

from __future__ import annotations

from typing import Any

import pytest

from unstuck.worlds.process import liveness
from unstuck.worlds.process.liveness import TIMEOUT_NS, Liveness

SECOND_NS = 1_000_000_000


class Answers:
    """In place of a probe: answers as it is told."""

    now = True

    def __init__(self, url: str, *, answer_within_s: float) -> None:
        self.url, self.answer_within_s = url, answer_within_s

    def ready(self) -> bool:
        return Answers.now

    def close(self) -> None:
        """Nothing is held."""


def until_over(one: Liveness, start_ns: int, seconds: int) -> int | None:
    """When it is given up, looking whenever it is due; None: it was not."""
    now_ns = start_ns
    while now_ns < start_ns + seconds * SECOND_NS:
        now_ns = max(now_ns, one.due_at_ns)
        if not one.look(now_ns):
            return now_ns
    return None


def test_who_answers_lives_and_who_does_not_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """After the third question in a row without an answer in time; an answer starts the count anew."""
    monkeypatch.setattr(liveness, "UrlProbe", Answers)
    Answers.now = True
    one = Liveness("http://127.0.0.1:1/livez", every_s=0.5, failures_max=3, now_ns=0)
    assert until_over(one, 0, 5) is None
    Answers.now = False
    began_ns = one.due_at_ns
    assert until_over(one, began_ns, 3) is None  # two failures: it answers again before the third
    Answers.now = True
    assert until_over(one, one.due_at_ns, 1) is None
    Answers.now = False
    began_ns = one.due_at_ns
    over_ns = until_over(one, began_ns, 20)
    assert over_ns is not None
    assert over_ns - began_ns >= 3 * TIMEOUT_NS


def test_an_answer_counts_for_as_long_as_a_question_lasts(monkeypatch: pytest.MonkeyPatch) -> None:
    """A probe that drops its connection sooner would ask a slow service twice, and take no answer."""
    monkeypatch.setattr(liveness, "UrlProbe", Answers)
    Answers.now = False
    one = Liveness("http://127.0.0.1:1/livez", every_s=0.5, failures_max=3, now_ns=0)
    one.look(one.due_at_ns)
    probe: Any = one._probe
    assert probe.answer_within_s == TIMEOUT_NS / 1e9
