"""The timeline of a run: processes above, a lane a job below, faults as bands across.

Every element says when it was in seconds (`--a`, and `--b` where it lasted); the style sheet turns that
into a place. So the picture stands without script, a script zooms it by widening one element, and the
elements themselves are the data from which it tells exact facts: nothing from outside is ever in a script.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from itertools import pairwise
from typing import Final

from unstuck.report.markup import Child, Markup, tag
from unstuck.report.model import JobLine, LifeLine, Mark, ProcessLine, Stay, Summary
from unstuck.report.overview import overview_svg
from unstuck.report.places import Places, place, window
from unstuck.report.sheet import cut
from unstuck.report.words import plural, size, span
from unstuck.scenario import CANONICAL_STATES, TERMINAL_STATES

DENSE_FROM: Final = 120  # jobs; from here on lanes without a broken promise begin thin
FLAGS: Final = 8  # strokes of one fault with their name; `times: each` may strike often
FLAG_ROWS: Final = 3
_SIGNS: Final[Mapping[str, str]] = {"succeeded": "✓", "failed": "✗", "cancelled": "⊘", "expired": "◷"}


def timeline(summary: Summary, places: Places, *, tools: bool = True) -> Markup:
    """The whole section's picture: what to show, the overview, the lanes. `tools`: with what zooms it."""
    start_s, end_s = window(summary)
    jobs = ordered(summary.jobs)
    strokes = _strokes(summary)
    canvas = tag(
        "div",
        _axis(summary, start_s, end_s, strokes),
        tag("div", *_bands(summary, strokes, start_s, end_s), class_="layer"),
        *_unplaced(summary, places),
        *(_process(line, places, end_s) for line in summary.processes),
        *(_job(line, places, end_s) for line in jobs),
        class_="canvas",
        style=f"--t0:{place(start_s)};--span:{place(end_s - start_s)}",
    )
    return tag(
        "div",
        _tools(summary) if tools else None,
        _legend(summary),
        tag("div", overview_svg(summary, start_s, end_s), class_="overview", hidden=None if jobs else ""),
        tag(
            "div",
            canvas,
            class_="plot" + (" dense" if len(jobs) >= DENSE_FROM else "") + _height(len(jobs)),
            role="region",
            tabindex="0",
            aria_label=f"Timeline of {plural(len(jobs), 'job')}; the tables below hold the same facts",
        ),
        class_="timeline",
    )


def ordered(jobs: Iterable[JobLine]) -> list[JobLine]:
    """Those with a broken promise first, then by when they began."""
    return sorted(jobs, key=lambda job: (not job.broken, job.stays[0].from_s if job.stays else 0.0))


def _height(count: int) -> str:
    return " tall" if count <= 20 else " low" if count > 100 else ""


def _strokes(summary: Summary) -> list[tuple[int, int, float, float]]:
    """(fault, nth, from, until) of each stroke, in time."""
    strokes = [
        (fault.index, nth, from_s, until_s)
        for fault in summary.faults
        for nth, (from_s, until_s) in enumerate(fault.strokes)
    ]
    return sorted(strokes, key=lambda stroke: stroke[2])


def _tools(summary: Summary) -> Markup:
    """Without script they would do nothing, and are not shown."""
    options = [tag("option", f"{text} ({count})", value=key) for key, text, count in _choices(summary)]
    dense = "" if len(summary.jobs) >= DENSE_FROM else None
    box = tag("input", type="checkbox", class_="dense-box", checked=dense)
    return tag(
        "div",
        tag("label", "show ", tag("select", *options)),
        tag("label", "find ", tag("input", type="search", placeholder="job", size="14")),
        tag("label", box, " thin lanes"),
        tag("span", class_="count", role="status"),
        tag("span", class_="gap"),
        tag("button", "-", type="button", data_zoom="out", aria_label="zoom out", title="zoom out (-)"),
        tag("button", "+", type="button", data_zoom="in", aria_label="zoom in", title="zoom in (+)"),
        tag("button", "whole run", type="button", data_zoom="reset", title="the whole run (0)"),
        *(
            [tag("button", "next evidence", type="button", data_zoom="next", title="n; p: the one before")]
            if any(item.marks for item in summary.broken)
            else []
        ),
        class_="tools",
        data_filter=".row.job",
        hidden="",
    )


def _choices(summary: Summary) -> Iterator[tuple[str, str, int]]:
    """What can be shown alone: (key, words, how many jobs)."""
    jobs = summary.jobs
    yield "", "all jobs", len(jobs)
    for key, text in (("broken", "with a broken promise"), ("hit", "hit by a fault")):
        if count := sum(1 for job in jobs if key in keys(job)):
            yield key, text, count
    if len(summary.states) > 1:
        for state, count in summary.states.items():
            yield f"state-{state}", state, count
    for outcome, count in summary.outcomes.items():
        if outcome != "ok":
            yield f"class-{outcome}", f"class {outcome}", count


