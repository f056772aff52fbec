"""How many jobs were in which state over the run, as one stacked picture: the map above the timeline."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from unstuck.report.markup import Markup, tag
from unstuck.report.model import Summary
from unstuck.scenario import CANONICAL_STATES

COLUMNS: Final = 400
_STATES: Final = (*CANONICAL_STATES, "unknown")


def overview_svg(summary: Summary, start_s: float, end_s: float) -> Markup:
    """Stretched to the width of the lanes; one unit is a column, and a job."""
    counts = _counts(summary, start_s, end_s)
    most = max((sum(column) for column in counts), default=0) or 1
    drawn = []
    below = [0] * COLUMNS
    for nth, state in reversed(list(enumerate(_STATES))):
        top = [low + column[nth] for low, column in zip(below, counts, strict=True)]
        if top != below:
            drawn.append(tag("path", d=_area(below, top), class_=f"s-{state}"))
        below = top
    scale = COLUMNS / (end_s - start_s)
    for fault in summary.faults:
        for from_s, until_s in _joined(fault.strokes):
            x = (max(from_s, start_s) - start_s) * scale
            width = max((max(until_s, start_s) - start_s) * scale - x, 1.0)
            drawn.append(tag("rect", x=x, y=0.0, width=width, height=float(most), class_="stroke"))
    return tag(
        "svg",
        tag("g", *drawn, transform=f"matrix(1 0 0 -1 0 {most})"),
        viewBox=f"0 0 {COLUMNS} {most}",
        preserveAspectRatio="none",
        role="img",
        aria_label="How many jobs were in each state over the run",
    )


def _counts(summary: Summary, start_s: float, end_s: float) -> list[list[int]]:
    """For each column how many jobs were in each state in the middle of it."""
    width_s = (end_s - start_s) / COLUMNS
    steps = [[0] * (COLUMNS + 1) for _ in _STATES]
    for job in summary.jobs:
        for stay in job.stays:
            state = _STATES.index(stay.state) if stay.state in CANONICAL_STATES else len(_STATES) - 1
            until_s = end_s if stay.until_s is None else stay.until_s
            first, last = (
                min(max(round((at_s - start_s) / width_s), 0), COLUMNS) for at_s in (stay.from_s, until_s)
            )
            steps[state][first] += 1
            steps[state][last] -= 1
    counts = [[0] * len(_STATES) for _ in range(COLUMNS)]
    for state, changes in enumerate(steps):
        now = 0
        for column in range(COLUMNS):
            now += changes[column]
            counts[column][state] = now
    return counts


def _joined(strokes: Iterable[tuple[float, float]]) -> list[tuple[float, float]]:
    """Those that overlap as one: many at once would hide what is below."""
    joined: list[tuple[float, float]] = []
    for from_s, until_s in sorted(strokes):
        if joined and from_s < joined[-1][1]:
            joined[-1] = (joined[-1][0], max(joined[-1][1], until_s))
        else:
            joined.append((from_s, until_s))
    return joined


def _area(low: Sequence[int], high: Sequence[int]) -> str:
    """Along the top from left to right, and back along the bottom, in steps."""
    there = _steps(high, range(COLUMNS), 1)
    back = _steps(low, range(COLUMNS - 1, -1, -1), -1)
    return f"M0 {high[0]}{there}V{low[-1]}{back}z"


def _steps(heights: Sequence[int], columns: range, direction: int) -> str:
    """Only where the height changes; a run of equal columns is one line."""
    path: list[str] = []
    for column in columns:
        after = column + direction
        edge = column + 1 if direction > 0 else column
        if after not in columns:
            path.append(f"H{edge}")
        elif heights[after] != heights[column]:
            path.append(f"H{edge}V{heights[after]}")
    return "".join(path)
