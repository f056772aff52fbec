"""The events around a broken promise, each at the time when it happened, and the few that are shown."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

from unstuck.checks.job_story import JobStory, Move, seconds, text_of
from unstuck.checks.story import Story
from unstuck.history import Event
from unstuck.report.words import event_text

LINES_MAX: Final = 16

_OF_A_JOB: Final = frozenset({"op", "transition", "stage", "attempt", "effect", "outcome", "message"})
_OF_A_HOLDER: Final = frozenset({"start", "exit", "signal", "restart"})


class Line(NamedTuple):
    """An event, and when what it tells of happened: what the service's own log says of a move was read after
    the run, and stands beside the move."""

    at_s: float
    event: Event
    named: bool  # by the evidence
    turn: bool  # who held the job changed, stood still, or went on: the story cannot be followed without


def lines_around(numbers: Sequence[int], job: JobStory | None, story: Story) -> list[Line]:
    """The job's own events, those of whoever held it, the faults, and what the evidence names; in time."""
    named = frozenset(numbers)
    holders = {claim.holder for claim in job.claims} if job is not None else set()
    logged = moves_of_log(job)
    over = story.run.end.number if story.run.end is not None else None
    placed: list[tuple[float, int, int, Line]] = []
    for event in story.history.events:
        of_holder = event.kind == "process" and event.process in holders and event.phase in _OF_A_HOLDER
        if of_holder and over is not None and event.number > over:
            of_holder = False  # we took it down
        of_job = (
            job is not None and event.job == job.id and event.kind in _OF_A_JOB and event.phase != "invoke"
        )
        of_fault = job is not None and event.kind == "fault" and event.phase in ("landed", "healed")
        if event.number not in named and not (of_holder or of_job or of_fault):
            continue
        move = logged.get(event.number)
        at_s = seconds(event) if move is None else move.at_s
        line = Line(at_s, event, event.number in named, _is_turn(event, job, of_holder=of_holder))
        placed.append((at_s, event.number if move is None else move.number, move is not None, line))
    return [line for *_, line in sorted(placed, key=lambda one: one[:3])]


def moves_of_log(job: JobStory | None) -> dict[int, Move]:
    """Event of the service's own log -> the move that it tells of, which the harness's trigger saw."""
    if job is None:
        return {}
    return {
        event.number: move
        for move, event in zip(job.moves, job.log_of_moves(), strict=True)
        if event is not None
    }


def shortened(lines: Sequence[Line]) -> Iterator[str]:
    """At most so many: what the evidence names, then who held the job, stopped and went on, then the newest.
    Gaps are counted."""
    kept = {line.event.number for line in lines if line.named}
    for wanted in (True, False):
        for line in reversed(lines):
            if len(kept) >= LINES_MAX:
                break
            if line.turn or not wanted:
                kept.add(line.event.number)
    left_out = 0
    for line in lines:
        if line.event.number not in kept:
            left_out += 1
            continue
        if left_out:
            yield _gap(left_out)
            left_out = 0
        yield f"{line.at_s:8.3f} {'▶' if line.named else ' '} {event_text(line.event)}"
    if left_out:
        yield _gap(left_out)


def _gap(count: int) -> str:
    return f"          … {count} more"


def _is_turn(event: Event, job: JobStory | None, *, of_holder: bool) -> bool:
    if job is None or not job.claims:
        return False
    if event.kind == "transition":
        return event.job == job.id and text_of(event, "to") == "active"
    return of_holder and seconds(event) >= job.claims[0].at_s