def keys(job: JobLine) -> list[str]:
    """By what a job can be picked from the others."""
    found = [f"state-{job.state or 'unknown'}", f"class-{job.outcome}"]
    return found + ["broken"] * job.broken + ["hit"] * (job.rescued is not None)


def _legend(summary: Summary) -> Markup:
    seen = {stay.state for job in summary.jobs for stay in job.stays}
    states = [
        tag("span", tag("i", class_=f"key {css_state(state)}"), state)
        for state in (*CANONICAL_STATES, *sorted(seen.difference(CANONICAL_STATES)))
        if state in seen
    ]
    lives = [life for line in summary.processes for life in line.lives]
    ends = [life.expected for life in lives if life.until_s is not None]
    applied = [one for job in summary.jobs for _, one in job.effects]
    signs = [
        ("signal", "|", "signal", any(life.signals for life in lives)),
        ("exit", "✕", "exit", True in ends),
        ("exit unasked", "✕", "exit that nobody asked for", False in ends),
        ("effect", "", "effect applied", True in applied),
        ("effect again", "", "effect delivered again", False in applied),
        ("mark", "▼", "evidence", any(item.marks for item in summary.broken)),
        ("band", "", "fault", any(one.strokes for one in summary.faults)),
        ("budget", "", "recovery budget begins", summary.budget_from_s is not None),
    ]
    return tag(
        "div",
        *states,
        *(
            tag("span", tag("i", sign, class_=f"key {kind}"), text)
            for kind, sign, text, there in signs
            if there
        ),
        class_="legend",
    )


def _axis(
    summary: Summary, start_s: float, end_s: float, strokes: list[tuple[int, int, float, float]]
) -> Markup:
    step_s = _step(end_s - start_s)
    marks = [n * step_s for n in range(math.ceil(start_s / step_s), int(end_s / step_s) + 1)]
    names = {fault.index: fault.name for fault in summary.faults}
    flags = [
        tag(
            "b",
            cut(f"{index} {names[index]}", 26),
            class_="flag" + (" left" if from_s > start_s + (end_s - start_s) * 0.8 else ""),
            style=f"--a:{place(from_s)};--row:{row % FLAG_ROWS}",
        )
        for row, (index, nth, from_s, _) in enumerate(strokes)
        if nth < FLAGS
    ]
    rows = min(len(flags), FLAG_ROWS)
    return tag(
        "div",
        tag("b", class_="name"),
        tag(
            "div",
            tag(
                "div", *(tag("em", span(at_s), style=f"--a:{place(at_s)}") for at_s in marks), class_="ticks"
            ),
            *flags,
            class_="time",
        ),
        class_="row axis",
        style=f"--rows:{rows}",
        aria_hidden="true",
    )


def _step(length_s: float) -> float:
    """A round step that gives five to twelve marks."""
    rough = length_s / 8
    power = 10.0 ** math.floor(math.log10(rough))
    return next(factor * power for factor in (1, 2, 5, 10) if factor * power >= rough)


def _bands(
    summary: Summary, strokes: list[tuple[int, int, float, float]], start_s: float, end_s: float
) -> Iterator[Markup]:
    """Each stroke from fired until over. A stroke before the window begins with it."""
    faults = {fault.index: fault for fault in summary.faults}
    drawn_s: dict[int, float] = {}  # until when a fault is drawn: many strokes at once are one darkness
    for index, nth, from_s, until_s in strokes:
        within = from_s < drawn_s.get(index, from_s)
        drawn_s[index] = max(until_s, drawn_s.get(index, until_s))
        yield tag(
            "i",
            class_="band within" if within else "band",
            id=Places.stroke(index, nth),
            style=_from_until(max(from_s, start_s), min(max(until_s, start_s), end_s)),
            data_w=f"fault {index}: {faults[index].what}",
        )
    if summary.budget_from_s is not None:
        told = f"every fault healed, every role up: {span(summary.budget_s)} to recover from here"
        yield tag("i", class_="budget", style=f"--a:{place(summary.budget_from_s)}", data_w=told)


def _unplaced(summary: Summary, places: Places) -> list[Markup]:
    """A lane for evidence that belongs to no job and no process of the picture; mostly there is none."""
    marks = [
        mark for nth in range(len(summary.broken)) for mark in places.marks(nth) if mark.lane == places.RUN
    ]
    if not marks:
        return []
    time = [_mark(one.id, one.mark) for one in marks]
    return [_row("process", "the run", time, places.RUN)]


def _process(line: ProcessLine, places: Places, end_s: float) -> Markup:
    drawn = [child for life in line.lives for child in _life(line, life, end_s)]
    drawn += _marks(places, places.process(line.name))
    return _row("process", line.name, drawn, places.process(line.name), told=line.role)


