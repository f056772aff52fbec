"""What a job that went through shows: its id, its states by each source, its effect, its absence."""

from __future__ import annotations

from unstuck.doctor.steps import Notes, Step
from unstuck.doctor.trial import Attended, Trial, nothing
from unstuck.report.words import plural
from unstuck.targets.declared.file import (
    CommandCall,
    HttpCall,
    JobSource,
    PythonCall,
    RedisCall,
    RedisSource,
    RowsSource,
    Source,
    SqlCall,
    TargetFile,
)
from unstuck.targets.declared.ledger import BEGIN, END, ENDED
from unstuck.targets.declared.tracker import Seen
from unstuck.worlds.process.readiness import log_tail

UNKNOWN = "unstuck-doctor-00000000-0000-4000-8000-000000000000"  # an id that nobody has given
SETTLES_S = 1.0  # so much later than the next one a first job may begin


def judge_job(
    trial: Trial, file: TargetFile, attended: Attended, within_s: float, again: Attended | None
) -> Step:
    """The step `job`: handed over, known by an id, taken up, ended. `again`: another, if it waited."""
    notes = Notes("job")
    if attended.job is None:
        notes.bad(
            attended.reply.error or "the submission failed",
            "Mend `submit`: what it calls, and `job`, the way to the id in its answer.",
        )
        return notes.step()
    if attended.refused_s > 0:
        notes.bad(
            f"submissions were refused for {attended.refused_s:.1f} s, though all roles had said that they "
            "are ready",
            f"Let `ready` say it later (`port: true`, a URL), or add `settle_s: {attended.refused_s:.1f}`.",
        )
    notes.tell(f"submitted, with the id {attended.job}")
    if attended.terminal_ns is not None and attended.state != "succeeded":
        notes.bad(
            f"{attended.state} {_after(attended, attended.terminal_ns)} later{reason_of(attended)}",
            "Give a job that succeeds: its task and its arguments, in `submit.values`. "
            f"{_worker_log(trial, file)}",
        )
        return notes.step()
    if attended.terminal_ns is not None:
        notes.tell(f"{attended.state} {_after(attended, attended.terminal_ns)} later")
        early_s = waited_s(attended) - waited_s(again) if again is not None else 0.0
        if early_s > SETTLES_S:
            notes.note(
                f"nobody took it up for {waited_s(attended):.1f} s, though all roles had said that they are "
                "ready; the next one began sooner",
                f"Let `ready` say it later, or add `settle_s: {early_s:.1f}` to it.",
            )
        return notes.step()
    last = _last(attended)
    if attended.ended_ns is not None:
        notes.bad(
            f"its effect was seen after {_after(attended, attended.ended_ns)}, and no source ever said that "
            f"it is done: {last}",
            "Map the word for `done` in `states`; if what is done gets deleted, say `absent: succeeded`.",
        )
    elif attended.begun_ns is not None:
        notes.bad(
            f"it began, and has not ended within {within_s:g} s: {last}",
            "Report `end` where its effect is applied; give a job that is short in `submit.values`.",
        )
    else:
        notes.bad(
            f"nobody took it up within {within_s:g} s: {last}",
            "If a queue has it, the worker looks at another one, or its readiness lies; if it is nowhere, "
            f"the worker may not know the task and drop it. {_worker_log(trial, file)}",
        )
    return notes.step()


def judge_states(file: TargetFile, attended: Attended) -> Step:
    """The step `states`: which were seen, by whom, how often it was looked; and what no map has."""
    notes = Notes("states")
    if attended.job is None:
        return Step(name="states", state="skipped")
    seen = ", ".join(f"{state} ({by})" for _, state, by in attended.at)
    looks = f"{plural(attended.looks, 'look')}, in a run every {file.observe.every_s:g} s"
    notes.tell(f"seen: {seen or 'nothing'}; {looks}")
    for number, (source, said) in enumerate(zip(file.observe.sources, attended.said, strict=False)):
        notes.tell(
            f"sources[{number}], {title(source)}: {' → '.join(_told(one) for one in said) or 'nothing'}"
        )
        errors = [one for one in said if isinstance(one, str)]
        if errors and isinstance(said[-1], str):
            notes.bad(f"sources[{number}] cannot be asked: {errors[-1]}", "Mend what it calls.")
        elif errors:
            notes.note(f"sources[{number}] could not be asked at times: {errors[-1]}")
        lacking = sorted({one.unmapped for one in said if isinstance(one, Seen) and one.unmapped is not None})
        if lacking:
            notes.bad(
                f"sources[{number}] says {', '.join(map(repr, lacking))}, which its `states` lack",
                "Add each word, with one of ours, or null if it says nothing.",
            )
    known = any(isinstance(one, Seen) and one.state is not None for said in attended.said for one in said)
    if not known and file.observe.absent != "succeeded":
        notes.bad(
            "no source ever knew the job",
            "Look at where the system keeps it: the key, the path, the statement.",
        )
    return notes.step()


