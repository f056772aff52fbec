"""A process that is asked to stop finishes or hands back its work, and ends by itself."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from unstuck.checks.port import Evidence, PropertyResult
from unstuck.checks.result import conclude, plural
from unstuck.checks.story import Life, ProcessStory, Story, data_of, seconds

NAME = "drains_cleanly"
PROMISE = "A process that gets SIGTERM exits with 0 within its grace, and refuses work with 503 only."
PARAMETERS: Mapping[str, tuple[type, ...]] = {"exit_zero": (bool,), "role": (str,)}

SLACK_S = 0.1  # between the end of the grace and the stamp of the exit


def check(story: Story, params: Mapping[str, Any]) -> PropertyResult:
    """Judges every process that was ready and asked to stop before the end of the run, and was given a grace.

    `exit_zero` (default false): one that was killed when its grace was over has broken the promise; else
    it is only counted. `role`: judge this role only.
    """
    broken: list[Evidence] = []
    judged = killed = refused = 0
    for process in story.processes.values():
        if params.get("role") not in (None, process.role):
            continue
        for life in process.lives:
            if not _drained(story, life):
                continue
            refused += len(life.refused)
            if _killed_in_the_end(life):
                killed += 1
                if params.get("exit_zero") is not True:
                    continue
            judged += 1
            broken.extend(_ending(story, process, life))
            if process.role == "api":
                broken.extend(_answers(story, process, life))
    return conclude(
        NAME,
        judged=judged,
        summary=f"{plural(judged, 'process')} drained, {killed} killed after the grace period, "
        f"{plural(refused, 'call')} refused",
        broken=broken,
        figures={"drained": judged, "killed": killed, "refused": refused},
    )


def _drained(story: Story, life: Life) -> bool:
    """It was asked to stop in the run's own time, with a grace, once it was ready, and nobody else ended it.

    1. a process is started, 2. SIGTERM comes before it has a handler for it, 3. it dies of that: it had said
    of nothing that it would do it, and holds nothing.
    """
    asked, left = life.asked_to_stop, life.exit
    if asked is not None and not life.asked_when_ready:
        return False
    expected = left is not None and left.data.get("expected") is True and "grace_s" in left.data
    if (asked is None and not expected) or _grace_s(life) == 0:
        return False
    if left is None:
        return story.run.played_out and asked is not None and not _after_end(story, asked.number)
    if _after_end(story, left.number):
        return False
    # A kill within the grace is another fault's doing.
    return left.data.get("signal") != "SIGKILL" or _killed_in_the_end(life)


def _after_end(story: Story, number: int) -> bool:
    return story.run.end is not None and number > story.run.end.number


def _grace_s(life: Life) -> float | None:
    for event in (life.exit, life.asked_to_stop):
        grace_s = data_of(event).get("grace_s")
        if isinstance(grace_s, int | float):
            return float(grace_s)
    return None


def _took_s(life: Life) -> float | None:
    took_s = data_of(life.exit).get("took_s")
    if isinstance(took_s, int | float):
        return float(took_s)
    if life.exit is None or life.asked_to_stop is None:
        return None
    return seconds(life.exit) - seconds(life.asked_to_stop)


def _killed_in_the_end(life: Life) -> bool:
    took_s, grace_s = _took_s(life), _grace_s(life)
    return (
        data_of(life.exit).get("signal") == "SIGKILL"
        and took_s is not None
        and grace_s is not None
        and took_s >= grace_s - SLACK_S
    )


def _ending(story: Story, process: ProcessStory, life: Life) -> list[Evidence]:
    asked, left = life.asked_to_stop, life.exit
    events = tuple(event.number for event in (asked, left) if event is not None)
    if left is None:
        message = f"{process.name} was asked to stop, and never did"
        return [Evidence(job=None, message=message, events=events)]
    code, signal = left.data.get("code"), left.data.get("signal")
    if code == 0 and signal is None:
        return []
    how = f"died of {signal}" if signal is not None else f"exited with {code}"
    held = [
        job.id
        for job in story.jobs.values()
        for claim in job.claims
        if claim.holder == process.name
        and claim.at_s <= seconds(left)
        and (claim.left is None or claim.left.at_s > seconds(left))
    ]
    left_behind = f", leaving {', '.join(held)}" if held else ""
    message = f"{process.name} was asked to stop, and {how}{left_behind}"
    return [Evidence(job=None, message=message, events=events, facts={"left_behind": held})]


def _answers(story: Story, process: ProcessStory, life: Life) -> list[Evidence]:
    """Failures of the server, other than 503, that clients met while an API was draining."""
    from_s = seconds(life.asked_to_stop) if life.asked_to_stop is not None else None
    until_s = seconds(life.exit) if life.exit is not None else story.end_s
    if from_s is None:
        return []
    return [
        Evidence(
            job=op.job,
            message=f"was answered {op.status} on {op.action} while {process.name} was draining",
            events=(op.invoked.number, op.ended.number),
        )
        for op in story.ops
        if op.ended is not None
        and (op.status or 0) >= 500
        and op.status != 503
        and from_s <= seconds(op.ended) <= until_s
        and op.action not in ("put_object", "put_part")  # these do not go to the API
    ]
