"""Asks the running system to take up its stuck jobs again, one by one, each looked at right before."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from unstuck import clock
from unstuck.errors import TargetError
from unstuck.stuck.identity import UNSAFE, may_go_into
from unstuck.stuck.judging import Found, Judged
from unstuck.targets.declared.agent_client import CallError
from unstuck.targets.declared.calls import Caller
from unstuck.targets.declared.file import TargetFile

FRESH_NS = 1_000_000_000  # what was seen is believed for so long
Outcome = Literal["triggered", "skipped", "failed", "would trigger"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Rescued:
    """What became of one stuck job."""

    found: Found
    outcome: Outcome
    why: str = ""


def rescue_all(
    file: TargetFile,
    caller: Caller,
    judged: Judged,
    look: Callable[[], Judged],
    *,
    named: frozenset[str],
    dry_run: bool,
    now_ns: Callable[[], int] = clock.monotonic_ns,
    tell: Callable[[Rescued], None] = lambda _: None,
) -> Sequence[Rescued]:
    """Every job of `judged.stuck`, oldest first. `look` judges anew; it is asked when what was seen is more
    than a second old, since a job may have moved by itself:

    1. it is listed as stuck  2. a slow worker ends it, or the system's own sweep takes it up  3. we ask for
    it again. What lies between the last look and the call is the system's own to notice: a rescue has to be
    conditional there.

    `named`: jobs that the user has asked for by id: a risk does not keep them back. When the system cannot be
    looked at any more, the rest has failed. Raises `TargetError` when the file declares no rescue.
    """
    if file.rescue is None and not dry_run:
        raise TargetError(
            f"target {file.name!r} declares no `rescue`: a call with {{job}}. Add it to the file."
        )
    done: list[Rescued] = []
    seen, seen_ns = judged, now_ns()
    for found in judged.stuck:
        job = found.job.job
        if found.risk is not None and job not in named:
            one = _at_risk(found)
        elif dry_run:
            one = Rescued(found=found, outcome="would trigger")
        else:
            try:
                if now_ns() - seen_ns > FRESH_NS:
                    seen, seen_ns = look(), now_ns()
            except TargetError as error:
                return [*done, *_not_asked(judged.stuck[len(done) :], error, tell)]
            one = _rescue(file, caller, found, seen, insists=job in named)
        done.append(one)
        tell(one)
    return done


def _not_asked(
    rest: Sequence[Found], error: TargetError, tell: Callable[[Rescued], None]
) -> Sequence[Rescued]:
    failed = [Rescued(found=one, outcome="failed", why=f"not asked for: {error}") for one in rest]
    for one in failed:
        tell(one)
    return failed


def _at_risk(found: Found) -> Rescued:
    return Rescued(found=found, outcome="skipped", why=f"{found.risk}; name it by --job to insist")


def _rescue(file: TargetFile, caller: Caller, found: Found, seen: Judged, *, insists: bool) -> Rescued:
    job = found.job.job
    now = next((one for one in seen.stuck if one.job.job == job), None)
    if now is not None and now.risk is not None and not insists:
        return _at_risk(now)  # a worker took it since it was listed
    if now is None:
        why = next((why for other, why in seen.others if other.job == job), "has ended")
        return Rescued(found=found, outcome="skipped", why=f"has moved meanwhile: {why}")
    assert file.rescue is not None
    if not may_go_into(file.rescue, job):
        return Rescued(found=found, outcome="failed", why=UNSAFE)
    try:
        caller.perform(file.rescue, {"job": job}, file.submit.timeout_s)
    except CallError as error:
        return Rescued(found=found, outcome="failed", why=str(error))
    return Rescued(found=found, outcome="triggered")
