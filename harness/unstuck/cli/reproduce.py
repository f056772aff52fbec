"""`unstuck reproduce`: an incident as on its day, without the defences of today, and then with them."""

from __future__ import annotations

import argparse
import shlex
import threading
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

from unstuck import __version__, rundir
from unstuck.cli.carry_out import Reporter, keep
from unstuck.cli.choosing import ChosenTarget, check_world, choose_target, stage_of, worlds_of
from unstuck.cli.console import screen_width, show
from unstuck.cli.environment import shut_out
from unstuck.cli.inputs import (
    SEED,
    choose_cases,
    find_scenarios,
    incident_of,
    load_all,
    reference_packages,
    reports_folder,
)
from unstuck.cli.interrupt import stopping
from unstuck.cli.output import say
from unstuck.cli.progress import ProgressScreen
from unstuck.clock import monotonic_ns, utc_date
from unstuck.errors import ExitCode, UsageError
from unstuck.links.real_toxiproxy import check_environment
from unstuck.report.as_json import reproduction_json
from unstuck.report.group import Group
from unstuck.report.publish import publish_reproduction, shown
from unstuck.report.reproduction import Reproduction
from unstuck.report.reproduction_text import reproduction_sheet
from unstuck.report.sheet import Sheet, Span
from unstuck.scaling import scaled
from unstuck.scenario import Before, Scenario
from unstuck.scenario_file import load

if TYPE_CHECKING:
    from unstuck.campaign import Progress, RunRecord

NOTES: Final = {False: " as on that day", True: " with every defence"}


def execute(chosen: argparse.Namespace) -> ExitCode:
    """Reproduces, reports, and returns what it came to; without a name, lists the incidents."""
    target = choose_target(chosen.target, chosen.configuration, allowed_hosts=chosen.allow_host)
    if chosen.list or chosen.name is None:
        show(_list(target))
        return ExitCode.PASS
    case, before = _case(chosen.name, target)
    if chosen.jobs is not None:
        case = scaled(case, chosen.jobs)
    check_world(case, chosen.world, target, instead=f"Run `unstuck reproduce {chosen.name}`.")
    shut_out()
    if chosen.world != "sim":
        check_environment()
    reports = reports_folder(chosen.reports)
    rundir.prepare(reports)
    started_ns, stop = monotonic_ns(), threading.Event()
    folder = rundir.create_group(reports, f"reproduce-{case.name}")
    try:
        with ProgressScreen(2) as screen, stopping(stop):
            reporter = Reporter(folder.path, screen)
            records = _runs(case, before, target, chosen, folder.path, reporter, stop)
    except BaseException:
        with suppress(OSError):
            folder.path.rmdir()  # only if it is empty
        raise
    told = Reproduction(
        incident=case.incident or case.name,
        happened=before.happened or case.summary,
        about=case.summary,
        defences_off=before.defences_off,
        fails=before.fails,
        before=reporter.line_of(records[0]),
        after=reporter.line_of(records[1]),
        jobs=sum(upload.count for upload in case.workload),
        world=chosen.world,
        command=_command(chosen),
        seed=SEED if chosen.seed is None else chosen.seed,
        version=__version__,
        date=utc_date().isoformat(timespec="seconds"),
        duration_s=(monotonic_ns() - started_ns) / 1e9,
        folder=shown(folder.path),
        interrupted=stop.is_set(),
    )
    return _tell(told, folder, reports, reporter, as_json=chosen.json)


def _case(name: str, target: ChosenTarget) -> tuple[Scenario, Before]:
    """The base case of the scenario that a name means, and its day. Raises `UsageError`."""
    named = find_scenarios([name], known=target.scenarios())
    if len(named) > 1:
        raise UsageError(f"{name}: is {len(named)} scenarios. Name one of them.")
    file = load_all(named, target.catalogue())[named[0].path]
    case = choose_cases(file, [named[0].selection])[0]
    if case.before is None:
        raise UsageError(
            f"{file.path}: does not say what was missing on the day of an incident (`before:`). "
            "`unstuck reproduce --list` shows those that do."
        )
    if case is not file.base_case():
        raise UsageError(f"{name}: what was missing is said of the base case only. Leave the case out.")
    return case, case.before


