"""What a person needs beside a broken promise: where the job stopped, who held it, its own timeline."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from unstuck.checks.every_job_terminal import moved_on_by
from unstuck.checks.job_story import Claim, JobStory, Move, seconds, text_of
from unstuck.checks.port import Evidence, PropertyResult
from unstuck.checks.run_story import Life
from unstuck.checks.story import Story
from unstuck.report.excerpt import Line, lines_around, moves_of_log, shortened
from unstuck.report.model import BrokenPromise, Mark
from unstuck.report.words import event_text, span


def explain(
    result: PropertyResult, evidence: Evidence, promise: str, story: Story, logs: Mapping[str, str]
) -> BrokenPromise:
    """Puts one piece of evidence beside the job's own timeline. `logs`: process -> its log's path."""
    job = story.jobs.get(evidence.job) if evidence.job is not None else None
    lines = lines_around(evidence.events, job, story)
    return BrokenPromise(
        property=result.name,
        promise=promise,
        verdict=result.verdict,
        job=evidence.job,
        message=evidence.message,
        facts=evidence.facts,
        stopped=_stopped(job),
        held_by=_held_by(evidence, job, story),
        moves_on=moved_on_by(story, job) if job is not None else "",
        excerpt=tuple(shortened(lines)),
        marks=tuple(_mark(line) for line in lines if line.named),
        logs=_logs(job, lines, logs),
    )


def _mark(line: Line) -> Mark:
    event = line.event
    return Mark(at_s=line.at_s, text=event_text(event), job=event.job, process=event.process)


def life_end(life: Life) -> str:
    """How a life ended: `exit 0`, `SIGKILL`, `SIGKILL (out of memory)`; empty while it lives."""
    if life.exit is None:
        return ""
    data = life.exit.data
    if data.get("oom_kills"):
        return f"{data.get('signal') or 'SIGKILL'} (out of memory)"
    return str(data["signal"]) if data.get("signal") else f"exit {data.get('code', '?')}"


def _stopped(job: JobStory | None) -> str:
    if job is None or job.terminal:
        return ""
    if not job.moves:
        return "nowhere: the service has no row of it"
    stage = f", stage {job.stage}" if job.state == "active" and job.stage else ""
    return f"{job.state}{stage}, since {span(job.moves[-1].at_s)}"


def _held_by(evidence: Evidence, job: JobStory | None, story: Story) -> str:
    """Who held the job, and who wrote though another held it, where that is what the evidence shows."""
    if job is None or not job.claims:
        return ""
    overwritten = _overwritten(evidence, job)
    if overwritten is None:
        return _holder(job.claims[-1], story)
    claim, wrote = overwritten
    return "; ".join(filter(None, (_holder(claim, story), wrote)))


def _overwritten(evidence: Evidence, job: JobStory) -> tuple[Claim, str] | None:
    """The claim that another's write ended, and who wrote: `worker-2 wrote with token 1`."""
    log = moves_of_log(job)
    actors = dict(zip((move.number for move in job.moves), job.actors(), strict=True))
    moves: dict[int, Move] = {**{move.number: move for move in job.moves}, **log}
    said = {event.number: event for event in job.said_moves}
    for number in reversed(evidence.events):
        move = moves.get(number)
        ended = (one for one in job.claims if move and one.left and one.left.number == move.number)
        claim = next(ended, None)
        if move is None or claim is None:
            continue
        token = said[number].data["token"] if number in said else move.token
        writer = actors[move.number]
        foreign = move.after == "succeeded" and None not in (writer, claim.holder) and writer != claim.holder
        if token == claim.move.token and not foreign:
            return None
        before = (one.holder for one in job.claims if one.move.token == token)
        return claim, f"{writer or next(before, None) or 'somebody'} wrote with token {token}"
    return None


def _holder(claim: Claim, story: Story) -> str:
    if claim.holder is None:
        return ""
    let_go = "" if claim.left is None else f", until {span(claim.left.at_s)}"
    which = f"attempt {claim.move.attempt}, token {claim.move.token}"
    return f"{claim.holder} ({which}){let_go}{_fate(claim, story)}"


def _fate(claim: Claim, story: Story) -> str:
    process = story.processes.get(claim.holder or "")
    life = process.life_at(claim.at_s) if process is not None else None
    if life is None or life.exit is None:
        return ""
    if claim.left is not None and claim.left.at_s < seconds(life.exit):
        return ""  # it had let go before: its end explains nothing
    return f", which ended at {span(seconds(life.exit))}: {life_end(life)}"


def _logs(job: JobStory | None, lines: Sequence[Line], logs: Mapping[str, str]) -> tuple[str, ...]:
    """The logs of whoever had to do with it, the newest holder first; of the run itself, all of them."""
    if job is None:
        return tuple(logs.values())
    names = [claim.holder for claim in reversed(job.claims)]
    names += [line.event.process or text_of(line.event, "worker") for line in reversed(lines)]
    return tuple(logs[name] for name in dict.fromkeys(names) if name in logs)
