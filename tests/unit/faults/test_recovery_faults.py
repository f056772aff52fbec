"""What an operator does about recovery sweeps: paused, resumed, asked for; and what was answered."""

from __future__ import annotations

from typing import Any

import pytest

from tests.unit.faults.blows import ACTIVE, landed, struck, why_missed
from tests.unit.runner.stage import fault, stage
from unstuck.targets.port import Reply
from unstuck.targets.reference.operators import operate


def test_recovery_is_paused_when_the_service_says_so_and_resumed_when_it_is_healed() -> None:
    """By its time, like any fault that lasts."""
    with stage(fault("pause_recovery", ACTIVE, {"for_s": 2})) as made:
        made.running.abilities["pause_recovery"] = {"paused": True}
        made.running.abilities["resume_recovery"] = {"resumed": True}
        struck(made, ACTIVE)
        assert landed(made)["how"] == "recovery is paused"
        assert ("resume_recovery", {}) not in made.running.done
        made.after(3)
        assert ("resume_recovery", {}) in made.running.done


def test_a_pause_that_was_refused_has_missed() -> None:
    """With the service's own words."""
    with stage(fault("pause_recovery", ACTIVE, {"for_s": 2})) as made:
        made.running.abilities["pause_recovery"] = {"paused": False, "error": "403"}
        made.running.abilities["resume_recovery"] = {"resumed": False}
        struck(made, ACTIVE)
        assert why_missed(made) == "recovery was not paused: 403"


@pytest.mark.parametrize(
    ("answer", "why"),
    [({"said": "run 3: found 1"}, None), ({"said": None, "error": "no answer"}, "no answer: no answer")],
)
def test_a_sweep_was_asked_for_when_somebody_answered(answer: dict[str, Any], why: str | None) -> None:
    """Also that there was none: it was heard."""
    with stage(fault("trigger_recovery", ACTIVE)) as made:
        made.running.abilities["trigger_recovery"] = answer
        struck(made, ACTIVE)
        assert landed(made)["how"] == "run 3: found 1" if why is None else why_missed(made) == why


@pytest.mark.parametrize(
    ("action", "reply", "told", "seen"),
    [
        ("pause_recovery", Reply(phase="ok", data={"paused_at": 1.0}), {"paused": True}, ["pause"]),
        ("pause_recovery", Reply(phase="info", error="x"), {"paused": False, "error": "x"}, []),
        ("resume_recovery", Reply(phase="ok"), {"resumed": True}, ["resume"]),
        ("trigger_recovery", Reply(phase="ok", data={"run": 1, "found": 2, "triggered": 2, "failed": 0}),
         {"said": "run 1: found 2, triggered 2, failed 0"}, []),
        ("trigger_recovery", Reply(phase="fail", data={"status": 409}, error="paused"),
         {"said": "no run: paused"}, []),
        ("trigger_recovery", Reply(phase="info", error="x"), {"said": None, "error": "x"}, []),
    ],
)  # fmt: skip
def test_what_an_operator_was_answered(
    action: str, reply: Reply, told: dict[str, Any], seen: list[str]
) -> None:
    """A pause is on record by its answer, a resumption by its question."""
    events: list[str | None] = []
    asked: list[str] = []

    def ask(path: str) -> Reply:
        asked.append(path)
        return reply

    def emit(kind: str, phase: str | None = None, **_: Any) -> None:
        events.append(phase)

    answer = operate(action, ask, emit)
    assert {key: value for key, value in answer.items() if value is not None or key == "said"} == told
    assert (events, len(asked)) == (seen, 1)
