"""The folder of a run, and of a group of runs: who is where, written so that a reader never sees half a file.

`docs/run-folder.md` documents every file; a test holds it and `RUN_FILES`/`GROUP_FILES` together.
Every trouble with the disk becomes a `UsageError` of one line that says what to do.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from unstuck import __version__, clock
from unstuck.errors import UsageError
from unstuck.scenario import Scenario
from unstuck.scenario_writer import dump

LATEST: Final = "latest"
PLAN_FORMAT: Final = 1

RUN_FILES: Final[Mapping[str, str]] = {
    "scenario.yaml": "the scenario's file, byte for byte as it was; made anew if it came from none",
    "plan.json": "which case of it was run, with which seed, defences and version; what `replay` reads",
    "history.jsonl": "everything that was seen to happen, one event a line; what `check` reads",
    "verdict.json": "the verdict and its evidence, for programs",
    "junit.xml": "the verdict for a CI server",
    "summary.md": "the verdict in Markdown",
    "report.html": "the verdict with evidence and timeline, one self-contained page",
    "logs": "a folder: stdout and stderr of each process, `<process>.log`; of more than 16 MiB the begin and "
    "the end",
}

DECLARED_FILES: Final[Mapping[str, str]] = {
    "target.yaml": "the target file, as it was",
    "ledger.jsonl": "what its jobs reported of themselves: begin and end, one report a line",
}
"""Beside those of every run: of a target that a file declares."""

GROUP_FILES: Final[Mapping[str, str]] = {
    "group.json": "what was run with which policy, what was excluded and why, and each run's verdict",
    "junit.xml": "one test case for each run, for a CI server",
    "summary.md": "the table of runs in Markdown, with the evidence of those that did not pass",
    "report.html": "the table of runs, each linked to its own report",
}

EXPLORED_FILES: Final[Mapping[str, str]] = {
    "points.json": "the table of crash points, for programs",
    "points.html": "the table of crash points, each cell linked to the run of its trial",
}
"""Beside those of a group, of an exploration."""

REPRODUCED_FILES: Final[Mapping[str, str]] = {
    "reproduction.json": "both runs of an incident, side by side, for programs",
    "reproduction.html": "both runs of an incident, side by side, with the timeline of each",
}
"""Beside those of a group, of an incident that was reproduced."""

_FULL: Final = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})


@dataclass(frozen=True, slots=True, kw_only=True)
class _Folder:
    """What a reader finds in both kinds of folder. The paths need not exist yet."""

    path: Path

    @property
    def junit(self) -> Path:
        return self.path / "junit.xml"

    @property
    def summary(self) -> Path:
        return self.path / "summary.md"

    @property
    def report(self) -> Path:
        return self.path / "report.html"


class RunFolder(_Folder):
    """The paths of one run. Nothing outside `path` belongs to the run."""

    __slots__ = ()

    @property
    def scenario(self) -> Path:
        return self.path / "scenario.yaml"

    @property
    def target(self) -> Path:
        return self.path / "target.yaml"

    @property
    def ledger(self) -> Path:
        return self.path / "ledger.jsonl"

    @property
    def plan(self) -> Path:
        return self.path / "plan.json"

    @property
    def history(self) -> Path:
        return self.path / "history.jsonl"

    @property
    def verdict(self) -> Path:
        return self.path / "verdict.json"

    @property
    def logs(self) -> Path:
        return self.path / "logs"

    def log(self, process: str) -> Path:
        """Where stdout and stderr of a process go; its name cannot lead out of the folder."""
        return self.logs / f"{_safe(process)}.log"

    def log_files(self) -> tuple[Path, ...]:
        """The logs that exist and hold something, by name."""
        if not self.logs.is_dir():
            return ()
        return tuple(sorted(path for path in self.logs.glob("*.log") if path.stat().st_size))


class GroupFolder(_Folder):
    """The paths of a gate, or of any command that ran several cases; each run is a folder inside."""

    __slots__ = ()

    @property
    def data(self) -> Path:
        return self.path / "group.json"

    @property
    def points_data(self) -> Path:
        return self.path / "points.json"

    @property
    def points(self) -> Path:
        return self.path / "points.html"


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordedPlan:
    """What `plan.json` says of a run: enough, with `scenario.yaml`, to run exactly it again."""

    scenario: str
    case: Mapping[str, Any]
    seed: int
    defences_off: tuple[str, ...] = ()
    emulator: str = "ministack"
    world: str = "processes"
    target: str = "reference"
    configuration: str | None = None
    follow_s: float = 0.0
    version: str = __version__
    date: str | None = None
    source: str | None = None  # where the file lay, for people; replay does not read it
    steps: Any = None  # the plan in words, as `--plan` prints it


def prepare(reports: Path) -> None:
    """Makes the folder of reports and proves that it can be written, before anything starts.

    Raises `UsageError`.
    """
    if os.path.exists(reports) and not os.path.isdir(reports):
        raise UsageError(
            f"{reports}: is a file, and reports need a folder. Choose another with --reports DIR."
        )
    with disk(reports):
        reports.mkdir(parents=True, exist_ok=True)
        probe = reports / f".probe-{os.getpid()}"
        try:
            probe.write_bytes(b"\0" * 65536)
        finally:
            probe.unlink(missing_ok=True)
    latest = reports / LATEST
    if latest.is_dir() and not latest.is_symlink():
        raise UsageError(
            f"{latest}: is a folder, and Unstuck keeps its pointer to the newest run there. Move it away."
        )


def create(reports: Path, scenario: Scenario, *, seed: int, at: datetime | None = None) -> RunFolder:
    """Makes `<UTC date-time>-<scenario>-<short hash>/` with `logs/` and `scenario.yaml` in it.

    The hash tells apart text, case and seed; two runs never share a folder. Raises `UsageError`.
    """
    text = scenario.text or dump(scenario)
    digest = hashlib.sha256(f"{text}\x1f{scenario.title}\x1f{seed}".encode()).hexdigest()[:6]
    path = _unique(reports, f"{_stamp(at)}-{_safe(scenario.name)}-{digest}")
    folder = RunFolder(path=path)
    with disk(path):
        folder.logs.mkdir()
    write(folder.scenario, text)
    return folder


def create_group(reports: Path, name: str, *, at: datetime | None = None) -> GroupFolder:
    """Makes `<UTC date-time>-<name>/`, to be handed as `reports` to the runs in it. Raises `UsageError`."""
    return GroupFolder(path=_unique(reports, f"{_stamp(at)}-{_safe(name)}"))


def write(path: Path, text: str) -> None:
    """Writes a whole file or none: a reader, or a crash, never meets half of it. Raises `UsageError`."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    with disk(path):
        try:
            # A name from outside may hold half of a surrogate pair, which UTF-8 cannot: `?` stands for it.
            temporary.write_text(text, encoding="utf-8", errors="replace", newline="\n")
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)


