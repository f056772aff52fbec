"""Runs many cases side by side, each in a folder of its own, and says how each ended."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Literal, Protocol, Self

from unstuck import __version__, rundir
from unstuck.checks.verdict import RunVerdict, judge
from unstuck.clock import monotonic_ns, utc_date
from unstuck.describe import describe
from unstuck.errors import CapabilityError, ExitCode, HarnessError, UnstuckError
from unstuck.faults import FAULTS
from unstuck.history import History, Recorder, read_history
from unstuck.plan import Plan, make_plan
from unstuck.runner import RunRequest, run_scenario
from unstuck.runner.engine import Engine
from unstuck.scenario import Scenario
from unstuck.targets.port import Target, TargetSource
from unstuck.worlds.port import Clocks, ProcessEvent, World
from unstuck.worlds.process.dependencies.s3 import EmulatorName
from unstuck.worlds.process.limits import check_space, raise_open_files
from unstuck.worlds.process.session import Session

PRELOAD = ("reference_service.preload", "unstuck.links.__main__")
WATCH_EVERY_S = 0.1  # how late an interruption may be noticed

Phase = Literal["waiting", "starting", "running", "settling", "judging", "done"]


@dataclass(frozen=True, slots=True, kw_only=True)
class RunRecord:
    """How one case ended. `verdict` is None when nothing could be judged: `error` or `excluded` says why."""

    scenario: Scenario
    verdict: RunVerdict | None
    error: str | None
    exit_code: ExitCode
    folder: Path | None
    duration_s: float
    excluded: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """One step of one case, as it happens; `record` comes with the phase `done`."""

    title: str
    phase: Phase
    note: str
    record: RunRecord | None = None


Tell = Callable[[Progress], None]


class Stage(Protocol):
    """Where the runs of a campaign take place: makes a world for each, and offers the target.

    `name` is what a user calls the world by.
    """

    name: str
    target: Target
    source: TargetSource

    def now_ns(self) -> int:
        """The clock of the run that the calling thread is at; what a history's stamps are read from."""
        ...

    def world(self, name: str, on_event: Callable[[ProcessEvent], None], start_ns: int) -> World: ...


class ProcessStage(AbstractContextManager["ProcessStage"]):
    """Real processes on this machine, with dependencies that the runs of the campaign share."""

    name: str = "processes"
    source = TargetSource()

    def __init__(
        self,
        *,
        stop: threading.Event,
        emulator: EmulatorName = "ministack",
        preload: Sequence[str] = PRELOAD,
        see_messages: bool = False,
    ) -> None:
        self._see_messages = see_messages
        self._session = Session(preload=preload, interrupted=stop.is_set)
        self._emulator = emulator

    def __enter__(self) -> Self:
        raise_open_files()
        check_space(self._session.folder.parent)
        # Nothing is started yet: a session begins at its first world.
        self._session.__enter__()
        self.target: Target = self._target()
        return self

    def _target(self) -> Target:
        # What it needs is an extra, which whoever has a target of their own need not install.
        from unstuck.targets.reference.target import ReferenceTarget  # noqa: PLC0415  see above

        return ReferenceTarget(
            self._session, emulator=self._emulator, videos=self._videos, see_messages=self._see_messages
        )

    @property
    def _videos(self) -> Path:
        return self._session.folder / "videos"

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._session.__exit__(kind, error, trace)

    def now_ns(self) -> int:
        return monotonic_ns()

    def world(self, name: str, on_event: Callable[[ProcessEvent], None], start_ns: int) -> World:
        return self._session.world(name, on_event=on_event, start_ns=start_ns)


