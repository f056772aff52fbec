"""Ways to falsify a healthy history, each with the property that must catch it.

An alarm that was never heard is no alarm: what passed is changed by one broken promise, and judged
again. A mutator whose property does not fail has found a hole in that property.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from random import Random
from typing import TypeVar

from unstuck.checks import attempts_bounded
from unstuck.checks.story import JobStory
from unstuck.checks.victims import victims
from unstuck.history import Event, History
from unstuck.prove.alert_mutators import cry_wolf, ring_on, silence
from unstuck.prove.editing import Edit
from unstuck.prove.latency_mutators import finish_late, pile_up
from unstuck.prove.process_mutators import (
    crash_for_good,
    exit_dirtily,
    outgrow_memory,
    rescue_the_living,
)
from unstuck.prove.recovery_mutators import sweep_at_once
from unstuck.prove.result_mutators import lose_pictures, lose_result, shift_sound, stretch_result
from unstuck.prove.work_mutators import ask_on, leave_behind, work_again
from unstuck.scenario import CANONICAL_STATES, TERMINAL_STATES

T = TypeVar("T")

SECOND_NS = 1_000_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Mutator:
    """One broken promise. `falsify` changes the copy and returns whether the history had the place."""

    name: str
    by: str  # the property that must fail
    falsify: Callable[[Edit, Random], bool]

    def apply(self, history: History, rng: Random) -> History | None:
        """A changed copy; None when the history has nothing that could be broken so."""
        edit = Edit(history)
        return edit.history() if self.falsify(edit, rng) else None


def _pick(rng: Random, choices: Sequence[T]) -> T | None:
    return rng.choice(choices) if choices else None


def _drop_acknowledged(edit: Edit, rng: Random) -> bool:
    """A job that a client was told of leaves no trace in the service."""
    jobs = [j for j in edit.story.jobs.values() if j.acknowledged is not None and j.outcome is not None]
    job = _pick(rng, jobs)
    if job is None or job.outcome is None:
        return False
    traces = ("transition", "stage", "said", "effect")
    edit.leave_out(e.number for e in edit.events if e.job == job.id and e.kind in traces)
    edit.change(job.outcome.number, state=None, held=None, result=None)
    return True


def _strand(edit: Edit, rng: Random) -> bool:
    """The last move of a job never happens, and nobody holds it."""
    return _stop_short(edit, rng, [job for job in edit.ended() if job.acknowledged is not None], None)


def _stall(edit: Edit, rng: Random) -> bool:
    """The last move of a job never happens, and its lease is held to the end."""
    if edit.story.run.end is None:
        return False
    edit.change(edit.story.run.end.number, reason="budget")
    return _stop_short(edit, rng, edit.ended(), "lease")


def _stop_short(edit: Edit, rng: Random, jobs: Sequence[JobStory], held: str | None) -> bool:
    job = _pick(rng, [job for job in jobs if len(job.moves) > 1 and job.outcome is not None])
    if job is None or job.outcome is None:
        return False
    edit.leave_out([job.moves[-1].number])
    edit.change(job.outcome.number, state=job.moves[-1].before, held=held)
    return True


def _overrun_budget(edit: Edit, rng: Random) -> bool:
    """A job ends after the recovery budget."""
    run, job = edit.story.run, _pick(rng, edit.ended())
    if run.budget is None or job is None:
        return False
    within_s = edit.expected("every_job_terminal", "within_s", run.budget_s)
    edit.change(job.moves[-1].number, at_ns=run.budget.at_ns + round((within_s + 1) * SECOND_NS))
    return True


def _recover_late(edit: Edit, rng: Random) -> bool:
    """A job that a fault hit ends long after."""
    hit = [
        (stroke, victim.job)
        for fault in edit.story.faults.values()
        for stroke in fault.strokes
        for victim in victims(edit.story, stroke)
        if victim.job.terminal_at_s is not None
    ]
    chosen = _pick(rng, hit)
    if chosen is None:
        return False
    stroke, job = chosen
    within_s = edit.expected("recovery_within", "budget_s", edit.story.run.budget_s)
    edit.change(job.moves[-1].number, at_ns=round((stroke.over_s + within_s + 1) * SECOND_NS))
    return True


def _revive(edit: Edit, rng: Random) -> bool:
    """A job that has ended is queued again."""
    job = _pick(rng, edit.ended())
    if job is None:
        return False
    last = job.moves[-1]
    edit.add(last.number, edit.like(last.number, **{"from": last.after, "to": "queued"}))
    return True


def _reorder(edit: Edit, rng: Random) -> bool:
    """Two moves of a job, one after the other, change places."""
    pairs = [pair for job in edit.story.jobs.values() for pair in zip(job.moves, job.moves[1:], strict=False)]
    pair = _pick(rng, pairs)
    if pair is None:
        return False
    first, second = pair
    edit.change_move(first.number, second.data)
    edit.change_move(second.number, first.data)
    return True


def _write_stale(edit: Edit, rng: Random) -> bool:
    """A job is moved out of `active` with the token of an earlier claim."""
    claim = _pick(rng, [c for job in edit.story.jobs.values() for c in job.claims if c.left is not None])
    if claim is None or claim.left is None:
        return False
    edit.change(claim.left.number, token=claim.move.token - 1)
    return True


def _reuse_token(edit: Edit, rng: Random) -> bool:
    """A second claim gets the first one's token."""
    job = _pick(rng, [job for job in edit.story.jobs.values() if len(job.claims) > 1])
    if job is None:
        return False
    edit.change(job.claims[1].move.number, token=job.claims[0].move.token)
    return True


