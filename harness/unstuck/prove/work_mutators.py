"""Ways to falsify how much work was done, and how often somebody asked; see `unstuck.prove.mutators`."""

from __future__ import annotations

from random import Random

from unstuck.checks import calls_in_vain, rework_within
from unstuck.prove.editing import Edit
from unstuck.scenario import UNIT_DONE


def work_again(edit: Edit, rng: Random) -> bool:
    """A job that was claimed again does all of its units twice, and once more than it may."""
    bounds = edit.expect(rework_within.NAME)
    again = [job.id for job in edit.story.jobs.values() if len(job.claims) > 1]
    units = [
        event
        for process in edit.story.processes.values()
        for event in process.points
        if event.phase == "reached" and event.data.get("point") == UNIT_DONE and event.job in again
    ]
    if not bounds or not units:
        return False
    job = rng.choice(units).job
    times = int(bounds.get("units_max", 0)) + int(bounds.get("ratio_max", 0)) + 1
    for event in units:
        if event.job == job:
            edit.add(event.number, *[edit.like(event.number)] * times)
    return True


def leave_behind(edit: Edit, rng: Random) -> bool:
    """A checkpoint of a job that has ended stays in the object store."""
    ended = [job for job in edit.ended() if job.claims and job.outcome and "left" in job.outcome.data]
    job = rng.choice(ended) if ended else None
    if job is None or job.outcome is None:
        return False
    edit.change(job.outcome.number, left={"rows": 0, "objects": 1})
    return True


def ask_on(edit: Edit, rng: Random) -> bool:
    """Somebody who got no answer asks again, more often than allowed."""
    most = edit.expect(calls_in_vain.NAME).get("most")
    refused = [event for event in edit.story.calls if event.phase in {"refused", "unanswered"}]
    if not isinstance(most, int) or not refused:
        return False
    of_role = rng.choice(refused)
    edit.add(of_role.number, *[edit.like(of_role.number)] * (most + 1))
    return True
