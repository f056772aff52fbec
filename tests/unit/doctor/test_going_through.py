"""What is said of jobs that went through: whose effects were heard, and how the one after a restart fared."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, cast

import pytest

from unstuck.doctor.examining import judge_second
from unstuck.doctor.jobs import UNKNOWN, judge_absence, judge_effect
from unstuck.doctor.steps import Step
from unstuck.doctor.trial import Attended, Trial
from unstuck.targets.declared.agent_client import CallError
from unstuck.targets.declared.file import CommandCall, Observation, Submission, TargetFile
from unstuck.targets.declared.target import DeclaredTarget
from unstuck.targets.declared.tracker import Seen
from unstuck.targets.port import Emit, Reply

FILE = TargetFile(
    name="t", path=Path("t"), folder=Path(), submit=Submission(call=CommandCall(command=("s",))),
    observe=Observation(sources=()),
)  # fmt: skip


class Shop:
    """Stands for a target, and for its run: each submission gets the next id; `report` is told of effects."""

    file = FILE

    def __init__(self, *ids: str) -> None:
        self._ids = list(ids)
        self.emit: Emit
        self.says: Mapping[str, Sequence[Any]] = {}

    def start(self, *, emit: Emit, **_: Any) -> Shop:
        self.emit = emit
        return self

    def call(self, *_: Any) -> Reply:
        return Reply(phase="ok", data={"job": self._ids.pop(0)})

    def ask_each(self, job: str) -> Sequence[Any]:
        return self.says.get(job, ())

    def report(self, job: str) -> None:
        self.emit("attempt", "begin", job=job, attempt=1)
        self.emit("effect", job=job)


def trial_of(shop: Shop) -> Trial:
    trial = Trial(cast("DeclaredTarget", shop), lambda: False)
    trial.start(cast("Any", None), Path())
    return trial


def test_every_job_that_we_handed_in_may_have_an_effect() -> None:
    """A second one, since the first had waited, is none that nobody knows; a third of an odd name is."""
    shop = Shop("j-1", "j-2")
    trial = trial_of(shop)
    shop.report("j-1")
    first = trial.attend(0.01, want_effect=True)
    trial.attend(0.0, want_effect=True)
    shop.report("j-2")
    assert judge_effect(trial, FILE, first).state != "bad"
    shop.report("task-77")
    step = judge_effect(trial, FILE, first)
    assert step.state == "bad"
    assert "the ledger was told of 'task-77', and the job is 'j-1'" in step.told


def ended(state: str = "succeeded", *, effects: int = 1, reason: str | None = None) -> Attended:
    return Attended(
        reply=Reply(phase="ok"), submitted_ns=0, acknowledged_ns=0, job="j-2", effects=effects,
        terminal_ns=200_000_000, at=[(200_000_000, state, "look")], said=[[Seen(state=state, reason=reason)]],
    )  # fmt: skip


@pytest.mark.parametrize(
    ("first", "second", "state", "told"),
    [
        (ended(), ended(), "ok", "then a job took 0.20 s"),
        (ended(effects=0), ended(effects=0), "ok", "then a job took 0.20 s"),  # `effect` has said so
        (ended(), ended("failed", effects=0, reason="away"), "bad", "then a job failed 0.20 s later: away"),
        (ended(), ended(effects=0), "bad", "then a job succeeded, and its effect was not seen"),
    ],
)  # fmt: skip
def test_a_job_after_a_restart_has_to_go_as_the_one_before(
    first: Attended, second: Attended, state: str, told: str
) -> None:
    """To end is not enough: it may have failed, or have done nothing."""
    step = judge_second(FILE, Step(name="restart", state="ok"), first, None, second)
    assert step.state == state
    assert told in step.told[0]


def test_a_source_that_fails_for_an_unknown_id_is_told() -> None:
    """In a run every look at a lost job would fail: that is no absence, and no job could be called lost."""
    shop = Shop("j-1")
    trial = trial_of(shop)
    first = trial.attend(0.0, want_effect=True)
    shop.says = {UNKNOWN: [Seen(), CallError("GET /jobs/7: answered 500", maybe=True)]}
    step = judge_absence(trial, FILE, first)
    assert step.state == "note"
    assert "sources[1] cannot be asked for a job that does not exist: GET /jobs/7: answered 500" in step.told
    assert any("404" in one for one in step.advice)
