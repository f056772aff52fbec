"""What became of the job in one trial, and whether the trial says anything at all."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from unstuck.campaign import RunRecord
from unstuck.checks.classes import JobClass, Kind
from unstuck.checks.port import PropertyResult, Verdict
from unstuck.errors import ExitCode, UnstuckError
from unstuck.history import EMPTY, History, read_history

NO_JOB: Final = "no job"
"""The client was not told of one, and none came to exist: it knows that it has to ask again."""
_WORST: Final[tuple[Kind, ...]] = tuple(Kind)  # the order in which classes are decided, `ok` last


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """`word`: the class of the job, or `no job`; None: the trial says nothing, and `why` tells the reason.

    `note`: what else was seen (`rescued after 3.1 s`, `still in lease`). `broken`: properties that failed.
    """

    word: str | None
    note: str = ""
    allowed: bool = True
    broken: tuple[str, ...] = ()
    why: str = ""
    exit_code: ExitCode = ExitCode.PASS


def outcome_of(record: RunRecord) -> Outcome:
    """Judges a trial. Never raises for what the run met."""
    if record.exit_code is ExitCode.INTERRUPTED:
        return _nothing("interrupted", ExitCode.INTERRUPTED)
    verdict = record.verdict
    if verdict is None or record.error is not None:
        code = record.exit_code if record.exit_code is not ExitCode.PASS else ExitCode.INCONCLUSIVE
        return _nothing(record.error or record.excluded or "nothing could be judged", code)
    if not any(row.landed for row in verdict.faults):
        why = next((row.problem for row in verdict.faults if row.problem), "it never fired")
        code = ExitCode.HARNESS if verdict.harness_errors else ExitCode.INCONCLUSIVE
        return _nothing(f"did not land: {why}", code)
    if verdict.harness_errors or verdict.spoilt:
        code = ExitCode.HARNESS if verdict.harness_errors else ExitCode.INCONCLUSIVE
        return _nothing((*verdict.harness_errors, *verdict.spoilt)[0], code)
    broken = tuple(one.name for one in verdict.properties if one.verdict is Verdict.FAIL)
    allowed = not broken and all(job.allowed for job in verdict.jobs)
    unclear = next((one for one in verdict.properties if _is_unclear(one)), None)
    if allowed and unclear is not None:
        return _nothing(f"{unclear.name}: {unclear.summary}", ExitCode.INCONCLUSIVE)
    word, note = str(NO_JOB), ""
    if verdict.jobs:
        worst = min(verdict.jobs, key=lambda job: _WORST.index(job.kind))
        word, note = str(worst.kind), _note(worst, verdict.jobs, _outcome_facts(record, worst.job))
    return Outcome(
        word=word,
        note=note,
        allowed=allowed,
        broken=broken,
        exit_code=ExitCode.PASS if allowed else ExitCode.FAIL,
    )


def _is_unclear(one: PropertyResult) -> bool:
    """True for what the history does not settle of a job. Nothing to judge is an answer here: a client that
    was cut off was told of no job, and one that its promise allows to be lost has no effect."""
    return one.expected and one.verdict is Verdict.INCONCLUSIVE and bool(one.evidence)


def passed_by(record: RunRecord) -> bool:
    """True when the run came to its end and never to the trial's point: nothing was struck, nothing broke.

    A run that failed, was spoilt or interrupted, or met an error of ours shows nothing of the sort.
    """
    verdict = record.verdict
    if verdict is None or record.error is not None or record.exit_code is ExitCode.INTERRUPTED:
        return False
    if verdict.verdict is Verdict.FAIL or verdict.harness_errors or verdict.spoilt:
        return False
    return not any(row.fired for row in verdict.faults)


def _nothing(why: str, exit_code: ExitCode) -> Outcome:
    return Outcome(word=None, why=" ".join(why.split()), exit_code=exit_code)


def _note(job: JobClass, jobs: tuple[JobClass, ...], facts: Mapping[str, object]) -> str:
    """What tells this outcome from others of its class."""
    parts = []
    if len(jobs) > 1:
        parts.append(f"{len(jobs)} jobs")
    if job.kind in (Kind.STUCK, Kind.DONE_NOT_TERMINAL) and job.state:
        parts.append(job.state)
    if job.rescued is not None and job.kind is not Kind.LOST:
        parts.append(job.rescued)
    held = facts.get("held")
    if held is not None:
        parts.append(f"in {held}" if job.kind is Kind.STUCK else f"still in {held}")
    return ", ".join(parts)


def _outcome_facts(record: RunRecord, job: str) -> Mapping[str, object]:
    """Our own final look at a job."""
    try:
        history = History(()) if record.folder is None else read_history(record.folder / "history.jsonl")
    except UnstuckError:  # it was judged a moment ago: the note is not worth a failure
        return EMPTY
    found = [event.data for event in history.events if event.kind == "outcome" and event.job == job]
    return found[-1] if found else EMPTY
