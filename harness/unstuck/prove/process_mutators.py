"""Mutators about processes: how they end, what they use, and who takes their jobs."""

from __future__ import annotations

from random import Random

from unstuck.checks.no_live_job_rescued import held_by_the_living
from unstuck.prove.editing import Edit


def exit_dirtily(edit: Edit, rng: Random) -> bool:
    """A process that was asked to stop, and had the time to, exits with 1."""
    end = edit.story.run.end
    role = edit.expect("drains_cleanly").get("role")
    exits = [
        life.exit
        for process in edit.story.processes.values()
        if role in (None, process.role)
        for life in process.lives
        if life.exit is not None
        and life.asked_when_ready
        and life.exit.data.get("code") == 0
        and life.exit.data.get("grace_s") != 0
        and (end is None or life.exit.number < end.number)
    ]
    if not exits:
        return False
    edit.change(rng.choice(exits).number, code=1)
    return True


def crash_for_good(edit: Edit, rng: Random) -> bool:
    """A process that ended is given up: it crashed too often."""
    exits = [
        life.exit
        for process in edit.story.processes.values()
        for life in process.lives
        if life.exit is not None
    ]
    if not exits:
        return False
    edit.change(rng.choice(exits).number, expected=False, restart="starts_max=1 reached")
    return True


def outgrow_memory(edit: Edit, rng: Random) -> bool:
    """A process uses twice its limit."""
    role = edit.expect("memory_within").get("role")
    ballooned = any(fault.name.startswith("allocate") for fault in edit.story.faults.values())
    samples = [
        event
        for process in edit.story.processes.values()
        if role in (None, process.role)
        for event in process.usage
        if event.data.get("limit_bytes")
    ]
    if ballooned or not samples:
        return False
    sample = rng.choice(samples)
    edit.change(sample.number, rss_bytes_max=2 * sample.data["limit_bytes"])
    return True


def rescue_the_living(edit: Edit, rng: Random) -> bool:
    """The sweeper takes a job from a worker that was about to finish it."""
    places = [
        (claim.left, line)
        for job in edit.story.jobs.values()
        for claim in job.claims[-1:]
        if claim.left is not None
        and claim.left.after == "succeeded"
        and held_by_the_living(edit.story, job, claim)
        and job.actors()[job.moves.index(claim.move)] is not None
        and (line := edit.logged(job, claim.left)) is not None
    ]
    if not places:
        return False
    move, line = rng.choice(places)
    edit.change(move.number, to="queued")
    edit.change(line.number, to="queued", actor="sweeper of another world")
    return True
