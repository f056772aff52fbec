"""The heap that a runtime may take is smaller than the limit of memory."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from unstuck.preflight import units
from unstuck.preflight.finding import Broken, Kept, Outcome, Severity
from unstuck.preflight.model import Setting, Workload
from unstuck.preflight.rules.port import Context, Example, unreadable
from unstuck.preflight.units import show_mib

ID: Final = "US017"
TITLE: Final = "A runtime's heap is smaller than the memory limit"
SEVERITY: Final = Severity.ERROR
WHY: Final = (
    "A JVM or Node that may grow to the limit does so before it collects, and the kernel kills it at "
    "a moment when it would have had garbage to free. What is outside of the heap counts as well."
)
FIX: Final = "Set the heap (-Xmx, --max-old-space-size) to three quarters of the limit, or raise the limit."
BAD: Final = Example(
    file="docker-compose.yml",
    text="""\
services:
  worker:
    image: video
    mem_limit: 512m
    environment: {JAVA_TOOL_OPTIONS: -Xmx512m}
""",
)
GOOD: Final = Example(
    file="docker-compose.yml",
    text="""\
services:
  worker:
    image: video
    mem_limit: 512m
    environment: {JAVA_TOOL_OPTIONS: -Xmx384m}
""",
)
_JAVA: Final = re.compile(r"-Xmx(\d{1,12}[kKmMgGtT]?|\$\S+?)(?=\s|$|\")")
_NODE: Final = re.compile(r"--max-old-space-size[= ](\d{1,9}\b|\$[^\s\"]+)")


def judge(workload: Workload, context: Context) -> Iterator[Outcome]:
    """Judges where both the heap and the limit are said."""
    del context
    limit = workload.memory_limit_mib
    if limit is None or not workload.ours:
        return
    for heap in _heaps(workload):
        if limit.value is None:
            yield unreadable(limit)
        elif heap.value is None:
            yield unreadable(heap)
        elif heap.value >= limit.value:
            yield Broken(
                line=heap.line,
                text=f"{heap.text} is no smaller than the limit, {limit.text}",
                step=f"Set it to {show_mib(limit.value * 3 // 4)} or less.",
                about=heap.text,
            )
        else:
            yield Kept()


def _heaps(workload: Workload) -> Iterator[Setting[float]]:
    said = [
        (one.text.partition("=")[2] if one.value is None else one.value, one.line)
        for one in workload.environment.values()
    ]
    if workload.entry is not None:
        said.append((" ".join(workload.entry.words), workload.entry.line))
    for text, line in said:
        for found in _JAVA.finditer(text):
            yield Setting(value=units.mebibytes(found[1]), line=line, text=found[0])
        for found in _NODE.finditer(text):
            value = None if found[1].startswith("$") else float(found[1])
            yield Setting(value=value, line=line, text=found[0])
