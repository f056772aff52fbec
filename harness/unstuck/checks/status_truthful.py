"""What the service says of a job is what was seen."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import zip_longest
from typing import Any

from unstuck.checks.port import Evidence, PropertyResult
from unstuck.checks.result import conclude, plural
from unstuck.checks.story import JobStory, Story, seconds

NAME = "status_truthful"
PROMISE = "The API, the service's rows and its log of transitions agree with what the harness saw."
PARAMETERS: Mapping[str, tuple[type, ...]] = {}

# How much older than its stamp an answer may be, in a run that ended while jobs were still moving.
LAG_S = 0.5


def check(story: Story, params: Mapping[str, Any]) -> PropertyResult:  # noqa: ARG001  takes none
    """Judges each job whose moves were seen and of which the service said something."""
    logged = any(job.said_moves for job in story.jobs.values())
    lag_s = 0.0 if story.run.end_reason == "settled" else LAG_S
    broken: list[Evidence] = []
    judged = said = 0
    for job in story.jobs.values():
        statements = len(job.said_api) + len(job.said_moves) + (job.said_row is not None)
        if not job.moves or not statements:
            continue
        judged += 1
        said += statements
        broken.extend(_states(job, lag_s))
        if logged:
            broken.extend(_log(job))
    return conclude(
        NAME,
        judged=judged,
        summary=f"{plural(said, 'statement')} about {plural(judged, 'job')} held against us",
        broken=broken,
    )


def _states(job: JobStory, lag_s: float) -> Iterator[Evidence]:
    """While a job moves, an answer may be older than its stamp, so that any state it has been in is true."""
    last = job.moves[-1]
    been = {move.after for move in job.moves}
    said = [(event, "the API") for event in job.said_api]
    said += [(event, "its row") for event in (job.said_row,) if event is not None]
    said += [(event, "our final look") for event in (job.outcome,) if event is not None]
    for event, whose in said:
        state = event.data["state"]
        settled = event.number > last.number and seconds(event) >= last.at_s + lag_s
        if state not in been:
            message = f"is {state} by {whose}, and was never seen so"
        elif settled and state != last.after:
            message = f"is {state} by {whose}, and was {last.after} since {last.at_s:.3f} s"
        else:
            continue
        yield Evidence(job=job.id, message=message, events=(last.number, event.number))


def _log(job: JobStory) -> Iterator[Evidence]:
    """The first line of the service's log that differs; what follows is shifted."""
    for move, event in zip_longest(job.kept_moves, job.kept_log):
        seen = None if move is None else f"{move.before} -> {move.after}"
        logged = None if event is None else f"{event.data['from']} -> {event.data['to']}"
        if seen == logged:
            continue
        events = tuple(each.number for each in (move, event) if each is not None)
        message = f"moved {seen}, and the service's log says {logged}"
        if seen is None:
            message = f"has {logged} in the service's log, which nobody saw"
        elif logged is None:
            message = f"moved {seen}, which the service's log does not have"
        yield Evidence(job=job.id, message=message, events=events)
        return
