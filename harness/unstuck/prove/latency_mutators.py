"""Ways to falsify how long jobs took; see `unstuck.prove.mutators`."""

from __future__ import annotations

from collections.abc import Mapping
from random import Random

from unstuck.prove.editing import Edit

SECOND_NS = 1_000_000_000


def pile_up(edit: Edit, rng: Random) -> bool:
    """Jobs are claimed much later than they were, so that more of them wait at a time."""
    del rng
    demand = edit.expect("backlog_within")
    tag = demand.get("tag")
    jobs = [job for job in edit.story.jobs.values() if tag in (None, job.tag)]
    queued = [job for job in jobs if any(move.after == "queued" for move in job.moves)]
    if "most" not in demand or len(queued) <= int(demand["most"]):
        return False
    for job in queued:
        since = next(move.number for move in job.moves if move.after == "queued")
        edit.leave_out(move.number for move in job.moves if move.number > since)
    return True


def finish_late(edit: Edit, rng: Random) -> bool:
    """A job of a tag with a time of its own ends after it; all of them, where their median is judged."""
    within = edit.expect("latency_within")
    jobs = [job for job in edit.ended() if job.tag in within]
    queued = [(job, move.at_s) for job in jobs for move in job.moves if move.after == "queued"]
    if not queued:
        return False
    chosen, _ = rng.choice(queued)
    demand = within[str(chosen.tag)]
    longest_s = float(demand) if isinstance(demand, int | float) else edit.story.end_s
    by_median = isinstance(demand, Mapping) and demand.get("by") == "median"
    for job, at_s in queued:
        if job is chosen or (by_median and job.tag == chosen.tag):
            end_s = at_s + longest_s + 1
            edit.change(job.moves[-1].number, at_ns=round(end_s * SECOND_NS))
    return True
