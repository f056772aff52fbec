"""`unstuck preflight`: holds deploy manifests against rules, with what a run has measured."""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from unstuck import __version__
from unstuck.checks.story import Story
from unstuck.cli.console import screen_width, show
from unstuck.cli.inputs import reports_folder
from unstuck.cli.output import say
from unstuck.cli.preflight_screen import judgement_sheet, list_sheet, rule_sheet
from unstuck.errors import ExitCode, UsageError, did_you_mean
from unstuck.history import read_history
from unstuck.preflight.as_json import judgement_json
from unstuck.preflight.judging import judge
from unstuck.preflight.measured import Measured, highest, measured_in
from unstuck.preflight.model import Manifest
from unstuck.preflight.readers import read_manifest, recognised
from unstuck.preflight.rules import RULES
from unstuck.preflight.sarif import judgement_sarif
from unstuck.report.publish import shown
from unstuck.rundir import GroupFolder, RunFolder, disk, open_any

BYTES_MAX: Final = 1024 * 1024


def execute(chosen: argparse.Namespace) -> ExitCode:
    """Reads and prints; writes nothing. 1 when an error or a warning was found."""
    if chosen.list:
        show(list_sheet(width=screen_width()))
        return ExitCode.PASS
    if chosen.explain is not None:
        show(rule_sheet(_rule(chosen.explain), width=screen_width()))
        return ExitCode.PASS
    if not chosen.files:
        raise UsageError(
            "give the manifests to judge, or --list for the rules. See `unstuck preflight --help`."
        )
    manifests = [manifest for word in dict.fromkeys(chosen.files) for manifest in _manifests(word)]
    judgement = judge(manifests, _measured(chosen))
    if chosen.format == "json":
        say(judgement_json(judgement))
    elif chosen.format == "sarif":
        say(judgement_sarif(judgement, version=__version__))
    else:
        show(judgement_sheet(judgement, width=screen_width()))
    return ExitCode.FAIL if judgement.failed else ExitCode.PASS


def _rule(name: str) -> str:
    if name.upper() not in RULES:
        raise UsageError(f"rule {name!r} is unknown.{did_you_mean(name.upper(), RULES)}")
    return name.upper()


def _manifests(word: str) -> Iterator[Manifest]:
    """A file, or those of a folder that are manifests. Raises `UsageError`."""
    path = Path(word)
    with disk(path, doing="read", advice="Check the path."):
        if not word or not path.exists():
            raise UsageError(f"{word!r}: no such file.{_near(path)}")
        if path.is_dir():
            yield from _in_folder(path)
            return
    yield read_manifest(word, _text(path))


def _in_folder(folder: Path) -> Iterator[Manifest]:
    """What is recognised in a folder, not below it; other YAML there is nobody's fault."""
    found: list[Manifest] = []
    names = sorted(path for path in folder.iterdir() if path.is_file() and recognised(path.name))
    for path in names:
        try:
            found.append(read_manifest(str(path), _text(path)))
        except UsageError as error:
            if "is no manifest that is read here" not in str(error):
                raise
    if not found:
        raise UsageError(
            f"{folder}: holds no manifest. Give files; `unstuck preflight --list` shows the formats."
        )
    yield from found


def _text(path: Path) -> str:
    with disk(path, doing="read", advice="Check the path."), path.open("rb") as file:
        raw = file.read(BYTES_MAX + 1)
    if len(raw) > BYTES_MAX:
        raise UsageError(f"{path}: is larger than {BYTES_MAX // 1024} KiB. Give a manifest.")
    try:
        return raw.decode("utf-8-sig").replace("\r\n", "\n")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise UsageError(f"{path}:{line}: is not UTF-8. Save the file as UTF-8.") from None


def _near(path: Path) -> str:
    """What in the same folder was probably meant."""
    try:
        names = sorted(os.listdir(path.parent))
    except (OSError, ValueError):
        return " Check the path."
    hint = did_you_mean(path.name, names) if path.name else ""
    return hint if "Did you mean" in hint else " Check the path."


def _measured(chosen: argparse.Namespace) -> Measured:
    """What the flags say; where they say nothing, what the run has."""
    peaks = dict(chosen.peak_mib)
    given = {"--longest-stage-s": chosen.longest_stage_s, "--drain-s": chosen.drain_s, "--peak-mib": peaks}
    said = [name for name, value in given.items() if value]
    flags = Measured(
        longest_stage_s=chosen.longest_stage_s, drain_s=chosen.drain_s, peaks_mib=peaks, sources=tuple(said)
    )
    if chosen.run is None:
        return flags
    reports = reports_folder(chosen.reports)
    folder = open_any(chosen.run, reports=reports)
    return flags.or_else(highest(_of_runs(_runs(folder))))


def _runs(folder: RunFolder | GroupFolder) -> Sequence[RunFolder]:
    if isinstance(folder, RunFolder):
        return (folder,)
    with disk(folder.path, doing="read", advice="Give the folder of a run, or of a gate."):
        runs = [RunFolder(path=path) for path in sorted(folder.path.iterdir()) if path.is_dir()]
    runs = [run for run in runs if run.history.exists()]
    if not runs:
        raise UsageError(f"{folder.path}: has no run with a history. Give another.")
    return runs


def _of_runs(folders: Sequence[RunFolder]) -> Iterator[Measured]:
    for folder in folders:
        yield measured_in(Story(read_history(folder.history)), shown(folder.path))
