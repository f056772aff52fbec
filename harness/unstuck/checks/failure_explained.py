"""A job that fails says why."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from unstuck.checks.classes import Kind, classify
from unstuck.checks.port import Evidence, PropertyResult
from unstuck.checks.result import conclude, plural
from unstuck.checks.story import Story

NAME = "failure_explained"
PROMISE = "A job that ends as failed has a reason that somebody can read."
PARAMETERS: Mapping[str, tuple[type, ...]] = {}


def check(story: Story, params: Mapping[str, Any]) -> PropertyResult:  # noqa: ARG001  takes none
    """Judges every job that ended as failed, where the target shows reasons."""
    if not story.run.sees_reasons:
        return conclude(NAME, judged=0, summary="the target shows no reasons")
    failed = [job for job in story.jobs.values() if job.state == "failed"]
    silent = [row.job for row in classify(story) if row.kind is Kind.FAILED_WITHOUT_ERROR]
    message = "is failed, and nothing says why"
    broken = [Evidence(job=job, message=message, events=story.jobs[job].last_event) for job in silent]
    return conclude(
        NAME,
        judged=len(failed),
        summary=f"{len(failed) - len(broken)} of {plural(len(failed), 'failed job')} explained",
        broken=broken,
    )
