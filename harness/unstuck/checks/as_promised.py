"""What became of each job is what the target promises of deliveries."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

from unstuck.checks.classes import JobClass, classify
from unstuck.checks.port import Evidence, PropertyResult
from unstuck.checks.result import conclude, plural
from unstuck.checks.story import Story

NAME = "as_promised"
PROMISE = "The class of each job's outcome is one that the delivery promise allows."
PARAMETERS: Mapping[str, tuple[type, ...]] = {}


def check(story: Story, params: Mapping[str, Any]) -> PropertyResult:  # noqa: ARG001  takes none
    """Judges every job that a client was told of, by class and promise. In a run that did not come to its
    own end what is missing may still come, so nothing is broken then.
    """
    rows = [row for row in classify(story) if story.jobs[row.job].acknowledged is not None]
    found = [
        Evidence(job=row.job, message=_told(row, story), events=_events(row, story))
        for row in rows
        if not row.allowed
    ]
    broken, unclear = (found, []) if story.run.played_out else ([], found)
    counts = Counter(str(row.kind) for row in rows)
    return conclude(
        NAME,
        judged=len(rows),
        summary=f"{plural(len(rows), 'job')} under {story.run.promise}: "
        + (", ".join(f"{count} {kind}" for kind, count in sorted(counts.items())) or "none"),
        broken=broken,
        unclear=unclear,
        figures=dict(counts),
    )


def _told(row: JobClass, story: Story) -> str:
    rescued = f" ({row.rescued})" if row.rescued else ""
    return f"is {row.kind}{rescued}, which {story.run.promise} does not allow"


def _events(row: JobClass, story: Story) -> tuple[int, ...]:
    job = story.jobs[row.job]
    look = () if job.outcome is None else (job.outcome.number,)
    effects = tuple(event.number for event in job.applied)
    return tuple(dict.fromkeys((*effects, *job.last_event, *look)))
