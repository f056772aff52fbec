"""What a person needs beside a broken promise: where the job stopped, who held it, its own timeline."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

from unstuck.checks.every_job_terminal import moved_on_by
from unstuck.checks.job_story import Claim, JobStory, seconds, text_of
from unstuck.checks.port import Evidence, PropertyResult
from unstuck.checks.run_story import Life
from unstuck.checks.story import Story
from unstuck.history import Event
from unstuck.report.model import BrokenPromise, Mark
from unstuck.report.words import event_text, span

EXCERPT_LINES: Final = 16

_OF_A_JOB: Final = frozenset({"op", "transition", "stage", "attempt", "effect", "outcome", "message"})
_OF_A_HOLDER: Final = frozenset({"start", "exit", "signal", "restart"})


def explain(
    result: PropertyResult, evidence: Evidence, promise: str, story: Story, logs: Mapping[str, str]
) -> BrokenPromise:
    """Puts one piece of evidence beside the job's own timeline. `logs`: process -> its log's path."""
    job = story.jobs.get(evidence.job) if evidence.job is not None else None
    events = _events(evidence, job, story)
    return BrokenPromise(
        property=result.name,
        promise=promise,
        verdict=result.verdict,
        job=evidence.job,
        message=evidence.message,
        facts=evidence.facts,
        stopped=_stopped(job),
        held_by=_held_by(job, story),
        moves_on=moved_on_by(story, job) if job is not None else "",
        excerpt=tuple(_shorten(events, frozenset(evidence.events))),
        marks=tuple(_mark(event) for event in events if event.number in evidence.events),
        logs=_logs(job, events, logs),
    )


def _mark(event: Event) -> Mark:
    return Mark(at_s=seconds(event), text=event_text(event), job=event.job, process=event.process)


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


def _held_by(job: JobStory | None, story: Story) -> str:
    if job is None or not job.claims:
        return ""
    claim = job.claims[-1]
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


def _events(evidence: Evidence, job: JobStory | None, story: Story) -> list[Event]:
    """The job's own events, those of whoever held it, the faults, and what the evidence names; in time."""
    named = frozenset(evidence.events)
    holders = {claim.holder for claim in job.claims} if job is not None else set()
    chosen = [
        event
        for event in story.history.events
        if event.number in named
        or (job is not None and event.job == job.id and event.kind in _OF_A_JOB and event.phase != "invoke")
        or (event.kind == "process" and event.process in holders and event.phase in _OF_A_HOLDER)
        or (job is not None and event.kind == "fault" and event.phase in ("landed", "healed"))
    ]
    return sorted(chosen, key=lambda event: (event.at_ns, event.number))


def _shorten(events: list[Event], named: frozenset[int]) -> Iterable[str]:
    """At most so many lines: what the evidence names, then the newest; gaps are counted."""
    kept = {event.number for event in events if event.number in named}
    for event in reversed(events):
        if len(kept) >= EXCERPT_LINES:
            break
        kept.add(event.number)
    left_out = 0
    for event in events:
        if event.number not in kept:
            left_out += 1
            continue
        if left_out:
            yield f"          … {left_out} more"
            left_out = 0
        mark = "▶" if event.number in named else " "
        yield f"{seconds(event):8.3f} {mark} {event_text(event)}"
    if left_out:
        yield f"          … {left_out} more"


def _logs(job: JobStory | None, events: list[Event], logs: Mapping[str, str]) -> tuple[str, ...]:
    """The logs of whoever had to do with it, the newest holder first; of the run itself, all of them."""
    if job is None:
        return tuple(logs.values())
    names = [claim.holder for claim in reversed(job.claims)]
    names += [event.process or text_of(event, "worker") for event in reversed(events)]
    return tuple(logs[name] for name in dict.fromkeys(names) if name in logs)
