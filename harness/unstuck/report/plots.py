"""Small pictures of figures: how long recovery took, how much memory was used. They need no script."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Final

from unstuck.report.markup import Markup, number, tag
from unstuck.report.model import JobLine, ProcessLine
from unstuck.report.words import plural, size, span

WIDTH: Final = 560.0
_HEIGHT: Final = 64.0  # of the columns, or of the curve
_BINS: Final = 56
_ROW: Final = 16.0  # of a bar
_LABEL: Final = 80.0  # left of the bars
_FIGURE: Final = 70.0  # right of the longest
_FAR: Final = 2.5  # a budget so many times beyond the slowest would press all columns to the left


def recovery_svg(values_s: Sequence[float], budget_s: float | None, title: str) -> Markup:
    """How many jobs recovered after how long, and where the budget ends. `values_s` is not empty."""
    slowest_s = max(values_s)
    shown = budget_s is not None and budget_s <= max(slowest_s * _FAR, 0.05)
    end_s = max(slowest_s, (budget_s or 0.0) if shown else 0.0, 0.01) * 1.04
    bins = Counter(min(int(value / end_s * _BINS), _BINS - 1) for value in values_s)
    most, width = max(bins.values()), WIDTH / _BINS
    drawn = []
    for nth, count in sorted(bins.items()):
        from_s, until_s = (edge * end_s / _BINS for edge in (nth, nth + 1))
        height = count / most * (_HEIGHT - 14)
        over = budget_s is not None and from_s > budget_s
        drawn.append(
            tag(
                "rect",
                tag("title", f"{plural(count, 'job')}: {span(from_s)} to {span(until_s)}"),
                x=nth * width + 1,
                y=_HEIGHT - height,
                width=width - 2,
                height=height,
                class_="column over" if over else "column",
            )
        )
    drawn.append(_text(f"tallest: {plural(most, 'job')}", 2.0, 10.0, "small", "start"))
    if budget_s is not None and shown:
        x = budget_s / end_s * WIDTH
        drawn.append(tag("line", x1=x, x2=x, y1=0.0, y2=_HEIGHT, class_="limit"))
        drawn.append(_text(f"budget {span(budget_s)}", x - 4, 10.0, "limit-label", "end"))
    elif budget_s is not None:
        drawn.append(
            _text(f"budget {span(budget_s)} ▶ beyond the right edge", WIDTH - 2, 10.0, "limit-label", "end")
        )
    return _picture(drawn, title, [(0.0, "0 s"), (0.5, span(end_s / 2)), (1.0, span(end_s))])


def memory_svg(line: ProcessLine, jobs: Sequence[JobLine], start_s: float, end_s: float) -> Markup:
    """What a process used over the run, its attempts' peaks as dots, and its limit."""
    limit = line.limit_bytes or 0
    top = max([limit, *(bytes_ for _, bytes_ in line.memory)]) * 1.15 or 1.0

    def x(at_s: float) -> float:
        return (min(max(at_s, start_s), end_s) - start_s) / (end_s - start_s) * WIDTH

    def y(bytes_: float) -> float:
        return _HEIGHT * (1 - bytes_ / top)

    path = "M" + "".join(  # in steps: what is not told has not changed much
        f"{'H' if nth else ''}{number(x(at_s))}{'V' if nth else ' '}{number(y(bytes_))}"
        for nth, (at_s, bytes_) in enumerate(line.memory)
    )
    over = any(bytes_ >= limit for _, bytes_ in line.memory)
    dots = [
        tag(
            "circle",
            tag("title", f"{job.id}, attempt {stay.attempt}: {size(stay.peak_bytes)} at most"),
            cx=x(end_s if stay.until_s is None else stay.until_s),
            cy=y(stay.peak_bytes),
            r=2.5,
            class_="peak",
        )
        for job in jobs
        for stay in job.stays
        if stay.holder == line.name and stay.peak_bytes
    ]
    drawn = [
        tag("path", d=f"{path}V{number(_HEIGHT)}H{number(x(line.memory[0][0]))}z", class_="filled"),
        tag("path", d=path, class_="curve"),
        *dots,
        tag(
            "line", x1=0.0, x2=WIDTH, y1=y(limit), y2=y(limit), class_="limit" + (" reached" if over else "")
        ),
        _text(f"limit {size(limit)}", 4.0, y(limit) + 11, "limit-label", "start"),
    ]
    marks = [(0.0, span(start_s)), (0.5, span((start_s + end_s) / 2)), (1.0, span(end_s))]
    return _picture(drawn, f"Memory of {line.name} against its limit", marks)


def stage_memory_svg(jobs: Sequence[JobLine]) -> Markup | None:
    """A bar for each stage: the most memory resident in it, in any attempt; None: nobody measured."""
    peaks: dict[str, tuple[int, str]] = {}
    for job in jobs:
        for stay in job.stays:
            for stage, bytes_ in stay.stage_peaks:
                peaks[stage] = max(peaks.get(stage, (0, "")), (bytes_, f"{job.id}, attempt {stay.attempt}"))
    if not peaks:
        return None
    top = max(bytes_ for bytes_, _ in peaks.values())
    drawn = []
    for nth, (stage, (bytes_, whose)) in enumerate(peaks.items()):
        y, width = nth * _ROW, bytes_ / top * (WIDTH - _LABEL - _FIGURE)
        bar = tag(
            "rect",
            tag("title", f"{stage}: {size(bytes_)} in {whose}"),
            x=_LABEL, y=y + 2, width=width, height=_ROW - 4, class_="column",
        )  # fmt: skip
        drawn += [
            _text(stage, _LABEL - 6, y + _ROW - 5, "small", "end"),
            bar,
            _text(size(bytes_), _LABEL + width + 5, y + _ROW - 5, "small", "start"),
        ]
    return tag(
        "svg",
        *drawn,
        viewBox=f"0 0 {number(WIDTH)} {number(len(peaks) * _ROW)}",
        role="img",
        aria_label="The most memory by stage",
        class_="figure",
    )


def _picture(drawn: Sequence[Markup], title: str, marks: Sequence[tuple[float, str]]) -> Markup:
    anchors = {0.0: "start", 1.0: "end"}
    return tag(
        "svg",
        *drawn,
        tag("line", x1=0.0, x2=WIDTH, y1=_HEIGHT, y2=_HEIGHT, class_="axis"),
        *(
            _text(text, share * WIDTH, _HEIGHT + 13, "small", anchors.get(share, "middle"))
            for share, text in marks
        ),
        viewBox=f"0 0 {number(WIDTH)} {number(_HEIGHT + 16)}",
        role="img",
        aria_label=title,
        class_="figure",
    )


def _text(text: str, x: float, y: float, kind: str, anchor: str) -> Markup:
    return tag("text", text, x=x, y=y, class_=kind, text_anchor=anchor)