def _runs(
    case: Scenario,
    before: Before,
    target: ChosenTarget,
    chosen: argparse.Namespace,
    place: Path,
    reporter: Reporter,
    stop: threading.Event,
) -> list[RunRecord]:
    """The run without the defences, and the one with them."""
    with reference_packages():
        from unstuck.campaign import Progress, excluded, run_one, runners  # noqa: PLC0415  heavy

    seed = SEED if chosen.seed is None else chosen.seed

    def tell(note: str) -> None:
        reporter.hear(Progress(title=case.title, phase="starting", note=note))

    with stage_of(target, chosen.world, stop=stop, seed=seed, emulator=chosen.emulator, tell=tell) as stage:

        def run(off: tuple[str, ...]) -> RunRecord:
            title = f"{case.title}{NOTES[not off]}"

            def hear(step: Progress) -> None:
                reporter.hear(replace(step, title=title))

            if stop.is_set():
                return excluded(case, "interrupted before it began", ExitCode.INTERRUPTED)
            record = run_one(
                case, stage=stage, reports=place, seed=seed, stop=stop, defences_off=off, progress=hear,
                emulator=chosen.emulator,
            )  # fmt: skip
            hear(Progress(title=title, phase="done", note="", record=record))
            return record

        # Many jobs want all processors: then one run after the other, so that neither slows the other.
        with runners(2 if chosen.jobs is None else 1, stop) as pool:
            return [
                future.result() for future in [pool.submit(run, off) for off in (before.defences_off, ())]
            ]


def _command(chosen: argparse.Namespace) -> str:
    words = ["unstuck", "reproduce", chosen.name]
    flags: Mapping[str, object] = {
        "--jobs": chosen.jobs,
        "--target": chosen.target,
        "--configuration": chosen.configuration,
        "--world": None if chosen.world == "processes" else chosen.world,
        "--seed": chosen.seed,
        "--emulator": None if chosen.emulator == "ministack" else chosen.emulator,
    }
    for flag, value in flags.items():
        words += [] if value is None else [flag, str(value)]
    for host in chosen.allow_host:
        words += ["--allow-host", host]
    return shlex.join(words)


def _tell(
    told: Reproduction, folder: rundir.GroupFolder, reports: Path, reporter: Reporter, *, as_json: bool
) -> ExitCode:
    """Writes all reports and shows the screen. A disk that is full by now must not cost what was seen."""
    troubles = list(reporter.troubles)
    try:
        publish_reproduction(folder, told)
    except UsageError as error:
        troubles.append(str(error))
    group = keep(
        Group(
            name=f"reproduce {told.incident}",
            lines=(told.before, told.after),
            seed=told.seed,
            version=told.version,
            date=told.date,
            duration_s=told.duration_s,
            folder=told.folder,
            interrupted=told.interrupted,
            decided=told.exit_code,
            notes=(told.conclusion(), "The first of the two runs is meant to fail."),
        ),
        reports,
        folder,
        troubles,
    )
    if as_json:
        say(reproduction_json(told))
        return group.exit_code
    sheet = reproduction_sheet(told, width=screen_width())
    for note in troubles:
        sheet.paragraph(note, first=Span("note: ", "yellow"))
    show(sheet)
    return group.exit_code


def _list(target: ChosenTarget) -> Sheet:
    """A paragraph for each incident, and below it the other scenarios of the same."""
    catalogue, sheet = target.catalogue(), Sheet(width=screen_width())
    files = [load(path, catalogue) for path in target.scenarios().values() if incident_of(path) is not None]
    bases = [file.base_case() for file in files]
    for case in bases:
        if case.before is None or case.name != case.incident:
            continue
        sheet.blank()
        sheet.line(Span(case.name, "bold"))
        sheet.paragraph(case.before.happened or case.summary, first="  ")
        for head, text in (
            ("missing then  ", ", ".join(case.before.defences_off)),
            ("it broke      ", ", ".join(case.before.fails)),
            ("reproduced by ", case.summary),
            ("worlds        ", ", ".join(worlds_of(case, target))),
            (
                "see also      ",
                ", ".join(one.name for one in bases if one is not case and one.incident == case.name),
            ),
        ):
            if text:
                sheet.paragraph(text, first=Span(f"  {head}", "dim"))
        sheet.whole(Span("  run           ", "dim"), f"unstuck reproduce {case.name}")
    sheet.blank()
    sheet.paragraph(
        "Each runs twice, without the defences that were missing and with all of them, and shows both side "
        "by side. `--jobs N` takes another number of jobs; `--world sim` takes seconds, for those that "
        "name it. A scenario under `see also` is run by `unstuck run NAME`.",
        style="dim",
    )
    return sheet