def _skip_claim(edit: Edit, rng: Random) -> bool:
    """A job succeeds or fails straight out of the queue."""
    claims = [c for job in edit.story.jobs.values() for c in job.claims]
    claim = _pick(rng, [c for c in claims if c.left is not None and c.left.after in ("succeeded", "failed")])
    if claim is None or claim.left is None:
        return False
    edit.leave_out([claim.move.number])
    edit.change_move(claim.left.number, {"from": claim.move.before})
    return True


def _double_effect(edit: Edit, rng: Random) -> bool:
    """An effect is applied a second time, under a new key."""
    if "at_least_once" in _delivery(edit):
        return False
    effect = _pick(rng, [effect for job in edit.succeeded() for effect in job.applied])
    if effect is None:
        return False
    edit.add(effect.number, edit.like(effect.number, key=f"{effect.data['key']}/again"))
    return True


def _lose_effect(edit: Edit, rng: Random) -> bool:
    """A job succeeds, and the outside never learns of it."""
    job = _pick(rng, [job for job in edit.succeeded() if job.applied])
    if job is None or "at_most_once" in _delivery(edit):
        return False
    edit.leave_out(effect.number for effect in job.applied)
    return True


def _apply_of_failed(edit: Edit, rng: Random) -> bool:
    """A job that did not succeed has its effect applied."""
    job = _pick(rng, [job for job in edit.ended() if job.state != "succeeded"])
    if job is None:
        return False
    last = job.moves[-1]
    facts = {"key": job.id, "attempt": last.attempt, "token": last.token, "applied": True}
    at_ns = edit.events[last.number].at_ns
    edit.add(last.number, Event(0, at_ns, "effect", None, job.id, None, facts))
    return True


def _delivery(edit: Edit) -> tuple[str, str]:
    return str(edit.expect("effects").get("delivery", "")), edit.story.run.promise


def _claim_before_put(edit: Edit, rng: Random) -> bool:
    """The object of a job is put after everything else has happened to it."""
    jobs = [
        job
        for job in edit.story.jobs.values()
        if job.ops_of("initiate_upload")
        and job.ops_of("put_object", "put_part")
        and job.moves[:1]
        and job.moves[0].after == "awaiting_upload"
        and any(move.after in ("queued", "active") for move in job.moves)
    ]
    job = _pick(rng, jobs)
    if job is None:
        return False
    last = job.moves[-1].number
    for op in job.ops_of("put_object", "put_part"):
        numbers = [event.number for event in (op.invoked, op.ended) if event is not None]
        edit.leave_out(numbers)
        at_ns = edit.events[last].at_ns + SECOND_NS
        edit.add(last, *(edit.events[number]._replace(at_ns=at_ns) for number in numbers))
    return True


def _enqueue_twice(edit: Edit, rng: Random) -> bool:
    """A job leaves `awaiting_upload` for the queue a second time, by the service and not by an operator."""
    moves = [move for job in edit.story.jobs.values() for move in job.kept_moves]
    move = _pick(rng, [m for m in moves if (m.before, m.after) == ("awaiting_upload", "queued")])
    if move is None:
        return False
    edit.add(move.number, edit.like(move.number))
    return True


def _complete_active(edit: Edit, rng: Random) -> bool:
    """A second completion queues a job that a worker has already claimed."""
    ops = [
        (op, c.move) for j in edit.story.jobs.values() for op in j.ops_of("complete_upload") for c in j.claims
    ]
    chosen = _pick(rng, ops)
    if chosen is None:
        return False
    op, claim = chosen
    again = [edit.like(e.number, id="again") for e in (op.invoked, op.ended) if e is not None]
    log = {"from": "active", "to": "queued", "attempt": claim.attempt, "token": claim.token, "actor": "api-1"}
    edit.add(claim.number, *again, Event(0, again[-1].at_ns, "said", "transitions", op.job, None, log))
    return True


def _try_for_ever(edit: Edit, rng: Random) -> bool:
    """A job is claimed again and again, and each attempt is charged."""
    claims = [c.move for job in edit.story.jobs.values() for c in job.claims]
    claim = _pick(rng, claims)
    if claim is None:
        return False
    most = round(edit.expected("attempts_bounded", "most", attempts_bounded.MOST))
    for token in range(1_000_000, 1_000_001 + most):
        job = edit.events[claim.number].job
        said = {"attempt": token, "token": token, "outcome": "failed"}
        edit.add(
            claim.number,
            edit.like(claim.number, **{"from": "active", "to": "queued"}),
            edit.like(claim.number, attempt=token, token=token),
            Event(0, edit.events[claim.number].at_ns, "said", "attempt", job, None, said),
        )
    return True


