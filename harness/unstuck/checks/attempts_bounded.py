"""No job is tried for ever."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from unstuck.checks.port import Evidence, PropertyResult
from unstuck.checks.result import conclude, plural
from unstuck.checks.story import JobStory, Story, text_of

NAME = "attempts_bounded"
PROMISE = "No job is attempted more often than allowed; attempts that were handed back do not count."
PARAMETERS: Mapping[str, tuple[type, ...]] = {"most": (int,), "claims_most": (int,)}

MOST = 3


def check(story: Story, params: Mapping[str, Any]) -> PropertyResult:
    """`claims_most`: claims of a job, charged or not; absent: not judged. `most`: charged attempts of a
    job. An attempt is a claim that the trigger saw; it is charged unless the service's attempts log says
    that it was handed back.
    """
    most = int(params.get("most", MOST))
    broken: list[Evidence] = []
    unclear: list[Evidence] = []
    highest = judged = 0
    for job in story.jobs.values():
        if not job.claims and not job.begins:
            continue
        if job.sampled and "most" not in params:
            continue  # a declared target has made no promise, unless the scenario names the bound
        judged += 1
        charged, unknown = _attempts(job)
        highest = max(highest, charged)
        events = tuple(claim.move.number for claim in job.claims)
        if "claims_most" in params and len(job.claims) > int(params["claims_most"]):
            message = f"was claimed {len(job.claims)} times, {params['claims_most']} are allowed"
            broken.append(Evidence(job=job.id, message=message, events=events))
        elif charged > most:
            message = f"was attempted {charged} times, {most} are allowed"
            broken.append(Evidence(job=job.id, message=message, events=events))
        elif charged + unknown > most:
            message = f"was claimed {len(job.claims)} times; of {unknown} nothing says whether they count"
            unclear.append(Evidence(job=job.id, message=message, events=events))
    return conclude(
        NAME,
        judged=judged,
        summary=f"{plural(judged, 'job')}, with {plural(highest, 'charged attempt')} at most, {most} allowed",
        broken=broken,
        unclear=unclear,
        figures={"most": highest},
    )


def _attempts(job: JobStory) -> tuple[int, int]:
    """How many claims are charged for certain, and of how many nothing is said. What jobs report themselves
    is certain: an attempt that has begun counts."""
    if job.begins:
        return len(job.begins), 0
    charged = unknown = 0
    for claim in job.claims:
        said = job.said_attempts.get(claim.move.token)
        if said is None:
            unknown += 1
        elif text_of(said, "outcome") != "handed_back":
            charged += 1
    return charged, unknown
