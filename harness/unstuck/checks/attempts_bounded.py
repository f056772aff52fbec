"""No job is tried for ever."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from unstuck.checks.port import Evidence, PropertyResult
from unstuck.checks.result import conclude, plural
from unstuck.checks.story import JobStory, Story, text_of

NAME = "attempts_bounded"
PROMISE = (
    "No job is attempted more often than allowed; attempts that were handed back do not count, nor do the "
    "first whose lease was lost, where those are spared."
)
PARAMETERS: Mapping[str, tuple[type, ...]] = {"most": (int,), "losses_spared": (int,), "claims_most": (int,)}

MOST = 3
LOSSES_SPARED = 5


def check(story: Story, params: Mapping[str, Any]) -> PropertyResult:
    """`claims_most`: claims of a job, charged or not; absent: not judged. `most`: charged attempts of a
    job. An attempt is a claim that the trigger saw; it is charged unless the service's attempts log says
    that it was handed back, or that it was lost, for the first `losses_spared` of those (5; 0 where `most` is
    given).
    """
    most = int(params.get("most", MOST))
    spared = int(params.get("losses_spared", 0 if "most" in params else LOSSES_SPARED))
    broken: list[Evidence] = []
    unclear: list[Evidence] = []
    highest = judged = 0
    for job in story.jobs.values():
        if not job.claims and not job.begins:
            continue
        if job.sampled and "most" not in params:
            continue  # a declared target has made no promise, unless the scenario names the bound
        judged += 1
        charged, forgiven, unknown = _attempts(job, spared)
        highest = max(highest, charged)
        events = tuple(claim.move.number for claim in job.claims)
        if "claims_most" in params and len(job.claims) > int(params["claims_most"]):
            message = f"was claimed {len(job.claims)} times, {params['claims_most']} are allowed"
            broken.append(Evidence(job=job.id, message=message, events=events))
        elif charged > most:
            beside = f", beside {forgiven} that were lost and spared" if forgiven else ""
            message = f"was attempted {charged} times, {most} are allowed{beside}"
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


def _attempts(job: JobStory, spared: int) -> tuple[int, int, int]:
    """How many claims are charged for certain, how many were lost and spared, and of how many nothing is
    said. What jobs report themselves is certain: an attempt that has begun counts.
    """
    if job.begins:
        return len(job.begins), 0, 0
    said = [job.said_attempts.get(claim.move.token) for claim in job.claims]
    outcomes = [text_of(one, "outcome") for one in said if one is not None]
    forgiven = min(outcomes.count("lost"), spared)
    charged = len(outcomes) - outcomes.count("handed_back") - forgiven
    return charged, forgiven, len(said) - len(outcomes)
