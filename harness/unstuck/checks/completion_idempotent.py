"""An upload may be completed any number of times, by anybody, and is enqueued once."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from unstuck.checks.port import Evidence, PropertyResult
from unstuck.checks.result import conclude, plural
from unstuck.checks.story import JobStory, Op, Story, text_of

NAME = "completion_idempotent"
PROMISE = "However often an upload is completed, its job is enqueued once, and each call gets an answer."
PARAMETERS: Mapping[str, tuple[type, ...]] = {}

# Who signs moves that a completion or its event causes, in the service's own log.
COMPLETERS = ("api", "relay")


def check(story: Story, params: Mapping[str, Any]) -> PropertyResult:  # noqa: ARG001  takes none
    """Judges each job whose completion was told at least twice: by calls, or by a duplicate of its event."""
    duplicated = _duplicated(story)
    broken: list[Evidence] = []
    unclear: list[Evidence] = []
    judged = enqueued = 0
    for job in story.jobs.values():
        completes = job.ops_of("complete_upload")
        notices = len(completes) + len(job.ops_of("publish_event")) + (job.id in duplicated)
        enqueues = [m.number for m in job.kept_moves if (m.before, m.after) == ("awaiting_upload", "queued")]
        if len(enqueues) > 1:
            message = f"was enqueued {len(enqueues)} times from awaiting_upload"
            broken.append(Evidence(job=job.id, message=message, events=tuple(enqueues)))
        if notices >= 2:
            judged += 1
            enqueued += len(enqueues)
            broken.extend(_again(job))
            broken.extend(_answers(job, completes))
        if job.state == "awaiting_upload" and any(op.outcome == "ok" for op in completes):
            message = "had its completion answered ok, and still awaits its upload"
            evidence = Evidence(job=job.id, message=message, events=job.last_event)
            (broken if story.run.played_out else unclear).append(evidence)
    return conclude(
        NAME,
        judged=judged,
        summary=f"{plural(judged, 'job')} told of more than once, enqueued {enqueued} x",
        broken=broken,
        unclear=unclear,
    )


def _duplicated(story: Story) -> frozenset[str]:
    """Jobs of which a fault sent a message twice."""
    return frozenset(
        job
        for fault in story.faults.values()
        if fault.name.startswith("duplicate")
        for stroke in fault.strokes
        for job in stroke.jobs or ()
    )


def _again(job: JobStory) -> list[Evidence]:
    """Enqueuings from anywhere but `awaiting_upload`, signed by who handles completions."""
    return [
        Evidence(
            job=job.id,
            message=f"was enqueued again from {event.data['from']} by {text_of(event, 'actor')}",
            events=(event.number,),
        )
        for event in job.kept_log
        if event.data["to"] == "queued"
        and event.data["from"] not in (None, "awaiting_upload")
        and (text_of(event, "actor") or "").startswith(COMPLETERS)
    ]


def _answers(job: JobStory, completes: list[Op]) -> list[Evidence]:
    """Calls that met another one and were answered with a failure of the server.

    503 is the answer of a service that drains or whose database is away.
    """
    return [
        Evidence(
            job=job.id,
            message=f"had a completion answered {op.status} while another was under way",
            events=(op.invoked.number,),
        )
        for op in completes
        if (op.status or 0) >= 500
        and op.status != 503
        and any(other is not op and op.overlaps(other) for other in completes)
    ]
