"""`unstuck explore`: a trial for each crash point of one job, and a table of what became of it."""

from __future__ import annotations

import argparse
import shlex
import threading
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, suppress
from dataclasses import replace
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING, cast

from unstuck import __version__, rundir
from unstuck.cases import Value, parse_selection
from unstuck.catalogue import Catalogue
from unstuck.cli.carry_out import Reporter, keep
from unstuck.cli.choosing import ChosenTarget, choose_target, stage_of
from unstuck.cli.console import screen_width, show
from unstuck.cli.environment import shut_out
from unstuck.cli.explaining import plan_sheet
from unstuck.cli.inputs import SEED, check_defences, reference_packages, reports_folder
from unstuck.cli.interrupt import stopping
from unstuck.cli.progress import ProgressScreen
from unstuck.clock import monotonic_ns, utc_date
from unstuck.errors import ExitCode, UsageError, did_you_mean
from unstuck.report.group import Group
from unstuck.report.points_text import points_sheet
from unstuck.report.publish import publish_points, shown
from unstuck.scenario_writer import dump

if TYPE_CHECKING:
    from unstuck.campaign import Stage
    from unstuck.explorer.exploring import Attempted, Explored
    from unstuck.explorer.trials import Approach, Mode
    from unstuck.report.points import PointsTable

JOBS_A_PROCESSOR = 3
"""Trials side by side: most of their time they wait for a start, a pause or a budget."""


def execute(chosen: argparse.Namespace) -> ExitCode:
    """Explores, reports, and returns 1 for a broken promise, 3 for what was not covered, else 0."""
    shut_out()
    with reference_packages():
        from unstuck.explorer.approach import told  # noqa: PLC0415  heavy
        from unstuck.explorer.exploring import Order, explore  # noqa: PLC0415  heavy, and an extra may be missing

    target = choose_target(chosen.target, chosen.configuration, allowed_hosts=chosen.allow_host)
    catalogue = target.catalogue()
    defences_off = check_defences(chosen.defence_off, catalogue)
    modes = _modes(chosen.modes)
    if not any(fnmatchcase(link, chosen.link or "*") for link in catalogue.links):
        raise UsageError(
            f"--link {chosen.link!r} fits no link of this target.{did_you_mean(chosen.link, catalogue.links)}"
        )
    settings = _settings(chosen.setting, catalogue)
    approach, lease_s = _approach(target, chosen, defences_off, settings)
    if chosen.plan:
        return _plan(approach, target)
    notes = told(approach, lease_s) if "pause" in modes else ()
    reports, seed = reports_folder(chosen.reports), SEED if chosen.seed is None else chosen.seed
    rundir.prepare(reports)
    stop, started_ns = threading.Event(), monotonic_ns()
    folder = rundir.create_group(reports, f"explore-{approach.name}")

    def places(*, see_messages: bool) -> AbstractContextManager[Stage]:
        return stage_of(target, stop=stop, seed=seed, emulator=chosen.emulator, see_messages=see_messages)

    try:
        with ProgressScreen(0) as screen, stopping(stop):
            reporter = Reporter(folder.path, screen)
            explored = explore(
                Order(
                    approach=approach, modes=modes, link=chosen.link or "*", reports=folder.path, seed=seed,
                    jobs=chosen.jobs or _jobs_by_default(), places=places, stop=stop, expect=screen.expect,
                    progress=reporter.hear, defences_off=defences_off, stretch=chosen.budget_s is None,
                    named=catalogue.points if chosen.test_points else frozenset(),
                )
            )  # fmt: skip
    except BaseException:
        with suppress(OSError):
            folder.path.rmdir()  # only if it is empty
        raise
    return _tell(explored, target, folder, chosen, reporter, notes, stop, started_ns, seed, modes)


def _modes(text: str) -> tuple[Mode, ...]:
    from unstuck.explorer.trials import MODES  # noqa: PLC0415  heavy

    names = [name.strip() for name in text.split(",") if name.strip()]
    for name in names:
        if name not in MODES:
            raise UsageError(f"--modes {name!r} is unknown.{did_you_mean(name, MODES)}")
    if not names:
        raise UsageError(f"--modes {text!r} chooses nothing. Write one or more of: {', '.join(MODES)}.")
    return tuple(cast("Mode", name) for name in dict.fromkeys(names))


def _settings(texts: Sequence[str], catalogue: Catalogue) -> Mapping[str, Value]:
    """The values of `--setting`. Raises `UsageError` for what the target has not, or does not take."""
    settings: dict[str, Value] = {}
    for text in texts:
        for name, value in parse_selection(text).items():
            if name not in catalogue.settings:
                known = did_you_mean(name, catalogue.settings)
                raise UsageError(f"--setting {name!r} is not a setting of this target.{known}")
            wanted = catalogue.settings[name]
            if type(value) is not wanted and not (wanted is float and type(value) is int):
                raise UsageError(f"--setting {name}={value!r} must be of type {wanted.__name__}.")
            settings[name] = float(value) if wanted is float else value
    refused = catalogue.refuse_settings(settings)
    if refused is not None:
        raise UsageError(f"--setting {refused[0] or ''}: {refused[1]}.")
    return settings