def judge_effect(trial: Trial, file: TargetFile, attended: Attended) -> Step:
    """The step `effect`: begin and end of the job, and whether faults can strike there."""
    notes = Notes("effect")
    if not file.ledger and file.effects is None:
        notes.note(
            "none is declared: a job done twice, or said to be done and not done, cannot be seen",
            "Report begin and end of each job to UNSTUCK_LEDGER_URL, or name where effects can be seen.",
        )
        return notes.step()
    assert attended.job is not None
    if attended.effects == 0 and attended.terminal_ns is not None and attended.state != "succeeded":
        return Step(name="effect", state="skipped")  # none is due
    heard = {one.job for kind in ("attempt", "effect") for one in trial.heard(kind)}
    others = heard - trial.submitted - {None}
    if others:
        notes.bad(
            f"the ledger was told of {', '.join(sorted(map(repr, others)))}, and the job is {attended.job!r}",
            "Report the id that the submission returns.",
        )
    for problem in trial.heard("evidence", "ledger"):
        notes.bad(
            f"a report that nobody understands: {problem.data.get('problem')}: {problem.data.get('line')!r}",
            "A line is `begin JOB` or `end JOB`, or a JSON object with event and job.",
        )
    if attended.effects == 0:
        notes.bad(
            "no `end` was reported: whether the job did anything is not seen"
            if file.ledger
            else "no effect was seen",
            "Report `end` to UNSTUCK_LEDGER_URL where the effect is applied; or say `effects: none`.",
        )
        return notes.step()
    if attended.effects > 1:
        notes.bad(f"it was seen {attended.effects} times for one job", "Report `end` once, with the effect.")
    if not file.ledger:
        notes.tell("seen where the file says; no place to strike at, and no attempts are counted")
        return notes.step()
    if attended.begins == 0:
        notes.note(
            "only `end` was reported: attempts cannot be counted",
            "Report `begin` as well, before anything else of the job.",
        )
    _held(attended, notes)
    return notes.step()


def judge_absence(trial: Trial, file: TargetFile, attended: Attended) -> Step:
    """The step `absence`: what is said of a job that nobody has, and of one that is done."""
    notes = Notes("absence")
    assert attended.job is not None
    for number, said in enumerate(trial.ask(UNKNOWN)):
        if isinstance(said, str):
            notes.note(
                f"sources[{number}] cannot be asked for a job that does not exist: {said[:200]}",
                "Let it answer nothing, or 404: else each look fails once a job is lost.",
            )
        elif said.state is not None:
            notes.bad(
                f"sources[{number}] says {_told(said)} of a job that does not exist, and would of a lost one",
                "Map that word to null, if it stands for `unknown` as well.",
            )
        elif said.held is not None:
            notes.bad(f"sources[{number}] says that a job which does not exist is held", "Narrow its key.")
    done = attended.terminal_ns is not None or attended.ended_ns is not None
    gone = done and all(nothing(one) for one in trial.ask(attended.job))
    absent = file.observe.absent
    seen = file.ledger or file.effects is not None
    if absent == "succeeded" and not seen:
        notes.bad(
            "a job that no source knows counts as done, and effects are not seen: a lost one looks the same",
            "Let jobs report their end to the ledger; else say `absent: unknown`.",
        )
    elif absent == "succeeded":
        notes.tell("a job that no source knows is done if its effect was seen, else lost")
    elif absent == "unknown":
        notes.note("what it means that no source knows a job is not declared: none will be called lost")
    elif gone:
        notes.bad(
            "the job is done, and no source knows it any more: it would be called lost",
            "Say `absent: succeeded`, or keep results for longer than a run takes.",
        )
    else:
        notes.tell("a job that no source knows is lost; one that is done is still known")
    return notes.step()


