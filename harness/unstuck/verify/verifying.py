"""Runs everything that the checklist needs, and puts it together."""

from __future__ import annotations

import tempfile
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from unstuck.campaign import Progress, RunRecord, run_many
from unstuck.catalogue import Catalogue
from unstuck.clock import monotonic_ns
from unstuck.targets.reference import upgrade
from unstuck.targets.reference.versions import Versions
from unstuck.verify.checklist import Checklist, Line
from unstuck.verify.evidence import Shown
from unstuck.verify.lines import lines_of
from unstuck.verify.on_sqlite import sqlite_lines, words_line
from unstuck.verify.scenarios import scenarios
from unstuck.verify.stage import UpgradeStage
from unstuck.worlds.process.dependencies.s3 import EmulatorName

THIS = "this checkout"


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """`old`: a commit, or the path of a wheel; `new`: the same, or None for this checkout."""

    old: str
    new: str | None
    reports: Path  # the folder of this verification
    seed: int
    emulator: EmulatorName
    databases: frozenset[str] = frozenset({"postgresql", "sqlite"})


def verify(
    order: Order,
    catalogue: Catalogue,
    *,
    stop: threading.Event,
    progress: Callable[[Progress], None] = lambda _: None,
) -> Checklist:
    """The whole checklist. Raises `TargetError` for a version that cannot be built."""
    with tempfile.TemporaryDirectory(prefix="unstuck-versions-") as folder:
        return _verify(order, catalogue, Versions(Path(folder)), stop, progress)


def _verify(
    order: Order,
    catalogue: Catalogue,
    versions: Versions,
    stop: threading.Event,
    progress: Callable[[Progress], None],
) -> Checklist:
    started_ns = monotonic_ns()
    old = versions.path(order.old)
    new = None if order.new is None else versions.path(order.new)
    revisions = (upgrade.newest_revision(old), upgrade.newest_revision(new))
    lines: list[Line] = []
    enums: Sequence[str] | None = None
    if "sqlite" in order.databases and not stop.is_set():
        lines += sqlite_lines(order.reports / "sqlite", old, new, revisions)
    if "postgresql" in order.databases:
        shown = [Shown(record) for record in _run(order, catalogue, versions, stop, progress)]
        label = order.new or "current"
        of_postgresql = [line for one in shown for line in lines_of(one, old=order.old, new=label)]
        lines = of_postgresql + lines
        enums = next((list(found["enums"]) for one in shown if (found := one.landed("migrate"))), None)
    if not stop.is_set():
        lines.append(words_line(order.reports / "words", old, new, enums))
    return Checklist(
        old=order.old,
        new=order.new or THIS,
        revisions=revisions,
        lines=tuple(lines),
        took_s=(monotonic_ns() - started_ns) / 1e9,
        interrupted=stop.is_set(),
    )


def _run(
    order: Order,
    catalogue: Catalogue,
    versions: Versions,
    stop: threading.Event,
    progress: Callable[[Progress], None],
) -> Sequence[RunRecord]:
    """One after the other: each has the processes of two versions."""
    return run_many(
        scenarios(order.old, order.new, catalogue),
        reports=order.reports,
        seed=order.seed,
        jobs=1,
        stop=stop,
        progress=progress,
        emulator=order.emulator,
        place=UpgradeStage(old=order.old, versions=versions, stop=stop, emulator=order.emulator),
    )
