"""The jobs of one run: whether each counts, whether a fault hit it, and how long it took to recover.

Whether a job counts is decided by what its client did, as the harness saw it, and by what the scenario
declares; never by what the service says of the job.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

from bench.campaign.rows import JobRow
from unstuck.checks.classes import classify
from unstuck.checks.story import JobStory, Op, Story, Stroke, seconds
from unstuck.checks.victims import victims
from unstuck.generate.clients import HOSTILE
from unstuck.scenario import OnPoint, OnState, Scenario

HARMLESS: Final = frozenset({"complete_again", "heal", "notifications_off"})
"""Faults that name a job to which they do nothing that it has to recover from, or that end another."""


def job_rows(scenario: Scenario, story: Story) -> Iterator[JobRow]:
    """Of every job that the run knows."""
    kinds = {one.job: str(one.kind) for one in classify(story)}
    blows = _blows(story)
    poisoned = _poisoned(scenario)
    for job in story.jobs.values():
        own = blows.get(job.id, [])
        hit = bool(own) or len(job.claims) > 1
        yield JobRow(
            tag=job.tag or "",
            state=job.state or "nowhere",
            reason=job.reason,
            kind=kinds[job.id],
            excluded=_excluded(scenario, job, poisoned),
            hit=hit,
            claims=len(job.claims),
            took_s=_took_s(story, job, own) if hit and job.state == "succeeded" else None,
        )


def _excluded(scenario: Scenario, job: JobStory, poisoned: frozenset[str]) -> str | None:
    """Why nothing follows from how it ends; None: its client did its part."""
    announced = next((op for op in job.ops_of("initiate_upload") if op.outcome == "ok"), None)
    if announced is None:
        return "no client heard of it"
    if job.ops_of("cancel"):
        return "its client cancelled it"
    video = next((upload.video for upload in scenario.workload if upload.tag == job.tag), "")
    if video in HOSTILE:
        return "no video, or half of one"
    if job.tag in poisoned:
        return "poisoned: the scenario ends each attempt at it"
    put_s = _put_s(job)
    if put_s is None:
        return "not put, or not all of it"
    return "put after its deadline" if put_s > _deadline_s(scenario, announced) else None


def _poisoned(scenario: Scenario) -> frozenset[str]:
    """Tags whose jobs a fault strikes each time."""
    return frozenset(
        fault.when.job
        for fault in scenario.faults
        if fault.times == "each" and isinstance(fault.when, OnPoint | OnState)
    )


def _put_s(job: JobStory) -> float | None:
    """When the last byte was seen to be taken; None: not all was."""
    whole = [op for op in job.ops_of("put_object") if op.outcome == "ok"]
    if whole:
        return min(_ended_s(op) for op in whole)
    parts = {int(op.invoked.data["number"]): op for op in job.ops_of("put_part") if op.outcome == "ok"}
    of = max((int(op.invoked.data["of"]) for op in parts.values()), default=0)
    return max(map(_ended_s, parts.values())) if parts and len(parts) == of else None


def _ended_s(op: Op) -> float:
    return seconds(op.invoked if op.ended is None else op.ended)


def _deadline_s(scenario: Scenario, announced: Op) -> float:
    """Before this it was surely in time: the service counts from a moment after it was asked."""
    said = None if announced.ended is None else announced.ended.data.get("deadline_in_s")
    allowed = said if isinstance(said, int | float) else scenario.settings.get("upload_deadline_s", 0.0)
    return seconds(announced.invoked) + float(allowed)


def _blows(story: Story) -> dict[str, list[Stroke]]:
    """Job -> the blows that name it, or the process that held it. What says neither hit nobody by name."""
    found: dict[str, list[Stroke]] = {}
    for stroke in _strokes(story):
        if stroke.jobs is None and stroke.processes is None:
            continue
        for victim in victims(story, stroke):
            found.setdefault(victim.job.id, []).append(stroke)
    return found


def _took_s(story: Story, job: JobStory, own: list[Stroke]) -> float:
    """From the last blow to its end: from when that was healed, or dealt if the job did not wait for it. The
    time in which any other was still in force does not count: nobody recovers from what goes on.

    Of a job that no blow names and that was claimed again: from when it was given up.
    """
    end_s = job.terminal_at_s or 0.0
    if own:
        last = max(own, key=lambda stroke: stroke.struck_s)
        begun_s = last.over_s if last.over_s <= end_s else last.struck_s
    else:
        left = job.claims[0].left
        begun_s = end_s if left is None else left.at_s
    others = [stroke for stroke in _strokes(story) if stroke not in own and stroke.healed is not None]
    return max(0.0, end_s - begun_s - _covered_s(others, begun_s, end_s))


def _covered_s(strokes: Iterable[Stroke], from_s: float, until_s: float) -> float:
    """For how much of that time at least one of them was in force."""
    covered_s, reached_s = 0.0, from_s
    for stroke in sorted(strokes, key=lambda stroke: stroke.struck_s):
        begun_s, over_s = max(reached_s, stroke.struck_s), min(until_s, stroke.over_s)
        if over_s > begun_s:
            covered_s += over_s - begun_s
            reached_s = over_s
    return covered_s


def _strokes(story: Story) -> Iterator[Stroke]:
    """All that could do any harm."""
    for fault in story.faults.values():
        if fault.name not in HARMLESS:
            yield from fault.strokes
