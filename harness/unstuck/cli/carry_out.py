"""Runs cases and reports on them: the same for `run`, `gate` and `replay`."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from unstuck import __version__, rundir
from unstuck.cli.choosing import ChosenTarget, check_world, stage_of
from unstuck.cli.console import screen_width
from unstuck.cli.environment import shut_out
from unstuck.cli.inputs import reference_packages
from unstuck.cli.interrupt import stopping
from unstuck.cli.progress import ProgressScreen
from unstuck.clock import monotonic_ns, utc_date
from unstuck.errors import ExitCode, UnstuckError, UsageError
from unstuck.links.real_toxiproxy import check_environment
from unstuck.report.group import Group, RunLine, worst
from unstuck.report.publish import publish_group, publish_run, shown, summarise_run
from unstuck.report.sheet import Sheet, Span
from unstuck.report.text import run_sheet
from unstuck.report.text_group import group_sheet
from unstuck.report.words import plural
from unstuck.scenario import Scenario

if TYPE_CHECKING:
    from unstuck.campaign import Progress, RunRecord, Stage
    from unstuck.worlds.port import WorldName
    from unstuck.worlds.process.dependencies.s3 import EmulatorName


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What is to be run, and how. `grouped`: with a folder of its own even for a single case."""

    name: str
    cases: Sequence[Scenario]
    reports: Path
    seed: int
    jobs: int
    emulator: EmulatorName
    world: WorldName = "processes"
    target: ChosenTarget = field(default_factory=ChosenTarget)
    follow_s: float = 0.0  # how long to look on after a recovery budget that was not enough
    defences_off: tuple[str, ...] = ()
    time_budget_s: float | None = None
    excluded: Sequence[tuple[Scenario, str]] = ()  # with the reason, for the screen and the counts
    notes: tuple[str, ...] = ()
    grouped: bool = False
    watch: Watch | None = None


class Watch(Protocol):
    """Looks at how a gate went, apart from its verdicts; may ask for more runs, once."""

    def again(self, records: Sequence[RunRecord]) -> Sequence[Scenario]:
        """The cases to run once more, each as often as it is named."""
        ...

    def conclude(
        self, records: Sequence[RunRecord], again: Sequence[RunRecord]
    ) -> tuple[RunLine | None, Sequence[str]]:
        """A line beside those of the cases, if there is anything to complain of, and notes."""
        ...


def carry_out(order: Order) -> Group:
    """Runs everything, writes every report, points `latest` at the newest folder.

    Raises `UsageError` for what is wrong before anything starts.
    """
    if len(order.cases) == 1:  # of several, those that do not fit are lines of their own
        [case] = order.cases
        instead = "Leave --world out, or name another world."
        check_world(case, order.world, order.target, instead=instead)
    shut_out()
    if order.world != "sim":
        check_environment()  # before minutes are spent on starting what would only be taken down again
    with reference_packages():
        import unstuck.campaign  # noqa: F401, PLC0415  what is missing is told before a folder is made

    rundir.prepare(order.reports)
    stop = threading.Event()
    started_ns = monotonic_ns()
    with (
        _place(order) as place,
        ProgressScreen(len(order.cases)) as screen,
        stopping(stop),
    ):
        reporter = Reporter(place, screen)

        run = partial(_run, order, place, stop)
        records = run(order.cases, reporter)
        lines = [reporter.line_of(record) for record in records]
        notes = [*_of_sim(order), *order.notes, *_left_out(records, order.time_budget_s)]
        if order.watch is not None and not stop.is_set():
            more, told = _watched(order.watch, records, run, place, screen)
            lines += more
            notes += told
    lines += [
        RunLine(title=case.title, exit_code=ExitCode.PASS, excluded=why) for case, why in order.excluded
    ]
    group = Group(
        name=order.name,
        lines=tuple(_in_order(lines)),
        seed=order.seed,
        version=__version__,
        date=utc_date().isoformat(timespec="seconds"),
        duration_s=(monotonic_ns() - started_ns) / 1e9,
        folder=shown(place) if place != order.reports else None,
        interrupted=stop.is_set(),
        notes=tuple(notes),
    )
    if place != order.reports:
        return keep(group, order.reports, rundir.GroupFolder(path=place), reporter.troubles)
    newest = records[0].folder if records else None
    return keep(group, order.reports, newest, reporter.troubles)


def _run(
    order: Order, place: Path, stop: threading.Event, cases: Sequence[Scenario], reporter: Reporter
) -> list[RunRecord]:
    with reference_packages():
        from unstuck.campaign import run_many  # noqa: PLC0415  heavy, and an extra may be missing

    return run_many(
        cases,
        reports=place,
        seed=order.seed,
        jobs=order.jobs,
        defences_off=order.defences_off,
        time_budget_s=order.time_budget_s,
        progress=reporter.hear,
        stop=stop,
        emulator=order.emulator,
        place=_stage(order, stop, reporter),
        follow_s=order.follow_s,
    )


def _watched(
    watch: Watch,
    records: list[RunRecord],
    run: Callable[[Sequence[Scenario], Reporter], list[RunRecord]],
    place: Path,
    screen: ProgressScreen,
) -> tuple[list[RunLine], list[str]]:
    """The lines of what was run once more, and of what the watch complains of; and its notes."""
    reporter = Reporter(place, screen, title=lambda step: f"{step.title} measured again")
    cases = watch.again(records)
    screen.expect(len(cases))
    again = run(cases, reporter) if cases else []
    lines = [reporter.line_of(record) for record in again]
    try:
        line, notes = watch.conclude(records, again)
    except UnstuckError as error:  # the runs are over: what they came to is told whatever else fails
        line, notes = RunLine(title="baseline", exit_code=error.exit_code, error=str(error)), []
    return [*lines, *([line] if line else [])], list(notes)