def run_many(
    cases: Sequence[Scenario],
    *,
    reports: Path,
    seed: int,
    jobs: int,
    defences_off: tuple[str, ...] = (),
    time_budget_s: float | None = None,
    progress: Tell = lambda _: None,
    stop: threading.Event | None = None,
    emulator: EmulatorName = "ministack",
    place: AbstractContextManager[Stage] | None = None,
    follow_s: float = 0.0,
) -> list[RunRecord]:
    """Runs every case, `jobs` at a time, and returns their records in the order of `cases`.

    They take place at `place`; None: in real processes. A case that cannot start any more within
    `time_budget_s` is excluded, and says so. Once `stop` is set, nothing new begins and what runs is
    healed and taken down. Raises `UsageError` for what is
    wrong with the reports folder or the environment, before anything starts.
    """
    stop = stop or threading.Event()
    rundir.prepare(reports)
    # A float: a budget may be too long to be a whole number of nanoseconds.
    deadline_ns = None if time_budget_s is None else monotonic_ns() + time_budget_s * 1e9
    with place or ProcessStage(stop=stop, emulator=emulator) as stage:

        def one(case: Scenario) -> RunRecord:
            if stop.is_set():
                return excluded(case, "interrupted before it began", ExitCode.INTERRUPTED)
            if deadline_ns is not None and monotonic_ns() > deadline_ns:
                return excluded(case, f"the time budget of {time_budget_s:g} s was used up")
            return run_one(
                case, stage=stage, reports=reports, seed=seed,
                defences_off=defences_off, progress=progress, stop=stop, emulator=emulator, follow_s=follow_s,
            )  # fmt: skip

        def told(case: Scenario) -> RunRecord:
            record = one(case)
            progress(Progress(title=case.title, phase="done", note="", record=record))
            return record

        with runners(jobs, stop) as pool:
            return list(pool.map(told, cases))


@contextmanager
def runners(jobs: int, stop: threading.Event) -> Iterator[ThreadPoolExecutor]:
    """Threads for runs. Whatever ends the block early (Ctrl-C, a bug) stops what runs, too."""
    with ThreadPoolExecutor(max(1, jobs), thread_name_prefix="run") as pool:
        try:
            yield pool
        except BaseException:
            stop.set()
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def run_one(
    case: Scenario,
    *,
    stage: Stage,
    reports: Path,
    seed: int,
    stop: threading.Event,
    defences_off: tuple[str, ...] = (),
    progress: Tell = lambda _: None,
    emulator: EmulatorName = "ministack",
    follow_s: float = 0.0,
) -> RunRecord:
    """Runs one case and judges it from what it recorded. Never raises for what the run met."""
    started_ns = monotonic_ns()
    folder: rundir.RunFolder | None = None
    try:
        folder = rundir.create(reports, case, seed=seed)
        _run_in(folder, case, stage, seed, defences_off, progress, stop, emulator, follow_s)
        error = None
    except UnstuckError as caught:
        error = caught
    except Exception as caught:  # noqa: BLE001  a bug of ours must not take the other runs with it
        error = _bug(caught)
    return _record(case, folder, error, stop, (monotonic_ns() - started_ns) / 1e9)


def _run_in(
    folder: rundir.RunFolder,
    case: Scenario,
    stage: Stage,
    seed: int,
    defences_off: tuple[str, ...],
    progress: Tell,
    stop: threading.Event,
    emulator: EmulatorName,
    follow_s: float,
) -> None:
    """Plans, records and runs one case; closes all that it opened, in whatever state."""

    def note(phase: Phase, text: str) -> None:
        progress(Progress(title=case.title, phase=phase, note=text))

    def on_process(event: ProcessEvent) -> None:
        with suppress(UnstuckError):  # in the world's own thread; the run asks the recorder and ends
            recorder.record(
                "process", event.phase, process=event.name, at_ns=event.at_ns, role=event.role, **event.data
            )
        if event.phase == "signal":
            note("running", f"{event.data.get('signal')} to {event.name}")

    plan = make_plan(case, seed, {name: module.NEEDS for name, module in FAULTS.items()})
    rundir.write_plan(
        folder,
        rundir.RecordedPlan(
            scenario=case.name, case=case.case, seed=seed, defences_off=defences_off,
            emulator=emulator, world=stage.name, source=str(case.source) if case.source else None,
            target=stage.source.word, configuration=stage.source.configuration, follow_s=follow_s,
            steps=describe(case),
        ),
    )  # fmt: skip
    if stage.source.text:
        rundir.write(folder.target, stage.source.text)
    start_ns = stage.now_ns()
    with ExitStack() as closing:
        recorder = Recorder(folder.history, start_ns, now_ns=stage.now_ns)
        closing.callback(recorder.close)
        world = stage.world(folder.path.name, on_process, start_ns)
        closing.callback(world.close)
        _check_needs(case, plan, world, stage.target)
        engines = closing.enter_context(_woken(stop))
        run_scenario(
            RunRequest(
                scenario=case, plan=plan, folder=str(folder.path), defences_off=defences_off,
                follow_s=follow_s,
                facts={"version": __version__, "date": utc_date().isoformat(timespec="seconds")},
            ),
            world=world, target=stage.target, recorder=recorder, interrupted=stop.is_set,
            note=note, on_engine=engines.append,
        )  # fmt: skip