def write_plan(folder: RunFolder, plan: RecordedPlan) -> None:
    """Writes `plan.json`. Raises `UsageError`."""
    data = {
        "format": PLAN_FORMAT,
        "scenario": plan.scenario,
        "case": dict(plan.case),
        "seed": plan.seed,
        "defences_off": list(plan.defences_off),
        "emulator": plan.emulator,
        "world": plan.world,
        "target": plan.target,
        "configuration": plan.configuration,
        "follow_s": plan.follow_s,
        "version": plan.version,
        "date": plan.date or clock.utc_date().isoformat(timespec="seconds"),
        "source": plan.source,
        "steps": plan.steps,
    }
    write(folder.plan, json.dumps(data, indent=2, ensure_ascii=False, default=str) + "\n")


def read_plan(folder: RunFolder) -> RecordedPlan:
    """Reads `plan.json` back. Raises `UsageError` when it is missing, cut short or of another format."""
    with disk(folder.plan, doing="read", advice="Give the folder of a run."):
        text = folder.plan.read_text(encoding="utf-8", errors="replace")
    try:
        data = json.loads(text)
        if data["format"] != PLAN_FORMAT:
            raise UsageError(
                f"{folder.plan}: format={data['format']!r} is unknown to Unstuck {__version__}, which reads "
                f"{PLAN_FORMAT}. Use the version that wrote it: {data.get('version', 'unknown')}."
            )
        return RecordedPlan(
            scenario=str(data["scenario"]),
            case=dict(data["case"]),
            seed=int(data["seed"]),
            defences_off=tuple(map(str, data["defences_off"])),
            emulator=str(data["emulator"]),
            world=str(data.get("world", "processes")),  # what is older knew no other
            target=str(data.get("target", "reference")),  # the same
            configuration=data.get("configuration"),
            follow_s=float(data.get("follow_s", 0.0)),
            version=str(data["version"]),
            date=data["date"],
            source=data["source"],
            steps=data["steps"],
        )
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise UsageError(
            f"{folder.plan}: is not the plan of a run ({type(error).__name__}: {error}). "
            "Run the scenario itself."
        ) from None