def _lie_by_api(edit: Edit, rng: Random) -> bool:
    """The API tells of a state that the job never had."""
    return _lie(edit, rng, [(job, event) for job in edit.story.jobs.values() for event in job.said_api])


def _lie_by_row(edit: Edit, rng: Random) -> bool:
    """A row holds a state that the job never had."""
    rows = [(job, job.said_row) for job in edit.story.jobs.values()]
    return _lie(edit, rng, [(job, row) for job, row in rows if row is not None])


def _lie(edit: Edit, rng: Random, said: Sequence[tuple[JobStory, Event]]) -> bool:
    chosen = _pick(rng, [(job, event) for job, event in said if job.moves])
    if chosen is None:
        return False
    job, event = chosen
    been = {move.after for move in job.moves}
    edit.change(event.number, state=rng.choice([state for state in CANONICAL_STATES if state not in been]))
    return True


def _forget_in_log(edit: Edit, rng: Random) -> bool:
    """A move is missing from the service's own log."""
    jobs = [job for job in edit.story.jobs.values() if len(job.said_moves) == len(job.moves) > 1]
    job = _pick(rng, jobs)
    if job is None:
        return False
    edit.leave_out([rng.choice(job.said_moves).number])
    return True


def _end_otherwise(edit: Edit, rng: Random) -> bool:
    """A job ends in another terminal state than the scenario demands."""
    demanded: list[JobStory] = []
    for name, rule in edit.expect("outcomes").items():
        state = name if name in CANONICAL_STATES else rule.get("state")
        exact = "exactly" in rule or (name != state and not {"at_least", "at_most"} & set(rule))
        if exact and state in TERMINAL_STATES:
            jobs = (job for job in edit.ended() if name in (job.tag, job.state))
            reason = rule.get("reason")
            demanded += [job for job in jobs if job.state == state and reason in (None, job.reason)]
    job = _pick(rng, demanded)
    if job is None:
        return False
    others = sorted(TERMINAL_STATES - {job.state})
    edit.change_move(job.moves[-1].number, {"to": rng.choice(others)})
    return True


def _fail_silently(edit: Edit, rng: Random) -> bool:
    """A job fails, and neither its last move nor its row says why."""
    job = _pick(rng, [job for job in edit.ended() if job.state == "failed"])
    if job is None:
        return False
    edit.change(job.moves[-1].number, reason=None)
    if job.said_row is not None:
        edit.change(job.said_row.number, reason=None)
    return True


MUTATORS: tuple[Mutator, ...] = tuple(
    Mutator(name=name, by=by, falsify=falsify)
    for name, by, falsify in (
        ("drop an acknowledged job", "no_job_lost", _drop_acknowledged),
        ("strand a job", "no_job_lost", _strand),
        ("stall a job", "every_job_terminal", _stall),
        ("overrun the budget", "every_job_terminal", _overrun_budget),
        ("recover late", "recovery_within", _recover_late),
        ("finish late", "latency_within", finish_late),
        ("pile up", "backlog_within", pile_up),
        ("revive a terminal job", "terminal_is_final", _revive),
        ("reorder two transitions", "legal_transitions", _reorder),
        ("write with a stale token", "legal_transitions", _write_stale),
        ("reuse a token", "legal_transitions", _reuse_token),
        ("skip the claim", "legal_transitions", _skip_claim),
        ("duplicate an effect under a new key", "effects", _double_effect),
        ("lose an effect", "effects", _lose_effect),
        ("apply the effect of a failed job", "effects", _apply_of_failed),
        ("lose a result", "result_intact", lose_result),
        ("stretch a result", "result_intact", stretch_result),
        ("lose pictures", "result_intact", lose_pictures),
        ("shift the sound", "result_intact", shift_sound),
        ("leave a checkpoint", "cleaned_up", leave_behind),
        ("claim before the put", "no_premature_claim", _claim_before_put),
        ("enqueue twice", "completion_idempotent", _enqueue_twice),
        ("complete an active job", "completion_idempotent", _complete_active),
        ("exit dirtily", "drains_cleanly", exit_dirtily),
        ("do it all again", "rework_within", work_again),
        ("try for ever", "attempts_bounded", _try_for_ever),
        ("ask on", "calls_in_vain", ask_on),
        ("outgrow the memory", "memory_within", outgrow_memory),
        ("lie by the API", "status_truthful", _lie_by_api),
        ("lie by a row", "status_truthful", _lie_by_row),
        ("forget a move in the log", "status_truthful", _forget_in_log),
        ("rescue from the living", "no_live_job_rescued", rescue_the_living),
        ("end otherwise", "outcomes", _end_otherwise),
        ("fail without a word", "failure_explained", _fail_silently),
        ("crash for good", "roles_recover", crash_for_good),
        ("sweep at once", "recovery_runs", sweep_at_once),
        ("silence an alert", "alerts", silence),
        ("cry wolf", "alerts", cry_wolf),
        ("ring on", "alerts", ring_on),
    )
)
