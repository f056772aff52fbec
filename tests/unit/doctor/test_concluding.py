"""What is declared, held against itself and against what was seen; what a target cannot show."""

from __future__ import annotations

from pathlib import Path

import pytest

from unstuck.doctor.concluding import conclude_abilities, conclude_timings
from unstuck.doctor.steps import Examination, Notes, Step
from unstuck.doctor.trial import Attended
from unstuck.targets.declared.file import (
    CommandCall,
    Look,
    Observation,
    RedisSource,
    Submission,
    TargetFile,
    Timings,
)
from unstuck.targets.port import Reply

SUBMIT = Submission(call=CommandCall(command=("s",)))
STATES_ALONE = RedisSource(dependency="broker", looks=(Look(key="k", state="queued"),))
LOOKS = RedisSource(dependency="broker", looks=(Look(key="q", held="queue"),))


def target(**changes: object) -> TargetFile:
    values: dict[str, object] = {
        "name": "t", "path": Path("t"), "folder": Path(), "submit": SUBMIT,
        "observe": Observation(sources=(LOOKS,)), **changes,
    }  # fmt: skip
    return TargetFile(**values)  # type: ignore[arg-type]  # the test says what it changes


def took(seconds: float) -> Attended:
    end = int(seconds * 1e9)
    return Attended(
        reply=Reply(phase="ok"), submitted_ns=0, acknowledged_ns=0, begun_ns=0, ended_ns=end, effects=1,
        held_at={"job.begin"},
    )  # fmt: skip


@pytest.mark.parametrize(
    ("timings", "seconds", "state", "said"),
    [
        (Timings(), 0.2, "ok", "none are declared"),
        (Timings(job_s=0.2), 0.25, "ok", "a job takes 0.25 s (declared 0.2 s)"),
        (Timings(job_s=10), 0.2, "note", "job_s=10 is far from that"),
        (Timings(lease_s=1), 2.0, "bad", "lease_s=1 is not longer than a job (2.00 s)"),
        (Timings(lease_s=60), 2.0, "ok", "its lease of 60 s is longer"),
        (Timings(recovery_period_s=30), 0.2, "ok", "takes up what was dropped within 30 s"),
        (Timings(recovery_period_s=100), 0.2, "note", "longer than the recovery budget (60 s)"),
    ],
)
def test_timings_are_plausible_or_told(timings: Timings, seconds: float, state: str, said: str) -> None:
    """A lease that is shorter than the job has to be mended; the rest is worth knowing."""
    step = conclude_timings(target(), timings, took(seconds))
    assert (step.state, said in " ".join(step.told)) == (state, True), step


def test_without_a_run_the_declared_times_are_compared() -> None:
    """Nothing was measured: a lease against the declared job."""
    assert conclude_timings(target(), Timings(job_s=5, lease_s=1), None).state == "bad"


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"ledger": False}, "doubled, done_not_terminal and done_but_failed are never found"),
        ({"ledger": False, "effects": LOOKS}, "without the ledger: no attempts"),
        ({"observe": Observation(sources=(LOOKS,), absent="unknown")}, "no job is ever called lost"),
        (
            {
                "observe": Observation(
                    sources=(RedisSource(dependency="b", looks=(Look(key="k", state="queued"),)),)
                )
            },
            "no source says where a job is held",
        ),
    ],
)
def test_what_cannot_be_shown_is_said(changes: dict[str, object], said: str) -> None:
    """Before a run, so that green is not taken for more."""
    step = conclude_abilities(target(**changes), Timings(recovery_period_s=1), took(0.1))
    assert step.state == "note"
    assert said in " ".join(step.told)


def test_a_full_target_has_no_limits_to_tell() -> None:
    """Effects with places, holders, absence, a recovery period."""
    assert conclude_abilities(target(), Timings(recovery_period_s=1), took(0.1)).state == "ok"


def test_the_worst_of_a_step_decides() -> None:
    """And nothing is said twice."""
    notes = Notes("x")
    notes.tell("a")
    notes.note("b", "do b")
    notes.bad("c", "do c")
    notes.bad("c", "do c")
    notes.note("d")
    assert notes.step() == Step(name="x", state="bad", told=("a", "b", "c", "d"), advice=("do b", "do c"))


def test_one_bad_step_is_enough() -> None:
    """Notes and skipped steps do not stand in the way of a run."""
    steps = [Step(name="a", state="ok"), Step(name="b", state="note"), Step(name="c", state="skipped")]

    def done(*more: Step) -> Examination:
        return Examination(target="t", word="t", configuration=None, steps=(*steps, *more), took_s=1.0)

    assert done().ready
    assert not done(Step(name="d", state="bad")).ready
    assert done().as_json()["ready"] is True