def judge_waiting(file: TargetFile, waiting: Attended, notes: Notes) -> None:
    """What sources say of a job that came while nobody was there to take it up; nothing if somebody was."""
    if waiting.job is None or waiting.begun_ns is not None or waiting.terminal_ns is not None:
        return
    knows = [number for number, said in enumerate(waiting.said) if any(_knows(one) for one in said)]
    if knows:
        notes.tell(f"a job that came in between waited, as sources[{knows[0]}] says")
    elif file.observe.absent != "unknown":
        notes.bad(
            "a job that came in between was known to no source while it waited: it would be called lost",
            "Name the queue in which jobs wait, as the system itself calls it, in `observe`.",
        )


def title(source: Source) -> str:
    """What a source asks, in a few words."""
    match source:
        case RedisSource(dependency=name, database=database, looks=looks):
            return f"{name} database {database} ({', '.join(look.key for look in looks)})"
        case RowsSource(call=call) | JobSource(call=call):
            match call:
                case CommandCall(command=command):
                    return f"command {command[0]}"
                case HttpCall(url=url, method=method):
                    return f"{method} {url}"
                case PythonCall(function=function):
                    return f"python {function}"
                case RedisCall(dependency=name, command=command):
                    return f"{name}: {command[0]}"
                case SqlCall(dependency=name):
                    return f"SQL on {name}"


def waited_s(attended: Attended) -> float:
    """How long a job waited, once a client was told of it, until it began, or ended if that is all we see."""
    taken_ns = attended.begun_ns if attended.begun_ns is not None else attended.terminal_ns
    if taken_ns is None:
        return 0.0
    return max(0.0, (taken_ns - attended.acknowledged_ns) / 1e9)


def reason_of(attended: Attended) -> str:
    """Why it failed, where a source said so."""
    seen = [one.reason for said in attended.said for one in said if isinstance(one, Seen) and one.reason]
    return f": {seen[-1][:200]}" if seen else ""


def _held(attended: Attended, notes: Notes) -> None:
    """Whether the job stands still at its reports: only then can a fault strike at those places."""
    places = {BEGIN: "begin", END: "end", ENDED: "after its end"}
    held = [text for point, text in places.items() if point in attended.held_at]
    if held:
        notes.tell(f"begin and end seen; the job waits there, so faults can strike at: {', '.join(held)}")
    else:
        notes.note(
            "begin and end seen, and the job does not wait there: no fault can strike at job.begin, job.end, "
            "or at the worker that has the job, as most ready-made scenarios do: they will be inconclusive",
            "POST reports to UNSTUCK_LEDGER_URL with `process` ($UNSTUCK_PROCESS), and wait for the answer.",
        )


def _knows(said: Seen | str) -> bool:
    return isinstance(said, Seen) and (said.state is not None or said.held is not None)


def _told(said: Seen | str) -> str:
    """What a source said, in its words and ours."""
    if isinstance(said, str):
        return f"(cannot be asked: {said[:120]})"
    if nothing(said):
        return "nothing"
    words = [said.raw if said.raw is not None else ""]
    if said.state is not None and said.state != said.raw:
        words.append(f"= {said.state}" if said.raw is not None else said.state)
    if said.held is not None:
        words.append(f"held in {said.held}")
    return " ".join(word for word in words if word)


def _last(attended: Attended) -> str:
    """Where it was at the end, for a sentence."""
    last = [f"sources[{number}] says {_told(said[-1])}" for number, said in enumerate(attended.said) if said]
    return "; ".join(last) or "no source says anything"


def _after(attended: Attended, at_ns: int) -> str:
    return f"{max(0.0, (at_ns - attended.submitted_ns) / 1e9):.2f} s"


def _worker_log(trial: Trial, file: TargetFile) -> str:
    """The end of the log of the last role: who does the work usually comes last."""
    name = f"{[*file.roles][-1]}-1"
    spec = next((one for one in trial.running.specs() if one.name == name), None)
    tail = log_tail(spec.log, 0, 3) if spec is not None and spec.log is not None else ""
    return f"The log of {name} ends: {tail[-400:]}" if tail else f"The log of {name} is empty."
