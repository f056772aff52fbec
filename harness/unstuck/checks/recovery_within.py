"""Jobs that a fault hit are taken up again, and end, within a time."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from unstuck.checks.no_job_lost import may_be_lost
from unstuck.checks.port import Evidence, PropertyResult
from unstuck.checks.result import conclude, plural, spread
from unstuck.checks.story import JobStory, Story, Stroke
from unstuck.checks.victims import Victim, victims

NAME = "recovery_within"
PROMISE = "Each job that a fault hit is claimed again, and ends, within its time."
PARAMETERS: Mapping[str, tuple[type, ...]] = {"budget_s": (int, float), "claim_s": (int, float)}


def check(story: Story, params: Mapping[str, Any]) -> PropertyResult:
    """`budget_s`: from landed (lasting faults: from healed) to the terminal state; absent: the run's
    budget. `claim_s`: to the next claim of a job that was held; absent: not judged.
    """
    budget_s = float(params.get("budget_s", story.run.budget_s))
    claim_s = params.get("claim_s")
    broken: list[Evidence] = []
    unclear: list[Evidence] = []
    claims_s: list[float] = []
    ends_s: list[float] = []
    judged = 0
    hit: set[str] = set()
    recovered: set[str] = set()
    for fault in story.faults.values():
        for stroke in fault.strokes:
            for victim in victims(story, stroke):
                if may_be_lost(story, victim.job):
                    continue
                judged += 1
                hit.add(victim.job.id)
                if victim.job.terminal:
                    recovered.add(victim.job.id)
                claim = _claim(story, stroke, victim, claims_s, claim_s)
                end = _end(story, stroke, victim.job, ends_s, budget_s)
                for message in (claim, end):
                    if message is not None:
                        definite, text = message
                        evidence = _evidence(stroke, victim.job, text)
                        (broken if definite else unclear).append(evidence)
    last = f", the last ended after {max(ends_s):.3f} s" if ends_s else ""
    be = "was" if len(hit) == 1 else "were"
    times = f" (in all {judged} times)" if judged > len(hit) else ""
    return conclude(
        NAME,
        judged=judged,
        summary=f"{len(recovered)} of {plural(len(hit), 'job')} that {be} hit{times} recovered{last}",
        broken=broken,
        unclear=unclear,
        figures={"hit": judged, **spread("claim", claims_s), **spread("terminal", ends_s)},
    )


Finding = tuple[bool, str]  # whether the history settles it, and what is wrong


def _claim(
    story: Story, stroke: Stroke, victim: Victim, claims_s: list[float], within_s: float | None
) -> Finding | None:
    if victim.next_claim is not None:
        took_s = max(0.0, victim.next_claim.at_s - stroke.over_s)
        claims_s.append(took_s)
        if within_s is not None and took_s > within_s:
            is_late = victim.next_claim.move.since_s - stroke.over_s > within_s
            return is_late, f"was claimed again after {took_s:.3f} s, not within {within_s:g} s"
        return None
    if within_s is None or victim.job.terminal:
        return None  # it ended without another claim, and needed none
    return _so_far(story, stroke, within_s, "was never claimed again")


def _end(story: Story, stroke: Stroke, job: JobStory, ends_s: list[float], within_s: float) -> Finding | None:
    end_s = job.terminal_at_s
    if end_s is None:
        return _so_far(story, stroke, within_s, f"never ended: it is {job.state}")
    took_s = max(0.0, end_s - stroke.over_s)
    ends_s.append(took_s)
    if took_s > within_s:
        is_late = (job.ended_since_s or end_s) - stroke.over_s > within_s  # else nobody looked in time
        return is_late, f"was {job.state} after {took_s:.3f} s, not within {within_s:g} s"
    return None


def _so_far(story: Story, stroke: Stroke, within_s: float, what: str) -> Finding:
    """Something that has not happened yet is a finding once its time is over."""
    waited_s = story.end_s - stroke.over_s
    return waited_s > within_s or story.run.played_out, f"{what}, {max(0.0, waited_s):.3f} s on"


def _evidence(stroke: Stroke, job: JobStory, text: str) -> Evidence:
    return Evidence(
        job=job.id,
        message=f"was hit by {stroke.fault.name} and {text}",
        events=(stroke.landed.number, *job.last_event),
    )
