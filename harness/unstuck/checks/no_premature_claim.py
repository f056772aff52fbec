"""Nobody works on a video that is not there yet."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from unstuck.checks.port import Evidence, PropertyResult
from unstuck.checks.result import conclude, plural
from unstuck.checks.story import JobStory, Move, Op, Story, seconds

NAME = "no_premature_claim"
PROMISE = "No job is queued or claimed before its upload was put."
PARAMETERS: Mapping[str, tuple[type, ...]] = {}

# Two sources of stamps meet here: a client's, and the database trigger's.
SLACK_S = 0.05

PUTS = ("put_object", "put_part")
Outcome = Literal["ok", "info", "fail"]
BEST: tuple[Outcome, ...] = ("ok", "info", "fail")
WORST: tuple[Outcome, ...] = BEST[::-1]


def check(story: Story, params: Mapping[str, Any]) -> PropertyResult:  # noqa: ARG001  takes none
    """Judges each job of our clients at its first move to `queued` or `active`, or at its end without one:
    it was there to be taken all the while. Whom somebody queued by hand the service has not queued.
    """
    broken: list[Evidence] = []
    unclear: list[Evidence] = []
    judged = 0
    for job in story.jobs.values():
        taken = (move for move in job.moves if move.after in ("queued", "active") and not move.by_hand)
        move = next(taken, None)
        if not job.ops or not job.moves or job.moves[0].after == "queued":
            continue  # nobody's, or a retry: its upload was put for the job before
        if move is None:
            judged += job.terminal
            continue
        judged += 1
        put = _put_before(job, move)
        if put == "ok":
            continue
        if put == "info":
            message = f"was {move.after} at {move.at_s:.3f} s, and its put may or may not have worked"
            unclear.append(Evidence(job=job.id, message=message, events=(move.number,)))
            continue
        later = [op for op in job.ops_of(*PUTS) if op.outcome != "fail" and not _before(op, move)]
        when = f"only at {seconds(later[0].invoked):.3f} s" if later else "never"
        message = f"was {move.after} at {move.at_s:.3f} s, and its upload was put {when}"
        events = (move.number, *(op.invoked.number for op in later))
        broken.append(Evidence(job=job.id, message=message, events=events))
    return conclude(
        NAME,
        judged=judged,
        summary=f"{judged - len(broken) - len(unclear)} of {plural(judged, 'job')} taken after the upload",
        broken=broken,
        unclear=unclear,
    )


def _put_before(job: JobStory, move: Move) -> Outcome:
    """Whether the whole object can have been there at a move; `info`: it may have been.

    An object is there once it was put, or all parts of it were: the service may put those together
    without being asked.
    """
    begun = [op for op in job.ops_of(*PUTS) if _before(op, move)]
    whole = [op.outcome for op in begun if op.action != "put_part"]
    parts: dict[Any, list[Outcome]] = {}
    for op in begun:
        if op.action == "put_part":
            parts.setdefault(op.invoked.data.get("number"), []).append(op.outcome)
            wanted = op.invoked.data.get("of")
    if parts and (not isinstance(wanted, int) or len(parts) >= wanted):
        whole.append(min((min(outcomes, key=BEST.index) for outcomes in parts.values()), key=WORST.index))
    return min(whole, key=BEST.index, default="fail")


def _before(op: Op, move: Move) -> bool:
    """True unless the move was certainly made before the op began.

    An op's invocation is recorded before it is sent; a move is recorded after it was made.
    """
    return op.invoked.number < move.number and seconds(op.invoked) <= move.at_s + SLACK_S
