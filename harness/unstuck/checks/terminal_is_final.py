"""What has ended stays ended; a retry makes a new job."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from unstuck.checks.port import Evidence, PropertyResult
from unstuck.checks.result import conclude, plural
from unstuck.checks.story import JobStory, Story
from unstuck.scenario import TERMINAL_STATES

NAME = "terminal_is_final"
PROMISE = "A job never leaves a terminal state; delivered again, where that is promised, it ends the same."
PARAMETERS: Mapping[str, tuple[type, ...]] = {}


def check(story: Story, params: Mapping[str, Any]) -> PropertyResult:  # noqa: ARG001  takes none
    """Judges every job that ever was terminal."""
    judged = repeated = 0
    broken: list[Evidence] = []
    for job in story.jobs.values():
        ended = next((nth for nth, move in enumerate(job.moves) if move.after in TERMINAL_STATES), None)
        if ended is None:
            continue
        judged += 1
        if ended + 1 < len(job.moves) and not job.moves[ended + 1].by_hand:
            if _may_repeat(story, job) and _ends_alike(job, job.moves[ended].after):
                repeated += 1
                continue
            end, revival = job.moves[ended], job.moves[ended + 1]
            message = f"was {end.after} at {end.at_s:.3f} s, and {revival.after} at {revival.at_s:.3f} s"
            broken.append(Evidence(job=job.id, message=message, events=(end.number, revival.number)))
    return conclude(
        NAME,
        judged=judged,
        summary=f"{judged - len(broken)} of {plural(judged, 'ended job')} stayed so",
        broken=broken,
        figures={"repeated": repeated},
    )


def _may_repeat(story: Story, job: JobStory) -> bool:
    """True where a delivery may come again: also to a target of one's own that promises to be effective once,
    which is to deliver again, and to have no effect then (`effects` judges that)."""
    promise = story.run.promise
    return promise == "at_least_once" or (promise == "effectively_once" and job.sampled)


def _ends_alike(job: JobStory, state: str) -> bool:
    """True when a second delivery changed nothing: every end that the job came to is the same."""
    return {move.after for move in job.moves if move.after in TERMINAL_STATES} == {state} == {job.state}
