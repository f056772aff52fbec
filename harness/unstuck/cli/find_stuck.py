"""`unstuck find-stuck`: the stuck jobs of a system that is running; changes nothing."""

from __future__ import annotations

import argparse
import json
import shlex
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from unstuck import clock
from unstuck.cli.choosing import ChosenTarget, choose_target
from unstuck.cli.console import screen_width, show
from unstuck.cli.output import say
from unstuck.cli.stuck_flags import addresses
from unstuck.errors import ExitCode
from unstuck.report.sheet import Sheet, Span, cut

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from unstuck.stuck import Found, Judged, RunningSystem
    from unstuck.targets.declared.file import Call, TargetFile

COLUMNS = ("id", "state", "held", "age", "tenant", "name")
WIDEST = 36


def execute(chosen: argparse.Namespace) -> ExitCode:
    """Looks, prints, and says whether any job is stuck."""
    target, file = target_of(chosen)
    with opened(chosen, file, acts=False) as system:
        judged = look(chosen, system)
        places = places_of(system)
    if chosen.json:
        say_json({**head(chosen, file, places), **as_json(judged)})
    else:
        sheet = Sheet(width=screen_width())
        sheet.paragraph(f"{file.name}: {', '.join(places) or 'what its calls reach'}")
        table(sheet, judged.stuck)
        sheet.paragraph(summary(judged, chosen.age_minutes))
        tell_gaps(sheet, file)
        if judged.stuck:
            sheet.blank()
            sheet.whole(Span("Next    ", "dim"), next_command(chosen, target))
        show(sheet)
    return ExitCode.FAIL if judged.stuck else ExitCode.PASS


def target_of(chosen: argparse.Namespace) -> tuple[ChosenTarget, TargetFile]:
    """The target and its file; the reference service has one of its own for this. Raises `UsageError`."""
    target = choose_target(chosen.target, chosen.configuration, allowed_hosts=chosen.allow_host)
    if target.file is not None:
        return target, target.file
    from unstuck.targets.reference.running import running_file  # noqa: PLC0415  only for it

    return target, running_file()


@contextmanager
def opened(chosen: argparse.Namespace, file: TargetFile, *, acts: bool) -> Iterator[RunningSystem]:
    """The system where the command line, the file or a variable says that it is."""
    from unstuck.stuck import RunningSystem, find_places  # noqa: PLC0415  heavy
    from unstuck.stuck.system import own_environment  # noqa: PLC0415  same
    from unstuck.targets.declared.file import JobSource, RowsSource  # noqa: PLC0415  same

    environment = own_environment()
    places = find_places(file, addresses(chosen.at), environment)
    sources = (*file.observe.sources, *((file.observe.listing,) if file.observe.listing else ()))
    calls: list[Call] = [one.call for one in sources if isinstance(one, RowsSource | JobSource)]
    if acts and file.rescue is not None:
        calls.append(file.rescue)
    with RunningSystem(file, places, environment, calls=tuple(calls)) as system:
        yield system


def look(chosen: argparse.Namespace, system: RunningSystem) -> Judged:
    """One look at all jobs, judged. Raises `TargetError`."""
    from unstuck.stuck import judge, list_jobs  # noqa: PLC0415  heavy
    from unstuck.targets.declared.roles import timings_of, variants_of  # noqa: PLC0415  same

    file = system.file
    jobs = list_jobs(file, system.looking)
    timings = timings_of(file, variants_of(file, chosen.configuration, ()))
    return judge(jobs, now_s=clock.realtime_s(), age_s=chosen.age_minutes * 60, timings=timings)


def places_of(system: RunningSystem) -> list[str]:
    """Where it was looked, for people: no passwords."""
    return [place.shown() for place in system.places.values()]


