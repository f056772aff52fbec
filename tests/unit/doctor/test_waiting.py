"""What is said of a job that came while nobody was there to take it up."""

from __future__ import annotations

from pathlib import Path

import pytest

from unstuck.doctor.jobs import judge_waiting
from unstuck.doctor.steps import Notes
from unstuck.doctor.trial import Attended
from unstuck.targets.declared.file import CommandCall, Observation, Submission, TargetFile
from unstuck.targets.declared.tracker import NOWHERE, Seen
from unstuck.targets.port import Reply


def target(absent: str = "lost") -> TargetFile:
    return TargetFile(
        name="t", path=Path("t"), folder=Path(), submit=Submission(call=CommandCall(command=("s",))),
        observe=Observation(sources=(), absent=absent),  # type: ignore[arg-type]  # one of three words
    )  # fmt: skip


def waited(*said: Seen | str, job: str | None = "j", begun_ns: int | None = None) -> Attended:
    return Attended(
        reply=Reply(phase="ok"), submitted_ns=0, acknowledged_ns=0, job=job, begun_ns=begun_ns,
        said=[[one] for one in said],
    )  # fmt: skip


@pytest.mark.parametrize(
    ("waiting", "state", "told"),
    [
        (waited(NOWHERE, Seen(held="queue")), "ok", "as sources[1] says"),
        (waited(Seen(state="queued")), "ok", "as sources[0] says"),
        (waited(NOWHERE, "no such key"), "bad", "known to no source"),
        (waited(NOWHERE, begun_ns=1), "ok", ""),  # another replica took it
        (waited(job=None), "ok", ""),  # it was refused: the role that takes jobs was down
    ],
)
def test_a_job_that_waits_has_to_be_known_to_a_source(waiting: Attended, state: str, told: str) -> None:
    """Else a run would call it lost, and the service would be blamed for a name in the file."""
    notes = Notes("restart")
    judge_waiting(target(), waiting, notes)
    step = notes.step()
    assert step.state == state
    assert told in " ".join(step.told)
    assert bool(step.told) == bool(told)


def test_where_none_will_be_called_lost_it_need_not_be_known() -> None:
    """`absent: unknown` has said so, and `absence` repeats it."""
    notes = Notes("restart")
    judge_waiting(target("unknown"), waited(NOWHERE), notes)
    assert notes.step().told == ()
