"""What the harness knows at a moment, folded from the history."""

from __future__ import annotations

from typing import Any

import pytest

from unstuck.history import Event
from unstuck.runner.live import Live
from unstuck.scenario import Condition


def live(*events: tuple[str, str | None, str | None, dict[str, Any]]) -> Live:
    """(kind, phase, job or process, data) of each event."""
    made = Live()
    for number, (kind, phase, who, data) in enumerate(events):
        of_process = kind == "process"
        made.apply(
            Event(number, 0, kind, phase, None if of_process else who, who if of_process else None, data)
        )
    return made


def moved(job: str, to: str, **data: Any) -> tuple[str, None, str, dict[str, Any]]:
    return ("transition", None, job, {"from": None, "to": to, "attempt": 1, "token": 1, **data})


def test_a_job_is_where_the_trigger_last_saw_it() -> None:
    """State, stage, attempt, token and holder come from the last row; a holder only while it is active."""
    seen = live(moved("j", "active", worker="worker-1", tag="big"), ("stage", None, "j", {"stage": "frames"}))
    job = seen.jobs["j"]
    assert (job.state, job.stage, job.attempt, job.worker) == ("active", "frames", 0, None)
    assert seen.is_tagged("j", "big")
    assert not seen.is_tagged("j", "small")
    assert not seen.is_tagged(None, "big")
    assert seen.is_tagged(None, "any")
    assert live(moved("j", "active", worker="w")).held_by("w") == ["j"]
    assert live(moved("j", "queued", worker="w")).held_by("w") == []


def test_a_job_that_only_its_client_knows_is_open() -> None:
    """The answer may come before the trigger's notice: the job must not be overlooked in between."""
    seen = live(("op", "ok", "j", {"action": "initiate_upload", "tag": "big"}))
    assert not seen.all_terminal()
    assert seen.count("open_jobs") == 1
    assert seen.is_tagged("j", "big")
    assert live(("op", "ok", "j", {"action": "complete_upload"})).jobs["j"].state == ""


def test_without_jobs_all_are_terminal() -> None:
    """Nothing to wait for; and one that ended is not open."""
    assert live().all_terminal()
    assert live(moved("j", "failed")).all_terminal()
    assert live(moved("j", "failed")).count("open_jobs") == 0


@pytest.mark.parametrize(
    ("subject", "comparison", "number", "held"),
    [
        ("active_jobs", ">=", 2, True),
        ("active_jobs", ">", 2, False),
        ("queued_jobs", "==", 1, True),
        ("awaiting_jobs", "<", 1, True),
        ("open_jobs", "<=", 2, False),
    ],
)
def test_conditions_count_jobs(subject: str, comparison: Any, number: int, held: bool) -> None:
    """Each subject counts its own state, and each comparison compares."""
    seen = live(moved("a", "active"), moved("b", "active"), moved("c", "queued"), moved("d", "succeeded"))
    condition = Condition(subject=subject, comparison=comparison, number=number)
    assert seen.holds(condition)[0] is held


def test_a_process_is_ready_from_its_word_to_its_exit() -> None:
    """Running is not ready: a process that is starting again is not up."""
    ready = ("process", "ready", "worker-1", {"role": "worker", "pid": 7})
    assert live(ready).ready_of("worker") == ["worker-1"]
    assert live(ready).ready_of("api") == []
    assert live(ready, ("process", "exit", "worker-1", {"pid": 7})).ready_of("worker") == []
    assert live(ready, ("process", "start", "worker-1", {"pid": 8})).ready_of("worker") == []


def test_only_a_request_to_end_counts_as_a_stop() -> None:
    """A pause and its end are signals, too, and no request."""
    stop = ("process", "signal", "w", {"signal": "SIGTERM", "scope": "main"})
    others = [
        ("process", "signal", "w", {"signal": "SIGCONT", "scope": "tree"}),
        ("process", "signal", "w", {"signal": "SIGSTOP", "scope": "main"}),
        ("process", "usage", "w", {}),
    ]
    assert live(stop, *others).stops["w"] == 1


def test_a_job_is_found_by_its_name_in_a_message() -> None:
    """A message names its job somewhere in its text, or no job at all."""
    assert live(moved("j-1", "active")).named_in("{'body': 'j-1'}") == "j-1"
    assert live(moved("j-1", "active")).named_in("{}") is None


def test_a_submission_without_an_answer_may_still_make_a_job() -> None:
    """Until one shows itself that no client was told of."""
    told = ("op", "ok", "j-1", {"action": "submit", "id": "1", "tag": "job"})
    unknown = ("op", "info", None, {"action": "submit", "id": "2"})
    assert live(told, moved("j-1", "queued")).may_know_all()
    assert not live(told, moved("j-1", "queued"), unknown).may_know_all()
    assert live(told, moved("j-1", "queued"), unknown, moved("j-2", "queued")).may_know_all()
    assert not live(("op", "info", None, {"action": "initiate_upload", "id": "3"})).may_know_all()
    assert live(("op", "info", None, {"action": "complete_upload", "id": "3"})).may_know_all()