def keep(
    group: Group, reports: Path, folder: rundir.GroupFolder | Path | None, troubles: Sequence[str]
) -> Group:
    """Writes a group's reports and points `latest` there.

    A disk that is full by now must not cost the verdict: it is told in a note, and no longer a pass.
    """
    told = list(troubles)
    try:
        if isinstance(folder, rundir.GroupFolder):
            publish_group(folder, group)
            folder = folder.path
        if folder is not None:
            rundir.point_latest(reports, folder)
    except UsageError as error:
        told.append(str(error))
    if not told:
        return group
    decided = worst([group.exit_code, ExitCode.USAGE])
    return replace(group, notes=(*group.notes, *told), decided=decided)


def screen_of(group: Group) -> Sheet:
    """The screen at the end: of the run when there was one only, else of them all."""
    if group.folder is not None or len(group.lines) != 1:
        return group_sheet(group, width=screen_width())
    sheet = run_sheet(group.lines[0], width=screen_width())
    for note in group.notes:
        sheet.paragraph(note, first=Span("note: ", "yellow"))
    return sheet


class Reporter:
    """Hears how the cases go, shows it, and writes a run's reports as soon as it has ended.

    `hear` may be called from several threads at once: each run has a folder of its own.
    """

    def __init__(
        self, place: Path, screen: ProgressScreen, *, title: Callable[[Progress], str] | None = None
    ) -> None:
        self.troubles: list[str] = []
        self._place = place
        self._screen = screen
        self._title = title or (lambda step: step.title)
        self._lines: dict[int, RunLine] = {}  # by the record's identity

    def hear(self, step: Progress) -> None:
        """Takes one step of one case. Never raises for a disk that is full: `troubles` says so."""
        if step.record is None:
            self._screen.tell(step)
            return
        line = report_on(step.record, self._title(step), self.troubles)
        self._lines[id(step.record)] = line
        self._screen.done(line)

    def line_of(self, record: RunRecord) -> RunLine:
        """The line of a record that was heard of; of another, a new one."""
        return self._lines.get(id(record)) or report_on(record, record.scenario.title, self.troubles)


def report_on(record: RunRecord, title: str, troubles: list[str]) -> RunLine:
    """A record in words, with its reports written into its folder; what could not be written: `troubles`."""
    summary = None
    folder = None if record.folder is None else rundir.RunFolder(path=record.folder)
    try:
        if folder is not None and record.verdict is not None:
            summary = summarise_run(folder, record.scenario, record.verdict)
    except UnstuckError as error:
        troubles.append(f"{title}: {error}")
    line = RunLine(
        title=title,
        exit_code=record.exit_code,
        summary=summary,
        error=record.error,
        excluded=record.excluded,
        folder=None if folder is None else folder.path.name,
        duration_s=record.duration_s,
    )
    try:
        if folder is not None:
            publish_run(folder, line)
    except UnstuckError as error:
        troubles.append(str(error))
    return line


def _stage(order: Order, stop: threading.Event, reporter: Reporter) -> AbstractContextManager[Stage]:
    """Where the order's runs take place. What takes long before the first one is told as a step of it."""
    from unstuck.campaign import Progress  # noqa: PLC0415  heavy

    def tell(note: str) -> None:
        reporter.hear(Progress(title=order.cases[0].title, phase="starting", note=note))

    return stage_of(order.target, order.world, stop=stop, seed=order.seed, emulator=order.emulator, tell=tell)


@contextmanager
def _place(order: Order) -> Iterator[Path]:
    """Where the folders of runs go: a group's own folder when there are several runs.

    When nothing was run after all, no empty folder stays behind.
    """
    if len(order.cases) == 1 and not order.grouped:
        yield order.reports
        return
    folder = rundir.create_group(order.reports, order.name)
    try:
        yield folder.path
    except BaseException:
        with suppress(OSError):
            folder.path.rmdir()  # only if it is empty
        raise


def _of_sim(order: Order) -> list[str]:
    """Whose seconds a table of several runs shows; a single run says so itself."""
    if order.world != "sim" or len(order.cases) == 1:
        return []
    return ["In the sim recovery is in virtual time; what a run took is in yours."]


def _left_out(records: Sequence[RunRecord], time_budget_s: float | None) -> list[str]:
    """What a time budget has cut off: how many runs, and scenarios of which nothing was run at all."""
    left = [record.scenario for record in records if record.excluded is not None]
    if not left or time_budget_s is None:
        return []
    ran = {record.scenario.name for record in records if record.excluded is None}
    unseen = list(dict.fromkeys(case.name for case in left if case.name not in ran))
    whole = f" Nothing at all was run of {', '.join(unseen)}." if unseen else ""
    why = next(record.excluded for record in records if record.excluded is not None)
    return [f"{len(left)} of {plural(len(records), 'run')} left out: {why}.{whole}"]


def _in_order(lines: Sequence[RunLine]) -> list[RunLine]:
    """Cases of one scenario side by side, in the order in which the scenarios came."""
    names = list(dict.fromkeys(line.title.split("[")[0] for line in lines))
    return sorted(lines, key=lambda line: names.index(line.title.split("[")[0]))