def table(sheet: Sheet, stuck: Sequence[Found]) -> None:
    """A line for each stuck job; columns that are empty throughout are left out."""
    rows = [[_cell(one, column) for column in COLUMNS] for one in stuck]
    shown = [at for at, column in enumerate(COLUMNS) if column == "id" or any(row[at] != "-" for row in rows)]
    if not rows:
        return
    lines = [[COLUMNS[at] for at in shown], *([row[at] for at in shown] for row in rows)]
    widths = [min(WIDEST, max(len(line[at]) for line in lines)) for at in range(len(shown))]
    for number, line in enumerate(lines):
        cells = [f"{cut(cell, width):<{width}}" for cell, width in zip(line, widths, strict=True)]
        sheet.line(Span("  " + "  ".join(cells).rstrip(), "dim" if number == 0 else ""))


def summary(judged: Judged, age_minutes: float) -> str:
    """`2 stuck (no sign of life for 10 min); 1 being processed, 3 young`"""
    parts = [f"{judged.count(why)} {why}" for why in _reasons(judged)]
    age = f"no sign of life for {age_minutes:g} min" if age_minutes else "of any age"
    told = f"{len(judged.stuck)} stuck ({age})"
    if judged.count("age unknown"):
        parts.append("say `since` in the target file, or --age-minutes 0")
    return f"{told}; {', '.join(parts)}" if parts else told


def tell_gaps(sheet: Sheet, file: TargetFile) -> None:
    """What could not be listed, so that nobody takes it for empty."""
    from unstuck.stuck import not_listed  # noqa: PLC0415  heavy

    for key in not_listed(file):
        sheet.paragraph(f"not listed: {key}, whose members tell no id. Say `job` there, or `observe.list`.")


def as_json(judged: Judged) -> dict[str, Any]:
    """`stuck`, and of the others how many and why."""
    return {
        "stuck": [entry(one) for one in judged.stuck],
        "not_stuck": {why: judged.count(why) for why in _reasons(judged)},
        "state_unknown": [
            {"id": job.job, "raw": job.raw or job.unmapped}
            for job, why in judged.others
            if why == "state unknown"
        ],
    }


def entry(found: Found) -> dict[str, Any]:
    """One stuck job, for programs."""
    job = found.job
    return {
        "id": job.job,
        "name": job.name,
        "state": job.state,
        "held": job.held,
        "age_s": None if found.age_s is None else round(found.age_s, 1),
        "tenant": job.tenant,
        "risk": found.risk,
    }


def head(chosen: argparse.Namespace, file: TargetFile, places: Iterable[str]) -> dict[str, Any]:
    """What a program wants to know of the look itself."""
    from unstuck.stuck import not_listed  # noqa: PLC0415  heavy

    return {
        "target": file.name,
        "looked_at": [*places],
        "age_minutes": chosen.age_minutes,
        "not_listed": not_listed(file),
    }


def say_json(data: Mapping[str, Any]) -> None:
    say(json.dumps(data, indent=2, ensure_ascii=False) + "\n")


def next_command(chosen: argparse.Namespace, target: ChosenTarget) -> str:
    """What to type next: the same of `retry-stuck`, which changes nothing without --yes."""
    words = ["unstuck", "retry-stuck"]
    if target.word != "unstuck.yaml":
        words += ["--target", target.word]
    if chosen.configuration is not None:
        words += ["--configuration", chosen.configuration]
    for flag, values in (("--at", chosen.at), ("--allow-host", chosen.allow_host)):
        for value in values:
            words += [flag, value]
    if chosen.age_minutes != 10:
        words += ["--age-minutes", f"{chosen.age_minutes:g}"]
    return shlex.join(words)


def age_text(seconds: float) -> str:
    """In the unit that people would use: `45 s`, `12 min`, `5 h`, `3 days`."""
    for unit, length, below in (("s", 1, 120), ("min", 60, 120), ("h", 3600, 48)):
        if seconds < below * length:
            return f"{seconds / length:.0f} {unit}"
    return f"{seconds / 86400:.0f} days"


def _reasons(judged: Judged) -> list[Any]:
    return sorted({why for _, why in judged.others})


def _cell(found: Found, column: str) -> str:
    job = found.job
    texts = {
        "id": job.job, "state": job.state, "held": job.held, "tenant": job.tenant, "name": job.name,
        "age": "unknown" if found.age_s is None else age_text(found.age_s),
    }  # fmt: skip
    return texts[column] or "-"