def _approach(
    target: ChosenTarget,
    chosen: argparse.Namespace,
    defences_off: tuple[str, ...],
    settings: Mapping[str, Value],
) -> tuple[Approach, float | None]:
    """What all trials share, and the lease that the target declares."""
    from unstuck.explorer.approach import of_declared, of_reference  # noqa: PLC0415  heavy

    if target.file is None:
        return of_reference(settings, chosen.budget_s, chosen.pause_s)
    return of_declared(
        target.file, target.configuration, defences_off, settings, chosen.budget_s, chosen.pause_s
    )


def _plan(approach: Approach, target: ChosenTarget) -> ExitCode:
    from unstuck.explorer.trials import baseline  # noqa: PLC0415  heavy

    sheet = plan_sheet([baseline(approach, number=1, beside=False)], target=target)
    sheet.paragraph(
        "Then, for each message of that job that matters, before it goes on and on its reply: the same job "
        f"again, with whoever sent it killed, or paused for {approach.pause_s:g} s, there. "
        "Which these are is known after the run above."
    )
    show(sheet)
    return ExitCode.PASS


def _jobs_by_default() -> int:
    import os  # noqa: PLC0415  for this alone

    try:
        count = len(os.sched_getaffinity(0))
    except AttributeError:  # macOS
        count = os.cpu_count() or 1
    return count * JOBS_A_PROCESSOR


def _tell(
    explored: Explored,
    target: ChosenTarget,
    folder: rundir.GroupFolder,
    chosen: argparse.Namespace,
    reporter: Reporter,
    notes: tuple[str, ...],
    stop: threading.Event,
    started_ns: int,
    seed: int,
    modes: tuple[Mode, ...],
) -> ExitCode:
    """Writes all reports, shows the table, and returns what it came to."""
    from unstuck.explorer.telling import About, table_of  # noqa: PLC0415  heavy

    saved = _save(explored.attempted, target, chosen) if chosen.save else ()
    name = f"{target.word}:{target.configuration}" if target.configuration else target.word
    table = table_of(
        explored,
        About(
            target=name, modes=modes, duration_s=(monotonic_ns() - started_ns) / 1e9, seed=seed,
            date=utc_date().isoformat(timespec="seconds"), folder=shown(folder.path), notes=notes,
            saved=saved, interrupted=stop.is_set(),
        ),
    )  # fmt: skip
    _publish(table, explored, folder, chosen, reporter)
    show(points_sheet(table, width=screen_width()))
    return table.exit_code


def _publish(
    table: PointsTable,
    explored: Explored,
    folder: rundir.GroupFolder,
    chosen: argparse.Namespace,
    reporter: Reporter,
) -> None:
    records = [*explored.baselines, *(one.record for one in explored.attempted)]
    group = Group(
        name=f"explore {table.target}",
        lines=tuple(reporter.line_of(record) for record in records),
        seed=table.seed,
        version=__version__,
        date=table.date,
        duration_s=table.duration_s,
        folder=table.folder,
        interrupted=table.exit_code is ExitCode.INTERRUPTED,
        decided=table.exit_code,
        notes=table.sums(),
    )
    publish_points(folder, table)
    keep(group, reports_folder(chosen.reports), folder, reporter.troubles)


def _save(
    attempted: Sequence[Attempted], target: ChosenTarget, chosen: argparse.Namespace
) -> tuple[str, ...]:
    """A scenario file for each trial that broke a promise. Raises `UsageError`."""
    place: Path = chosen.save
    paths: dict[str, str] = {}  # by the name of the scenario; two points can come to the same
    with rundir.disk(place):
        place.mkdir(parents=True, exist_ok=True)
    for one in attempted:
        if one.outcome.word is not None and not one.outcome.allowed:
            scenario = one.trial.scenario
            name, number = scenario.name, 1
            while name in paths:
                number += 1
                name = f"{scenario.name}-{number}"
            path = place / f"{name}.yaml"
            header = _header(one, target, path, chosen)
            rundir.write(path, dump(replace(scenario, name=name), header=header))
            paths[name] = shown(path)
    return tuple(paths.values())


def _header(one: Attempted, target: ChosenTarget, path: Path, chosen: argparse.Namespace) -> list[str]:
    words = ["unstuck", "run", shown(path), "--target", target.word]
    if target.configuration:
        words += ["--configuration", target.configuration]
    for flag, values in (("--defence-off", chosen.defence_off), ("--allow-host", chosen.allow_host)):
        words += [word for value in values for word in (flag, value)]
    return [
        f"Found by `unstuck explore`: {one.outcome.word} ({', '.join(one.outcome.broken)}).",
        f"At: {one.trial.point.text}",
        f"Run it: {shlex.join(words)}",
    ]
