"""`unstuck verify`: may this version be deployed over that one? The deployment checklist, with evidence."""

from __future__ import annotations

import argparse
import json
import subprocess
import threading
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final

from unstuck import rundir
from unstuck.cli.carry_out import Reporter
from unstuck.cli.choosing import choose_target
from unstuck.cli.console import screen_width, show
from unstuck.cli.environment import shut_out
from unstuck.cli.inputs import SEED, reference_packages, reports_folder
from unstuck.cli.interrupt import stopping
from unstuck.cli.output import say
from unstuck.cli.progress import ProgressScreen
from unstuck.errors import ExitCode, UsageError
from unstuck.report.publish import shown
from unstuck.report.sheet import Sheet, Span
from unstuck.report.words import plural

if TYPE_CHECKING:
    from unstuck.verify import Checklist, Line

MARKS: Final = {
    "ok": ("✓", "green"),
    "broken": ("✗", "red"),
    "not proved": ("?", "yellow"),
    "cannot": ("!", "yellow"),
}
COUNTED: Final = {"cannot": "to read before (!)"}
VERDICTS: Final = {
    ExitCode.PASS: ("DEPLOY", "bold green"),
    ExitCode.FAIL: ("DO NOT DEPLOY", "bold red"),
    ExitCode.INCONCLUSIVE: ("NOT PROVED", "bold yellow"),
    ExitCode.INTERRUPTED: ("INTERRUPTED", "bold yellow"),
}
RUNS: Final = 4
DATABASES: Final = ("postgresql", "sqlite")


def execute(chosen: argparse.Namespace) -> ExitCode:
    """Verifies, prints the checklist, and keeps it beside the runs."""
    shut_out()
    with reference_packages():
        from unstuck.targets.reference.versions import is_known, repository  # noqa: PLC0415  heavy
        from unstuck.verify import Order, verify  # noqa: PLC0415  same

    root = repository()
    old = chosen.old or _landed(root)
    new = None if chosen.new in {None, "."} else str(chosen.new)
    for flag, version in (("--from", old), ("--to", new)):
        if version is not None and not _exists(version, is_known):
            raise UsageError(
                f"{flag} {version}: is neither a commit of this checkout nor a wheel. "
                "Name one that `git log` shows, or the path of a .whl file."
            )
    reports = reports_folder(chosen.reports)
    rundir.prepare(reports)
    stop = threading.Event()
    folder = rundir.create_group(reports, "verify")
    order = Order(
        old=_whole(old),
        new=None if new is None else _whole(new),
        reports=folder.path,
        seed=SEED if chosen.seed is None else chosen.seed,
        emulator=chosen.emulator,
        databases=frozenset([chosen.database] if chosen.database else DATABASES),
    )
    try:
        with ProgressScreen(RUNS if "postgresql" in order.databases else 0) as screen, stopping(stop):
            reporter = Reporter(folder.path, screen)
            names = choose_target("reference", None).catalogue()
            done = verify(order, names, stop=stop, progress=reporter.hear)
    except BaseException:
        with suppress(OSError):
            folder.path.rmdir()  # only if it is empty
        raise
    text = json.dumps(done.as_json(), indent=2, ensure_ascii=False) + "\n"
    sheet = sheet_of(done, shown(folder.path))
    rundir.write(folder.path / "verify.json", text)
    rundir.write(folder.path / "verify.txt", sheet.plain())
    if chosen.json:
        say(text)
    else:
        show(sheet)
    return done.exit_code


def _exists(version: str, is_known: object) -> bool:
    assert callable(is_known)
    return Path(version).is_file() if version.endswith(".whl") else bool(is_known(version))


def _whole(version: str) -> str:
    """A wheel's path from anywhere; a commit as it is."""
    return str(Path(version).absolute()) if version.endswith(".whl") else version


def _landed(root: Path | None) -> str:
    """What was deployed last, as far as the history says: the newest tag, else where this branch left `main`,
    else the commit before the changes at hand. Raises `UsageError` without a history.
    """
    if root is None:
        raise UsageError(
            "there is no checkout of the service here. Name both versions: --from OLD.whl --to NEW.whl"
        )
    head = _git(root, "rev-parse", "HEAD")
    left = _git(root, "merge-base", "HEAD", "main") or _git(root, "merge-base", "HEAD", "origin/main")
    changed = bool(_git(root, "status", "--porcelain", "--untracked-files=no"))
    tag = _git(root, "describe", "--tags", "--abbrev=0")
    if tag is not None and not changed and _git(root, "rev-parse", f"{tag}^{{commit}}") == head:
        tag = _git(
            root, "describe", "--tags", "--abbrev=0", "HEAD^"
        )  # this checkout is the newest one itself
    for one in (tag, left if left != head or changed else None, _git(root, "rev-parse", "HEAD^")):
        if one:
            return one if one == tag else one[:12]
    raise UsageError("the history has one commit only. Name the version that is deployed: --from OLD")


def _git(root: Path, *words: str) -> str | None:
    done = subprocess.run(["git", "-C", str(root), *words], capture_output=True, text=True, check=False)
    return done.stdout.strip() or None if done.returncode == 0 else None


def sheet_of(done: Checklist, folder: str) -> Sheet:
    """The checklist as people read it."""
    sheet = Sheet(width=screen_width())
    schema = " → ".join(done.revisions) if done.revisions[0] != done.revisions[1] else done.revisions[0]
    sheet.line(Span("Deployment checklist", "bold"), f"  {done.old} → {done.new}, schema {schema}")
    database = ""
    for line in done.lines:
        if line.database != database:
            database = line.database
            sheet.blank()
            sheet.line(Span(database, "bold"))
        _tell(sheet, line)
    sheet.blank()
    word, style = VERDICTS[done.exit_code]
    states = [line.state.value for line in done.lines]
    counts = [(states.count(state), COUNTED.get(state, state)) for state in MARKS]
    told = ", ".join(f"{count} {state}" for count, state in counts if count)
    told = f"{plural(len(states), 'line')}: {told}"
    sheet.line(Span(word, style), f"  {told} · {done.took_s:.0f} s")
    sheet.whole(Span("Evidence  ", "dim"), folder)
    return sheet


def _tell(sheet: Sheet, line: Line) -> None:
    mark, style = MARKS[line.state.value]
    sheet.paragraph(
        line.says, first=Span(f"{mark} ", style), style="bold" if line.state.value == "broken" else ""
    )
    for text in line.evidence:
        sheet.paragraph(text, first="    ", style="dim")
    if line.folder is not None and line.state.value in {"broken", "not proved"}:
        sheet.paragraph(line.folder, first="    ", style="dim")
