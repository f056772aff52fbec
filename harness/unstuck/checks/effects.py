"""What a job does to the outside happens as often as the target promises."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from unstuck.checks.port import Evidence, PropertyResult
from unstuck.checks.result import conclude, plural
from unstuck.checks.story import JobStory, Story, text_of
from unstuck.errors import UsageError, did_you_mean

NAME = "effects"
PROMISE = "Each succeeded job has its effect applied as often as promised, and no other job has one."
PARAMETERS: Mapping[str, tuple[type, ...]] = {"delivery": (str,)}

DELIVERIES = ("exactly_once", "at_least_once", "at_most_once")


def check(story: Story, params: Mapping[str, Any]) -> PropertyResult:
    """`delivery`: one of `DELIVERIES`; absent: what the target promises. Repeats under one key that the
    sink knew are no doubles; they are counted in the figures. Raises `UsageError` for another `delivery`.
    """
    promised = story.run.promise if story.run.promise in DELIVERIES else "exactly_once"
    delivery = str(params.get("delivery", promised))
    if delivery not in DELIVERIES:
        known = did_you_mean(delivery, DELIVERIES)
        raise UsageError(f"expect: effects: delivery={delivery!r} is no delivery.{known}")
    unseen = _unseen(story)
    if unseen is not None:
        return replace(conclude(NAME, judged=0, summary=""), summary=unseen)
    broken: list[Evidence] = []
    unclear: list[Evidence] = []
    judged = succeeded = 0
    for job in story.jobs.values():
        if job.state != "succeeded" and not job.effects:
            continue
        judged += 1
        succeeded += job.state == "succeeded"
        message, definite = _finding(job, delivery, played_out=story.run.played_out)
        if message is not None:
            events = (*(event.number for event in job.effects), *job.last_event)
            (broken if definite else unclear).append(Evidence(job=job.id, message=message, events=events))
    applied = sum(len(job.applied) for job in story.jobs.values())
    received = sum(len(job.effects) for job in story.jobs.values())
    return conclude(
        NAME,
        judged=judged,
        summary=f"{plural(applied, 'effect')} applied for {plural(succeeded, 'succeeded job')}, "
        f"{plural(received - applied, 'repeat')}",
        broken=broken,
        unclear=unclear,
        figures={"applied": applied, "repeated": received - applied},
    )


def _unseen(story: Story) -> str | None:
    """Why nothing can be said of effects; None: something can."""
    if not story.run.sees_effects:
        return "the target shows no effects"
    jobs = story.jobs.values()
    if any(job.sampled for job in jobs) and not any(job.begins or job.effects for job in jobs):
        return "no job has reported anything: see that the roles report to the ledger, or say `effects: none`"
    return None


def _finding(job: JobStory, delivery: str, *, played_out: bool) -> tuple[str | None, bool]:
    """What is wrong with a job's effects, and whether the history settles it."""
    applied = job.applied
    too_many = None if delivery == "at_least_once" else _repeated(job, delivery)
    if too_many is not None:
        return too_many, True
    open_question = _unsettled(job, delivery)
    if open_question is not None:
        return open_question, False
    if job.state == "succeeded":
        if not applied and delivery != "at_most_once":
            return "succeeded without an applied effect", played_out
    elif applied:
        # Until the run has played out, the move to succeeded may only be late.
        return f"is {job.state}, but had its effect applied", played_out or job.terminal
    return None, True


def _unsettled(job: JobStory, delivery: str) -> str | None:
    """Why a job's effects cannot be judged yet; None: they can."""
    if job.state is None:
        return "had an effect, and its state is unknown"
    if job.unread is not None and not job.terminal and job.applied:
        return f"had an effect, and is {job.unread!r} in the system's words, unmapped"
    again = job.sampled and job.terminal and text_of(job.outcome, "held") in ("queue", "lease")
    if again and delivery != "at_least_once":
        return f"is {job.state}, and still held to be done: another delivery may come"
    return None


def _repeated(job: JobStory, delivery: str) -> str | None:
    """More effects than may be; None: not so."""
    applied = job.applied
    times = Counter(str(event.data["key"]) for event in applied)
    if len(times) > 1:
        return f"had its effect applied under {len(times)} keys: {', '.join(sorted(times))}"
    if len(applied) > 1:
        return f"had its effect applied {len(applied)} times under key {applied[0].data['key']}"
    if delivery == "at_most_once" and len(job.begins) > 1:
        return f"was begun {len(job.begins)} times: a second start may be a second effect"
    return None