def _check_needs(case: Scenario, plan: Plan, world: World, target: Target) -> None:
    """Raises `CapabilityError` for what neither can do, before anything of the service starts."""
    if "clocks" in plan.needs and isinstance(world, Clocks):
        world.prepare_clocks(plan.clocks)  # what that takes, only such runs pay for
    missing = set(plan.needs) - (world.capabilities | target.capabilities)
    if missing:
        raise CapabilityError(
            f"{case.title}: needs {', '.join(sorted(missing))}, which the world {world.name!r} "
            f"here cannot do. Run it where it can, or exclude it by policy."
        )


@contextmanager
def _woken(stop: threading.Event) -> Iterator[list[Engine]]:
    """Engines put into the list look up once `stop` is set, which nothing else would tell them."""
    engines: list[Engine] = []
    over = threading.Event()

    def watch() -> None:
        while not over.wait(WATCH_EVERY_S):
            if stop.is_set():
                for engine in engines:
                    engine.wake()

    watcher = threading.Thread(target=watch, name="watch", daemon=True)
    watcher.start()
    try:
        yield engines
    finally:
        over.set()
        watcher.join()


def _record(
    case: Scenario,
    folder: rundir.RunFolder | None,
    error: UnstuckError | None,
    stop: threading.Event,
    duration_s: float,
) -> RunRecord:
    verdict: RunVerdict | None = None
    played_out = False
    try:
        if folder is not None and folder.history.exists():
            history = read_history(folder.history)
            if history.events:  # none: it did not come to a run, and `error` says why
                verdict = judge(history)
                played_out = _played_out(history)
    except UnstuckError as caught:
        error = error or caught
    except Exception as caught:  # noqa: BLE001  a bug of ours must not take the other runs with it
        error = error or _bug(caught)
    if stop.is_set() and not played_out:
        exit_code = ExitCode.INTERRUPTED
    elif error is not None and (verdict is None or verdict.exit_code is not ExitCode.FAIL):
        exit_code = error.exit_code
    else:
        exit_code = verdict.exit_code if verdict is not None else ExitCode.HARNESS
    return RunRecord(
        scenario=case,
        verdict=verdict,
        error=str(error) if error else None,
        exit_code=exit_code,
        folder=folder.path if folder else None,
        duration_s=duration_s,
    )


def _played_out(history: History) -> bool:
    """True when the run came to its own end: then an interruption came too late to touch it."""
    ends = [
        event.data.get("reason") for event in history.events if (event.kind, event.phase) == ("run", "end")
    ]
    return bool(ends) and ends[-1] in ("settled", "budget")


def _bug(caught: Exception) -> HarnessError:
    error = HarnessError(f"{type(caught).__name__}: {caught}. This is a bug of Unstuck.")
    error.__cause__ = caught
    return error


def excluded(case: Scenario, why: str, exit_code: ExitCode = ExitCode.PASS) -> RunRecord:
    """The record of a case that was not run, and why."""
    return RunRecord(
        scenario=case, verdict=None, error=None, exit_code=exit_code, folder=None,
        duration_s=0.0, excluded=why,
    )  # fmt: skip
