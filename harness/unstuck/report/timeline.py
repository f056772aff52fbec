"""The timeline of a run as one SVG: processes above, a lane a job below, faults as bands across."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from unstuck.report.markup import Markup, join, number, tag
from unstuck.report.model import JobLine, ProcessLine, Stay, Summary
from unstuck.report.sheet import cut
from unstuck.report.words import span
from unstuck.scenario import TERMINAL_STATES

WIDTH: Final = 1100.0
LEFT: Final = 150.0  # for labels
RIGHT: Final = 12.0
AXIS: Final = 18.0
LABELLED: Final = 11.0  # a lower lane has no room for its name; the mouse still shows it
_BAND_LABEL: Final = 13.0


@dataclass(frozen=True, slots=True)
class _Scale:
    start_s: float
    end_s: float

    def x(self, at_s: float) -> float:
        share = (min(max(at_s, self.start_s), self.end_s) - self.start_s) / (self.end_s - self.start_s)
        return LEFT + share * (WIDTH - LEFT - RIGHT)


def timeline_svg(summary: Summary) -> Markup:
    """The whole picture; its height grows with processes and jobs, its width fits the page."""
    scale = _scale(summary)
    rows = min(sum(len(fault.strokes) for fault in summary.faults), 4)
    top = AXIS + rows * _BAND_LABEL
    process_height, job_height = 16.0, _lane(len(summary.jobs))
    jobs_top = top + len(summary.processes) * process_height + (10 if summary.processes else 0)
    bottom = jobs_top + len(summary.jobs) * job_height + 4
    lanes = [_process(line, top + n * process_height, scale) for n, line in enumerate(summary.processes)]
    lanes += [
        _job(line, jobs_top + n * job_height, job_height, scale)
        for n, line in enumerate(ordered(summary.jobs))
    ]
    return tag(
        "svg",
        _axis(scale, top, bottom),
        _bands(summary, scale, bottom),
        *lanes,
        _budget(summary, scale, top, bottom),
        viewBox=f"0 0 {number(WIDTH)} {number(bottom + AXIS)}",
        role="img",
        aria_label="Timeline of processes, jobs and faults",
        class_="timeline",
    )


def _scale(summary: Summary) -> _Scale:
    """From when the first thing happened: how long the dependencies took to start tells nothing."""
    starts_s = [life.from_s for process in summary.processes for life in process.lives]
    starts_s += [job.stays[0].from_s for job in summary.jobs if job.stays]
    start_s = max(min(starts_s, default=0.0), 0.0)
    return _Scale(start_s, max(summary.duration_s, start_s + 0.001))


def ordered(jobs: Iterable[JobLine]) -> list[JobLine]:
    """Those with a broken promise first, then by when they began."""
    return sorted(jobs, key=lambda job: (not job.broken, job.stays[0].from_s if job.stays else 0.0))


def _lane(count: int) -> float:
    if count <= 20:
        return 20.0
    return 14.0 if count <= 100 else 6.0


def _axis(scale: _Scale, top: float, bottom: float) -> Markup:
    step_s = _step(scale.end_s - scale.start_s)
    marks = [n * step_s for n in range(math.ceil(scale.start_s / step_s), int(scale.end_s / step_s) + 1)]
    lines = [
        join(
            tag("line", x1=scale.x(at_s), x2=scale.x(at_s), y1=top, y2=bottom, class_="grid"),
            *(
                tag("text", span(at_s), x=scale.x(at_s), y=y, class_="axis", text_anchor="middle")
                for y in (11.0, bottom + 12)
            ),
        )
        for at_s in marks
    ]
    return tag("g", *lines)


def _step(length_s: float) -> float:
    """A round step that gives five to twelve marks."""
    rough = length_s / 8
    power = 10.0 ** math.floor(math.log10(rough))
    return next(factor * power for factor in (1, 2, 5, 10) if factor * power >= rough)


def _bands(summary: Summary, scale: _Scale, bottom: float) -> Markup:
    drawn: list[Markup] = []
    row = 0
    for fault in summary.faults:
        for nth, (from_s, until_s) in enumerate(fault.strokes):
            x = scale.x(from_s)
            width = max(scale.x(until_s) - x, 2.0)
            y = AXIS - 2 + (row % 4) * _BAND_LABEL
            row += 1
            title = tag("title", f"fault {fault.index}: {fault.what}, {span(from_s)} to {span(until_s)}")
            drawn.append(tag("rect", title, x=x, y=y, width=width, height=bottom - y, class_="band"))
            if nth < 8:  # `times: each` may strike often; the mouse tells of the others
                near_end = x > WIDTH - 160
                drawn.append(
                    tag(
                        "text",
                        f"{fault.index} {cut(fault.name, 24)}",
                        x=x - 3 if near_end else x + 3,
                        y=y + 9,
                        class_="band-label",
                        text_anchor="end" if near_end else None,
                    )
                )
    return tag("g", *drawn)


def _budget(summary: Summary, scale: _Scale, top: float, bottom: float) -> Markup | None:
    if summary.budget_from_s is None:
        return None
    x = scale.x(summary.budget_from_s)
    title = tag("title", f"every fault healed, every role up: {span(summary.budget_s)} to recover from here")
    return tag("line", title, x1=x, x2=x, y1=top, y2=bottom, class_="budget")


def _process(line: ProcessLine, y: float, scale: _Scale) -> Markup:
    middle = y + 8
    drawn: list[Markup] = []
    for life in line.lives:
        until_s = scale.end_s if life.until_s is None else life.until_s
        x, x2 = scale.x(life.from_s), scale.x(until_s)
        end = f", {life.end} at {span(until_s)}" if life.end else ""
        title = tag("title", f"{line.name}: from {span(life.from_s)}{end}")
        drawn.append(
            tag("rect", title, x=x, y=middle - 3, width=max(x2 - x, 1.0), height=6, rx=2, class_="life")
        )
        drawn += [
            tag(
                "path",
                tag("title", f"{name} to {line.name} at {span(at_s)}"),
                d=f"M{number(scale.x(at_s))} {number(middle - 6)}v12",
                class_="signal",
            )
            for at_s, name in life.signals
        ]
        if life.until_s is not None:
            drawn.append(_cross(x2, middle, f"{line.name}: {life.end}", expected=life.expected))
    return tag("g", _label(line.name, middle), *drawn)


def _cross(x: float, y: float, text: str, *, expected: bool) -> Markup:
    d = f"M{number(x - 3)} {number(y - 4)}l6 8m0 -8l-6 8"
    return tag("path", tag("title", text), d=d, class_="exit" if expected else "exit unasked")


def _job(line: JobLine, y: float, height: float, scale: _Scale) -> Markup:
    drawn = [_stay(line, stay, y, height, scale) for stay in line.stays]
    if line.stages and height >= LABELLED:
        d = "".join(
            f"M{number(scale.x(at_s))} {number(y + 2)}v{number(height - 4)}" for at_s, _ in line.stages
        )
        drawn.append(tag("path", d=d, class_="tick"))
    drawn += [
        tag(
            "circle",
            tag("title", f"effect {'applied' if applied else 'again'} at {span(at_s)}"),
            cx=scale.x(at_s),
            cy=y + height / 2,
            r=min(3.5, height / 3),
            class_="effect" if applied else "effect again",
        )
        for at_s, applied in line.effects
    ]
    name = f"{line.id} {line.tag}" if line.tag not in (None, "job") else line.id
    label = _label(name, y + height / 2, broken=line.broken) if height >= LABELLED else None
    mark = None
    if line.broken and label is None:
        mark = tag("rect", x=LEFT - 6, y=y, width=4, height=height, class_="state-failed")
    return tag("g", tag("title", _job_title(line)), label, mark, *drawn)


def _stay(line: JobLine, stay: Stay, y: float, height: float, scale: _Scale) -> Markup:
    until_s = scale.end_s if stay.until_s is None else stay.until_s
    x = scale.x(stay.from_s)
    terminal = stay.state in TERMINAL_STATES
    thick = height * (0.28 if terminal else 0.62)
    by = f" by {stay.holder}" if stay.holder else ""
    attempt = f", attempt {stay.attempt}" if stay.attempt is not None else ""
    text = f"{line.id}: {stay.state}{by}{attempt}, {span(stay.from_s)} to {span(until_s)}"
    return tag(
        "rect",
        tag("title", text),
        x=x,
        y=y + (height - thick) / 2,
        width=max(scale.x(until_s) - x, 1.5),
        height=thick,
        class_=f"state-{stay.state if stay.state.isidentifier() else 'unknown'}{' over' if terminal else ''}",
    )


def _job_title(line: JobLine) -> str:
    stages = ", ".join(f"{name} {span(at_s)}" for at_s, name in line.stages)
    return f"{line.id}: {line.state or 'unknown'}, {line.outcome}" + (f"; {stages}" if stages else "")


def _label(text: str, middle: float, *, broken: bool = False) -> Markup:
    return tag(
        "text",
        tag("title", text),
        cut(text, 22),
        x=LEFT - 8,
        y=middle + 3.5,
        text_anchor="end",
        class_="label broken" if broken else "label",
    )