def open_run(path: Path, *, reports: Path) -> RunFolder:
    """The run that a user means: a folder, a file in it, a name in `reports`, or `latest`.

    Raises `UsageError` when there is none, or when it is a group of runs.
    """
    found = open_any(path, reports=reports)
    if isinstance(found, GroupFolder):
        runs = sorted(child.name for child in found.path.iterdir() if (child / "scenario.yaml").exists())
        first = f", such as {found.path / runs[0]}" if runs else ""
        raise UsageError(f"{path}: holds {len(runs)} runs. Choose one{first}.")
    return found


def open_any(path: Path, *, reports: Path) -> RunFolder | GroupFolder:
    """The run or the group of runs that a user means, named as for `open_run`.

    Raises `UsageError` when there is none.
    """
    found = _find(path, reports)
    if found.is_file():
        found = found.parent
    if found.name == "logs":
        found = found.parent
    found = _follow(found)
    if (found / "group.json").exists():
        return GroupFolder(path=found)
    folder = RunFolder(path=found)
    if not folder.scenario.exists() and not folder.history.exists():
        raise UsageError(
            f"{path}: is not the folder of a run (no scenario.yaml, no history.jsonl). "
            f"`ls {reports}` shows those that are kept."
        )
    return folder


def point_latest(reports: Path, folder: Path) -> None:
    """Makes `reports/latest` lead to `folder`, at once: a reader sees the old one or the new one.

    Where symbolic links are impossible, `latest` is a file that holds the folder's name. Raises `UsageError`.
    """
    name = os.path.relpath(folder, reports)
    latest = reports / LATEST
    temporary = reports / f".{LATEST}.{os.getpid()}"
    with disk(latest):
        try:
            temporary.unlink(missing_ok=True)
            try:
                temporary.symlink_to(name, target_is_directory=True)
            except (OSError, NotImplementedError):  # some network and FAT file systems have none
                temporary.write_text(f"{name}\n", encoding="utf-8")
            temporary.replace(latest)
        finally:
            temporary.unlink(missing_ok=True)


def find_latest(reports: Path) -> Path | None:
    """The folder that `reports/latest` leads to, by its real name; None when there is none."""
    latest = reports / LATEST
    try:
        name = str(latest.readlink()) if latest.is_symlink() else latest.read_text(encoding="utf-8").strip()
    except OSError:
        return None
    folder = reports / name
    return folder if name and folder.is_dir() else None


@contextmanager
def disk(path: Path, *, doing: str = "written", advice: str | None = None) -> Iterator[None]:
    """Turns the operating system's errors at `path` into a `UsageError` with the next step."""
    try:
        yield
    except OSError as error:
        if advice is None:
            advice = "Choose another with --reports DIR."
            if error.errno in _FULL:
                advice = "Free some space, or choose another disk with --reports DIR."
        # `Path.is_dir` raises for a name that is too long, in the midst of telling just that.
        shown = f"{path}/" if os.path.isdir(path) else str(path)
        verb = "read" if doing == "read" else "written"
        raise UsageError(f"{shown}: cannot be {verb} ({error.strerror or error}). {advice}") from None


def _find(path: Path, reports: Path) -> Path:
    with disk(path, doing="read", advice=f"`ls {reports}` shows the runs that are kept."):
        return _found(path, reports)


def _found(path: Path, reports: Path) -> Path:
    if path.name == LATEST and not path.is_dir():  # the pointer may be a file, or dangle
        latest = find_latest(path.parent if path.parent.parts else reports)
        if latest is not None:
            return latest
    for candidate in (path, reports / path):
        if candidate.exists():
            return candidate
    raise UsageError(f"{path}: no such run, here or in {reports}/. `ls {reports}` shows those that are kept.")


def _follow(path: Path) -> Path:
    # Messages and replay commands outlive the pointer, so `latest` gives way to the folder's own name.
    return path.parent / path.readlink() if path.is_symlink() else path


def _unique(reports: Path, name: str) -> Path:
    with disk(reports):
        reports.mkdir(parents=True, exist_ok=True)
        for attempt in range(1, 1000):
            path = reports / (name if attempt == 1 else f"{name}-{attempt}")
            try:
                path.mkdir()
            except FileExistsError:
                continue
            return path
    raise UsageError(f"{reports}/: holds a thousand folders named {name}. Choose another with --reports DIR.")


def _stamp(at: datetime | None) -> str:
    return (at or clock.utc_date()).strftime("%Y%m%d-%H%M%S")


def _safe(name: str) -> str:
    return re.sub(r"[^A-Za-z0-9_.-]+", "-", name).strip(".-")[:60] or "unnamed"
