"""Whether the processes of a target start, stay, end when they are asked to, and come back."""

from __future__ import annotations

from collections.abc import Iterator

from unstuck import clock
from unstuck.doctor.steps import Notes, Step
from unstuck.doctor.trial import Trial
from unstuck.errors import Interrupted, UnstuckError
from unstuck.report.words import plural
from unstuck.targets.declared.file import Role, TargetFile
from unstuck.targets.dependencies.listeners import addresses_of
from unstuck.worlds.process import proctree
from unstuck.worlds.process.readiness import loopback_address

GRACE_S_MAX = 15.0  # an idle process that takes longer is told of, whatever its grace
GONE_SOON_S = 0.3  # how long after its start a process is watched for going away

BACKGROUND = (
    "It may have gone into the background: run it in the foreground (no --detach, no --daemon, no `&`), "
    "so that the process which was started is the one that works."
)


def judge_roles(trial: Trial, file: TargetFile, error: UnstuckError | None) -> Iterator[Step]:
    """The steps `dependencies` and `roles`; a start that failed belongs to the first that is not up."""
    notes = Notes("dependencies")
    for name in file.dependencies:
        ready = trial.of_process(name, "ready")
        if ready:
            notes.tell(f"{name} ({file.dependencies[name].kind}) in {ready[0].data['after_s']:.2f} s")
    missing = [name for name in file.dependencies if not trial.of_process(name, "ready")]
    if error is not None and missing:
        notes.bad(str(error), "Mend it, and try again.")
        yield notes.step()
        return
    if not file.dependencies:
        notes.tell("it declares none")
    yield notes.step()
    yield _roles(trial, file, error)


def _roles(trial: Trial, file: TargetFile, error: UnstuckError | None) -> Step:
    notes = Notes("roles")
    if error is None:
        clock.sleep(GONE_SOON_S)
    for role in file.roles.values():
        names = [f"{role.name}-{number}" for number in range(1, role.replicas + 1)]
        for name in names:
            _started(trial, role, name, notes)
    if error is not None:
        advice = BACKGROUND if "died with code 0" in str(error) else "Mend it, and try again."
        notes.bad(str(error), advice)
    return notes.step()


def _started(trial: Trial, role: Role, name: str, notes: Notes) -> None:
    ready = trial.of_process(name, "ready")
    exits = [one for one in trial.of_process(name, "exit") if not one.data.get("expected")]
    if not ready:
        return  # the error says why
    if exits:
        how = exits[0].data.get("signal") or f"code {exits[0].data.get('code')}"
        notes.bad(
            f"{name} was ready, and ended by itself ({how}), {plural(len(exits), 'time')}",
            BACKGROUND if how == "code 0" else "See what it wrote (--logs DIR).",
        )
        return
    pid = ready[-1].data["pid"]
    main = proctree.read(pid)
    below = proctree.descendants(pid, proctree.snapshot())
    apart = [one for one in below if main is not None and one.group != main.group]
    text = f"{name} in {ready[0].data['after_s']:.2f} s"
    if below:
        text += f", with {plural(len(below), 'process')} below it"
    if apart:
        text += f" ({len(apart)} of them not in its process group: `scope: tree` reaches them)"
    elsewhere = _open_to_others(trial, name)
    if elsewhere:
        notes.note(
            f"{text}; it listens on {', '.join(elsewhere)}, where other machines reach it",
            "Let it listen on 127.0.0.1 in a run.",
        )
    elif role.ready == type(role.ready)():
        notes.note(
            f"{text}; nothing says when it is ready", "Say it by `ready`: a line of its log, a URL, its port."
        )
    else:
        notes.tell(text)


def _open_to_others(trial: Trial, name: str) -> list[str]:
    """Addresses off the loopback on which the port that it gets ready by is open."""
    spec = next((one for one in trial.running.specs() if one.name == name), None) if trial.is_up else None
    if spec is None:
        return []
    address = None if spec.ready_url is None else loopback_address(spec.ready_url)
    port = spec.ready_port if address is None else address[1]
    return [] if port is None else addresses_of(port)


def stop_each(trial: Trial, file: TargetFile) -> Step:
    """Asks the first process of each role to end, as a deploy does."""
    stop = Notes("stop")
    for role in reversed([*file.roles.values()]):
        name = f"{role.name}-1"
        if trial.of_process(name, "ready"):
            _stop(trial, role, name, stop)
    return stop.step()


def start_each(trial: Trial, file: TargetFile) -> Step:
    """Starts again what `stop_each` has stopped."""
    restart = Notes("restart")
    for role in file.roles.values():
        name = f"{role.name}-1"
        if not trial.of_process(name, "ready"):
            continue
        started_ns = clock.monotonic_ns()
        try:
            trial.world.start(trial.running.spec(name, like=name, version=None))
        except Interrupted:
            raise
        except UnstuckError as error:
            restart.bad(
                str(error), "A deploy would fail in the same way: mend what is left of the first start."
            )
        else:
            restart.tell(f"{name} was ready again in {(clock.monotonic_ns() - started_ns) / 1e9:.2f} s")
    return restart.step()


def _stop(trial: Trial, role: Role, name: str, notes: Notes) -> None:
    grace_s = min(role.stop.grace_s, GRACE_S_MAX)
    trial.world.stop(name, grace_s=grace_s)
    exits = trial.of_process(name, "exit")
    if not exits or "took_s" not in exits[-1].data:
        notes.note(f"{name} did not run any more")
        return
    took_s = exits[-1].data["took_s"]
    if exits[-1].data.get("signal") == "SIGKILL":
        notes.bad(
            f"{name} had nothing to do, did not end within {grace_s:g} s of {role.stop.signal}: was killed",
            f"Let it handle {role.stop.signal}: a shell in front of it has to `exec` it; or name the signal "
            "that it heeds in `stop`. If it is meant to be so, each deploy is a kill.",
        )
    else:
        notes.tell(f"{name} ended {took_s:.2f} s after {role.stop.signal} (grace {role.stop.grace_s:g} s)")
