"""Jobs move as the canonical states allow, and only whoever holds the claim moves an active one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from unstuck.checks.port import Evidence, PropertyResult
from unstuck.checks.result import conclude, plural
from unstuck.checks.story import JobStory, Move, Story, text_of
from unstuck.history import Event

NAME = "legal_transitions"
PROMISE = "Jobs make legal moves only; tokens grow, and none but the current one moves an active job."
PARAMETERS: Mapping[str, tuple[type, ...]] = {}

LEGAL: Mapping[str | None, frozenset[str]] = {
    None: frozenset({"awaiting_upload", "queued"}),  # queued: a retry whose upload is still there
    "awaiting_upload": frozenset({"queued", "expired", "failed", "cancelled"}),
    "queued": frozenset({"active", "cancelled"}),
    "active": frozenset({"queued", "succeeded", "failed", "cancelled"}),
    "succeeded": frozenset(),
    "failed": frozenset(),
    "cancelled": frozenset(),
    "expired": frozenset(),
}


def check(story: Story, params: Mapping[str, Any]) -> PropertyResult:  # noqa: ARG001  takes none
    """Judges every move that the trigger saw, and the tokens in the service's own log of them; not the moves
    of jobs that were only looked at from time to time.
    """
    broken: list[Evidence] = []
    moves = 0
    for job in story.jobs.values():
        if job.sampled:
            continue  # between two looks there may have been others
        moves += len(job.moves)
        broken.extend(_moves(job))
        broken.extend(_fencing(job))
    return conclude(
        NAME,
        judged=moves,
        summary=f"{plural(moves, 'move')} of {plural(len(story.jobs), 'job')}",
        broken=broken,
    )


def _moves(job: JobStory) -> list[Evidence]:
    broken: list[Evidence] = []
    state: str | None = None
    queued_by_hand = False  # by the last move: the service may put it back
    token: int | None = None  # of the current or the last claim
    last: tuple[int, ...] = ()
    for move in job.moves:
        where = f"{move.before} -> {move.after} at {move.at_s:.3f} s"
        events = (*last, move.number)
        if move.before != state:
            broken.append(Evidence(job=job.id, message=f"moved {where}, but it was {state}", events=events))
        elif not (_is_legal(move) or (queued_by_hand and move.after == "awaiting_upload")):
            broken.append(Evidence(job=job.id, message=f"moved {where}: not a legal move", events=events))
        if move.restored:
            token = move.token  # what was claimed since is forgotten: tokens are given a second time
        elif move.after == "active" and not move.by_hand:
            if token is not None and move.token <= token:
                message = f"was claimed with token {move.token} at {move.at_s:.3f} s, after token {token}"
                broken.append(Evidence(job=job.id, message=message, events=events))
            token = move.token
        elif move.before == "active" and token is not None and move.token != token:
            message = f"moved {where} with token {move.token}, while {token} held it"
            broken.append(Evidence(job=job.id, message=message, events=events))
        state, last = move.after, (move.number,)
        queued_by_hand = move.by_hand and move.after == "queued"
    return broken


def _is_legal(move: Move) -> bool:
    """What somebody did by hand, the service did not do."""
    return move.by_hand or move.after in LEGAL.get(move.before, ())


def _fencing(job: JobStory) -> list[Evidence]:
    """Writes that somebody without the claim got through, as the service's own log names token and writer.

    Only who holds the claim can have made the job succeed; others may take it back, fail or cancel it.
    """
    broken: list[Evidence] = []
    claim: Event | None = None
    for event in job.kept_log:
        data = event.data
        if data["to"] == "active":
            claim = event
        elif data["from"] == "active" and claim is not None:
            token, holder, actor = claim.data["token"], text_of(claim, "actor"), text_of(event, "actor")
            message = None
            if data["token"] != token:
                message = f"was made {data['to']} with token {data['token']}, while {token} held it"
            elif data["to"] == "succeeded" and actor != holder and None not in (actor, holder):
                message = f"was made succeeded by {actor}, while {holder} held it"
            if message is not None:
                events = (claim.number, event.number)
                broken.append(Evidence(job=job.id, message=message, events=events))
    return broken
