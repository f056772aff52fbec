"""`python -m bench imports [MODULE…]`: what an import costs, each in a fresh process: memory, time, modules.

    python -m bench imports                  the roles of the reference service, and what they may load
    python -m bench imports yourpackage.api  any module that this Python can import
    python -m bench imports --write          bench/imports.json, and the bars of the page

The memory is what is resident (VmRSS) after the import less before it; file pages that are shared with other
processes count, as they do for a limit by cgroup when they were read for the first time. CPU seconds, since
the clock also runs for others.
"""

# ruff: noqa: T201  its output is what it is for

from __future__ import annotations

import argparse
import json
import platform
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]
RECORD = ROOT / "bench" / "imports.json"
PAGE = ROOT / "docs" / "incidents" / "critical-production-fixes.md"
BEGIN, END = "<!-- imports: begin -->", "<!-- imports: end -->"
MODULES = (
    "sqlalchemy", "psycopg", "pydantic_settings", "fastapi", "uvicorn", "botocore.session", "boto3", "av",
    "prometheus_client", "alembic.command",
    "reference_service.app", "reference_service.worker", "reference_service.api", "reference_service.stages",
)  # fmt: skip
BAR = 30  # characters of the longest
MIB = 1024 * 1024
PROBE = """
import importlib, json, resource, sys
def resident():
    for line in open("/proc/self/status"):
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) * 1024
def cpu():
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime
importlib.import_module("json")
before, began, known = resident(), cpu(), len(sys.modules)
importlib.import_module(sys.argv[1])
found = {"rss_bytes": resident() - before, "cpu_s": cpu() - began, "modules": len(sys.modules) - known}
print(json.dumps(found))
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """Of one import, with all that it brings."""

    module: str
    rss_bytes: int
    cpu_s: float
    modules: int


class NotMeasured(Exception):  # noqa: N818  a condition, told in one line
    """The module cannot be imported, or the system has no /proc."""


def measure_import(module: str) -> Cost:
    """In a fresh process. Raises `NotMeasured`."""
    done = subprocess.run(
        [sys.executable, "-c", PROBE, module], capture_output=True, text=True, check=False, timeout=120
    )
    if done.returncode != 0:
        said = done.stderr.strip().splitlines()
        raise NotMeasured(f"{module}: {said[-1] if said else f'ended with {done.returncode}'}")
    found = json.loads(done.stdout.splitlines()[-1])
    return Cost(module=module, **found)


def bars(costs: Sequence[Cost]) -> list[str]:
    """A line for each, the dearest first: a Markdown table with bars of text."""
    top = max(1, *(one.rss_bytes for one in costs))
    rows = ["| import | memory | | CPU | modules |", "|---|---|---|---|---|"]
    for one in sorted(costs, key=lambda cost: -cost.rss_bytes):
        bar = "█" * max(0, round(one.rss_bytes / top * BAR))
        rows.append(
            f"| `{one.module}` | {one.rss_bytes / MIB:.1f} MiB | {bar} | {one.cpu_s:.2f} s | {one.modules} |"
        )
    return rows


def write_page(costs: Sequence[Cost], page: Path = PAGE) -> None:
    """Puts the table between the marks of the page. Raises `ValueError` when it has none."""
    text = page.read_text(encoding="utf-8")
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not (begin and end):
        raise ValueError(f"{page}: has no {BEGIN} … {END}")
    page.write_text(
        "".join([before, BEGIN, "\n\n", "\n".join(bars(costs)), "\n\n", END, after]), encoding="utf-8"
    )


def main(words: Sequence[str]) -> int:
    """Prints the table; 1 when a module could not be measured."""
    parser = argparse.ArgumentParser(prog="python -m bench imports", description=__doc__)
    parser.add_argument("modules", metavar="MODULE", nargs="*")
    parser.add_argument("--write", action="store_true", help="the record and the page, too")
    chosen = parser.parse_args(words)
    costs, failed = [], False
    for module in chosen.modules or MODULES:
        try:
            costs.append(measure_import(module))
        except NotMeasured as error:
            failed = True
            print(error, file=sys.stderr)
    if costs:
        print("\n".join(bars(costs)))
    if chosen.write and not failed and not chosen.modules:
        record = {"python": platform.python_version(), "imports": [asdict(one) for one in costs]}
        RECORD.write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")
        write_page(costs)
    return 1 if failed else 0