def _life(line: ProcessLine, life: LifeLine, end_s: float) -> Iterator[Markup]:
    until_s = end_s if life.until_s is None else life.until_s
    ended = f"{life.end}{'' if life.expected else ', which nobody asked for'}" if life.end else "to the end"
    yield tag("i", class_="life", style=_from_until(life.from_s, until_s), data_w=ended)
    stopped_s: float | None = None
    for at_s, name in life.signals:
        yield tag("i", "|", class_="signal", style=f"--a:{place(at_s)}", data_w=f"{name} to {line.name}")
        if name == "SIGSTOP":
            stopped_s = at_s
        elif stopped_s is not None and name in ("SIGCONT", "SIGKILL"):
            yield tag("i", class_="paused", style=_from_until(stopped_s, at_s), data_w="paused")
            stopped_s = None
    if stopped_s is not None:
        yield tag("i", class_="paused", style=_from_until(stopped_s, until_s), data_w="paused")
    if life.until_s is not None:
        kind = "exit" if life.expected else "exit unasked"
        yield tag("i", "✕", class_=kind, style=f"--a:{place(until_s)}", data_w=f"{line.name}: {ended}")


def _job(line: JobLine, places: Places, end_s: float) -> Markup:
    drawn: list[Markup] = []
    for stay in line.stays:
        until_s = end_s if stay.until_s is None else stay.until_s
        stuck = " open" if _open(stay) else ""
        drawn.append(
            tag(
                "i",
                class_=f"stay {css_state(stay.state)}{stuck}",
                style=_from_until(stay.from_s, until_s),
                data_w=_stay_told(stay),
            )
        )
        if stay.state == "active":
            drawn += _stages(line, stay, until_s)
    drawn += _late(line, end_s)
    drawn += [
        tag("i", class_="effect" if applied else "effect again", style=f"--a:{place(at_s)}")
        for at_s, applied in line.effects
    ]
    lane = places.job(line.id)
    told = ", ".join(
        part for part in (line.state or "unknown", line.reason, line.outcome, line.rescued) if part
    )
    sign = _SIGNS.get(line.state or "", "…")
    sign = sign if line.tag in (None, "job") else f"{line.tag} {sign}"
    kind = "job broken" if line.broken else "job"
    return _row(kind, line.id, [*drawn, *_marks(places, lane)], lane, sign=sign, told=told, picked=keys(line))


def _stay_told(stay: Stay) -> str | None:
    parts = [
        f"by {stay.holder}" if stay.holder else "",
        f"attempt {stay.attempt}" if stay.attempt is not None else "",
        f"memory at most {size(stay.peak_bytes)}" if stay.peak_bytes else "",
        "and still is at the end of the run" if _open(stay) else "",
    ]
    return ", ".join(part for part in parts if part) or None


def _open(stay: Stay) -> bool:
    """True when the run ended with the job in it, and the job had to go on."""
    return stay.until_s is None and stay.state not in TERMINAL_STATES


def _stages(line: JobLine, stay: Stay, until_s: float) -> Iterator[Markup]:
    """Each stage of one attempt, until the next one begins or the job leaves the attempt."""
    begun = [(at_s, name) for at_s, name in line.stages if stay.from_s <= at_s < until_s]
    for (at_s, name), (next_s, _) in pairwise([*begun, (until_s, "")]):
        yield tag("s", name, style=_from_until(at_s, max(next_s, at_s)))


def _late(line: JobLine, end_s: float) -> Iterator[Markup]:
    """Stages that began while nobody was to work on the job: somebody who lost it goes on all the same."""
    held = [(stay.from_s, stay.until_s or end_s) for stay in line.stays if stay.state == "active"]
    for (at_s, name), (next_s, _) in pairwise([*line.stages, (end_s, "")]):
        if not any(from_s <= at_s < until_s for from_s, until_s in held):
            told = "while the job is not active"
            yield tag("s", name, class_="late", style=_from_until(at_s, max(next_s, at_s)), data_w=told)


def _marks(places: Places, lane: str | None) -> list[Markup]:
    return [_mark(one.id, one.mark) for one in places.on(lane)]


def _mark(id_: str, mark: Mark) -> Markup:
    return tag("u", "▼", id=id_, style=f"--a:{place(mark.at_s)}", data_w=mark.text)


def _row(
    kind: str,
    name: str,
    drawn: list[Markup],
    lane: str | None,
    *,
    sign: Child = None,
    told: str | None = None,
    picked: Iterable[str] = (),
) -> Markup:
    return tag(
        "div",
        tag("b", tag("span", name), tag("small", sign) if sign else None, class_="name", data_w=told or None),
        tag("div", *drawn, class_="time"),
        class_=f"row {kind}",
        id=lane,
        data_k=" ".join(picked) or None,
    )


def css_state(state: str) -> str:
    """The class of a state; what the outside calls otherwise is `s-unknown`."""
    return f"s-{state}" if state in CANONICAL_STATES else "s-unknown"


def _from_until(from_s: float, until_s: float) -> str:
    return f"--a:{place(from_s)};--b:{place(until_s)}"
