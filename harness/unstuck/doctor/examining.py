"""The examination of a target, from its file to a worker that was replaced, in the order of a run."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from unstuck import clock
from unstuck.declared_stage import DeclaredStage
from unstuck.doctor.concluding import conclude_abilities, conclude_timings
from unstuck.doctor.inspecting import look_at_file, look_at_programs, look_at_surroundings
from unstuck.doctor.jobs import (
    SETTLES_S,
    judge_absence,
    judge_effect,
    judge_job,
    judge_states,
    judge_waiting,
    reason_of,
    waited_s,
)
from unstuck.doctor.processes import judge_roles, start_each, stop_each
from unstuck.doctor.steps import Examination, Notes, Step
from unstuck.doctor.trial import Attended, Trial
from unstuck.errors import Interrupted, UnstuckError
from unstuck.targets.declared.file import HttpCall, TargetFile
from unstuck.targets.declared.roles import timings_of, variants_of
from unstuck.targets.declared.target import DeclaredTarget

WAITING_S = 0.5  # how long a job is looked at that nobody is there to take up
JOB_WITHIN_S = 20.0  # besides five times as long as a job takes by its file
LIVE = ("dependencies", "roles", "job", "states", "effect", "absence", "stop", "restart")


@dataclass(slots=True)
class Seen:
    """What was seen of a target that ran, for the conclusions; None: it did not come to that."""

    first: Attended | None = None
    second: Attended | None = None  # after its roles were replaced
    steps: list[Step] = field(default_factory=list)


def examine(
    file: TargetFile,
    configuration: str | None,
    *,
    word: str,
    stage: DeclaredStage,
    interrupted: Callable[[], bool],
    logs: Path | None = None,
    tell: Callable[[str], None] = lambda _: None,
) -> Examination:
    """Tries everything. `stage` is entered by the caller; `logs` keeps what the processes wrote.

    Never raises for what is wrong with the target: that is what the steps say. Raises `Interrupted`.
    """
    started_ns = clock.monotonic_ns()
    steps = [look_at_file(file), look_at_programs(file), look_at_surroundings(file, os.environ)]
    seen = Seen()
    if any(step.name == "programs" and step.state == "bad" for step in steps):
        seen.steps = [Step(name=name, state="skipped") for name in LIVE]
    else:
        _try_out(stage, logs, seen, interrupted, tell)
    timings = timings_of(file, variants_of(file, configuration, ()))
    steps += seen.steps
    steps.append(conclude_timings(file, timings, seen.first))
    steps.append(conclude_abilities(file, timings, seen.first))
    return Examination(
        target=file.name,
        word=word,
        configuration=configuration,
        steps=tuple(steps),
        took_s=(clock.monotonic_ns() - started_ns) / 1e9,
    )


def _try_out(
    stage: DeclaredStage,
    logs: Path | None,
    seen: Seen,
    interrupted: Callable[[], bool],
    tell: Callable[[str], None],
) -> None:
    """The steps that need it to run. Nothing of it is left when this returns, or when we are killed."""
    target = stage.target
    assert isinstance(target, DeclaredTarget)
    trial = Trial(target, interrupted)
    world = stage.world("doctor", trial.on_process, stage.now_ns())
    try:
        folder = logs or world.scratch / "run"
        (folder / "logs").mkdir(parents=True, exist_ok=True)
        for step in _live(trial, target, world, folder, seen, tell):
            seen.steps.append(step)
    finally:
        if trial.is_up:
            trial.running.close()
        world.close()
    done = {step.name for step in seen.steps}
    seen.steps += [Step(name=name, state="skipped") for name in LIVE if name not in done]


def _live(
    trial: Trial,
    target: DeclaredTarget,
    world: object,
    folder: Path,
    seen: Seen,
    tell: Callable[[str], None],
) -> Iterator[Step]:
    """Each step as soon as it is known; ends early where nothing after it could be tried."""
    tell("starting the dependencies and the roles")
    error: UnstuckError | None = None
    try:
        trial.start(world, folder)  # type: ignore[arg-type]  # a world, which only the target looks into
    except Interrupted:
        raise
    except UnstuckError as caught:
        error = caught
    started = list(judge_roles(trial, target.file, error))
    yield from started
    if any(step.state == "bad" for step in started) and error is not None:
        return
    tell("a job goes through")
    want_effect = target.file.ledger or target.file.effects is not None
    within_s = JOB_WITHIN_S + 5 * (target.file.timings.job_s or 0.0)
    first = seen.first = trial.attend(within_s, want_effect=want_effect)
    again = None
    if waited_s(first) > SETTLES_S:
        again = trial.attend(within_s, want_effect=want_effect)  # with everything warm
    job = judge_job(trial, target.file, first, within_s, again)
    yield job
    yield judge_states(target.file, first)
    if first.job is None:
        return
    yield judge_effect(trial, target.file, first)
    yield judge_absence(trial, target.file, first)
    tell("each role is stopped, and started again")
    yield stop_each(trial, target.file)
    waiting = None
    if job.state != "bad" and not isinstance(target.file.submit.call, HttpCall):  # whose role may be down
        waiting = trial.attend(WAITING_S, want_effect=False, patient=False)
    restart = start_each(trial, target.file)
    if job.state == "bad" or restart.state == "bad":
        yield restart
        return
    seen.second = trial.attend(within_s, want_effect=want_effect)
    yield judge_second(target.file, restart, seen.first, waiting, seen.second)


def judge_second(
    file: TargetFile, restart: Step, first: Attended, waiting: Attended | None, second: Attended
) -> Step:
    """The step `restart`, with the job that came before it, when nobody ran, and the one after it."""
    notes = Notes("restart")
    for told in restart.told:
        notes.tell(told)
    if waiting is not None:
        judge_waiting(file, waiting, notes)
    if second.job is None:
        notes.bad(
            f"then a submission failed: {second.reply.error}",
            "A deploy would lose it in the same way. An id has to be new also after a restart.",
        )
    elif second.terminal_ns is None:
        notes.bad(
            f"then a job stayed {second.state or 'unknown'} ({second.reply.error or 'it was submitted'})",
            "See what a worker that starts anew waits for: a lease, a lock, a name that is still taken.",
        )
    elif second.state != "succeeded":
        later_s = (second.terminal_ns - second.submitted_ns) / 1e9
        notes.bad(
            f"then a job {second.state} {later_s:.2f} s later{reason_of(second)}",
            "See what a process that starts anew lacks: a table, a file, a connection of the first one.",
        )
    elif second.effects == 0 and first.effects > 0:
        notes.bad(
            "then a job succeeded, and its effect was not seen, as that of the first one was",
            "See whether a process that starts anew reports its jobs, and carries them out at all.",
        )
    else:
        took_s = (second.terminal_ns - second.submitted_ns) / 1e9
        before_s = (first.terminal_ns - first.submitted_ns) / 1e9 if first.terminal_ns else took_s
        notes.tell(f"then a job took {took_s:.2f} s from its submission to its end ({before_s:.2f} s before)")
    return notes.step()
