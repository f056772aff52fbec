"""Explorations of the ready-made targets, and the table of docs/explore.md."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from bench.seen import DEFAULTS, ROOT, Explored, Seen, Trial
from unstuck.targets.declared.reading import load_target
from unstuck.targets.declared.roles import timings_of, variants_of
from unstuck.targets.ready import ready_targets

PAGE = ROOT / "docs/explore.md"
BEGIN, END = "<!-- explorations: begin -->", "<!-- explorations: end -->"
WITHIN_S = 900.0
RECOVERY_S_MAX = 30.0
SHORT_LEASE_BUDGET_S = 15.0  # with a lease of two seconds; what the file declares is of its own lease
# A lease that is worth waiting for, where a configuration has a longer one.
SETTINGS: Mapping[tuple[str, str], str] = {
    ("bullmq", DEFAULTS): "lease_s=2",
    ("celery-redis", "reliable"): "lease_s=2",
}
_NUMBERS = re.compile(r"\d+(?:\.\d+)?")


def explore(reports: Path, target: str, configuration: str) -> Explored:
    """One exploration, or what is kept of it. Raises `RuntimeError` when there was none."""
    folder = reports / f"explore-{target}-{configuration}"
    settings = SETTINGS.get((target, configuration), "")
    found = _read(folder, configuration, settings)
    if found is not None:
        return found
    words = [sys.executable, "-m", "unstuck", "explore", "--target", target, "--points"]
    words += ["--reports", str(folder)]
    words += ["--configuration", configuration] if configuration != DEFAULTS else []
    words += ["--setting", settings] if settings else []
    words += _budget(target, configuration)
    done = subprocess.run(
        words, capture_output=True, text=True, check=False, timeout=WITHIN_S, stdin=subprocess.DEVNULL
    )
    found = _read(folder, configuration, settings)
    if found is None:
        raise RuntimeError(f"{target} {configuration}: {(done.stderr or done.stdout).strip()[-300:]}")
    return found


def _budget(target: str, configuration: str) -> list[str]:
    """Time enough for a system that helps itself within half a minute: what it does then is no finding."""
    if (target, configuration) in SETTINGS:
        return ["--budget-s", f"{SHORT_LEASE_BUDGET_S:g}"]
    file = load_target(ready_targets()[target])
    chosen = None if configuration == DEFAULTS else configuration
    period_s = timings_of(file, variants_of(file, chosen, ())).recovery_period_s or 0.0
    return ["--budget-s", f"{2 * period_s + 5:g}"] if 0 < period_s <= RECOVERY_S_MAX else []


def _read(folder: Path, configuration: str, settings: str) -> Explored | None:
    files = sorted({path.resolve() for path in folder.rglob("points.json")})
    if not files:
        return None
    said = json.loads(files[-1].read_text(encoding="utf-8"))
    cells = [(row, cell) for row in said["rows"] for cell in row["cells"]]
    landed = [cell for _, cell in cells if cell["verdict"] != "inconclusive"]
    return Explored(
        configuration=configuration,
        settings=settings,
        trials=len(cells),
        landed=len(landed),
        uncovered=len(said["uncovered"]),
        classes=dict(Counter(cell["word"] for cell in landed).most_common()),
        took_s=round(float(said["duration_s"])),
        broken=tuple(_trial(row, cell) for row, cell in cells if cell["verdict"] == "fail"),
    )


def _trial(row: Mapping[str, Any], cell: Mapping[str, Any]) -> Trial:
    return Trial(
        at=f"{cell['mode']} at {row['link']} {row['message']}, {row['place']}",
        word=cell["word"],
        note=_NUMBERS.sub(lambda match: f"{float(match[0]):.0f}", cell["note"]),
    )


def renewed(text: str, seen: Iterable[Seen]) -> str:
    """The page with its table made anew. Raises `ValueError` when it has no marks for it."""
    before, mark, rest = text.partition(BEGIN)
    after = rest.partition(END)[2]
    if not mark or not after:
        raise ValueError(f"docs/explore.md needs the lines {BEGIN!r} and {END!r}")
    return f"{before}{BEGIN}\n\n{table(seen)}\n\n{END}{after}"


def table(seen: Iterable[Seen]) -> str:
    """A row for each exploration."""
    lines = ["| target | trials that landed | what broke a promise | took |", "|---|---|---|---|"]
    for one in sorted(seen, key=lambda each: each.target):
        for explored in one.explored:
            name = (
                one.target
                if explored.configuration == DEFAULTS
                else f"{one.target}, {explored.configuration}"
            )
            name += f", `--setting {explored.settings}`" if explored.settings else ""
            landed = f"{explored.landed} of {explored.trials}"
            landed += f", {explored.uncovered} not covered" if explored.uncovered else ""
            lines.append(f"| {name} | {landed} | {_broken(explored)} | {explored.took_s:.0f} s |")
    return "\n".join(lines)


def _broken(explored: Explored) -> str:
    """`5 lost, 2 stuck`; behind `nothing`, what was neither broken nor ok."""
    broken = Counter(trial.word for trial in explored.broken)
    if broken:
        return ", ".join(f"{count} {word}" for word, count in broken.most_common())
    others = ", ".join(
        f"{count} {word}" for word, count in explored.classes.items() if word not in {"ok", "no job"}
    )
    return f"nothing ({others})" if others else "nothing"
