"""`report.html` of a run: what a reader wants first is first."""

from __future__ import annotations

import statistics
from collections.abc import Iterator
from typing import Final
from urllib.parse import quote

from unstuck.checks.port import Verdict
from unstuck.report.broken import broken_promises
from unstuck.report.group import RunLine
from unstuck.report.markup import Child, Markup, join, tag
from unstuck.report.model import FaultLine, JobLine, ProcessLine, PropertyLine, Stay, Summary
from unstuck.report.page import badge, command, header, page, table
from unstuck.report.places import Places, window
from unstuck.report.plots import memory_svg, recovery_svg, stage_memory_svg
from unstuck.report.text import classes_told, doubts_of, fault_fate, jobs_text
from unstuck.report.timeline import ordered, timeline
from unstuck.report.words import plural, size, span, target_text

SLOWEST: Final = 5  # recoveries told by name


def run_html(line: RunLine) -> str:
    """The page of one run."""
    summary = line.summary
    body: list[Child] = [header(line.word, line.title, line.took, summary.about if summary else "")]
    if line.error is not None:
        body.append(tag("pre", line.error))
    if summary is not None:
        places = Places(summary)
        doubted = _doubted(line)
        failed = summary.verdict is Verdict.FAIL
        body += [
            *(tag("p", tag("b", "note: "), note) for note in summary.notes),
            *([] if failed else doubted),
            *broken_promises(summary, places),
            *(doubted if failed else []),
            _figures(summary),
            *([command(summary.replay)] if summary.replay else []),
            tag("h2", "Timeline"),
            timeline(summary, places),
            *_faults(summary),
            *_properties(summary),
            *_recovery(summary, places),
            *_memory(summary),
            *_jobs(summary, places),
            *_processes(summary, places),
            _footer(summary),
        ]
    return page(f"{line.word}: {line.title}", body, scripts=("page.js", "timeline.js"))


def _doubted(line: RunLine) -> list[Markup]:
    """Why it proves nothing; of one that failed, what was wrong with the run besides."""
    failed = line.summary is not None and line.summary.verdict is Verdict.FAIL
    reasons = doubts_of(line, failed=failed)
    if not reasons:
        return []
    listed = tag("ul", *(tag("li", reason) for reason in reasons))
    heading = tag("h3", "Besides" if failed else "Why it proves nothing")
    return [tag("section", heading, listed, class_=f"card {'fail' if failed else 'inconclusive'}")]


def _figures(summary: Summary) -> Markup:
    figures = [
        (plural(len(summary.jobs), "job"), jobs_text(summary)),
        (
            ", ".join(f"{count} {name}" for name, count in classes_told(summary).items()),
            "what became of them",
        ),
        *_recovery_figures(summary),
        (str(summary.seed), "seed"),
    ]
    return tag(
        "div", *(tag("div", tag("b", value), label) for value, label in figures if value), class_="figures"
    )


def _recovery_figures(summary: Summary) -> Iterator[tuple[str, str]]:
    over, found = "from when the blow was over", summary.recoveries
    for what, times_s in (
        (f"{over} to the next claim", [one.claim_s for one in found]),
        ("from the blow to the next claim, while the fault lasted", [one.meanwhile_s for one in found]),
        (f"{over} to a terminal state", [one.terminal_s for one in found]),
    ):
        known = [time_s for time_s in times_s if time_s is not None]
        if known:
            yield span(max(known)), f"{what}, at most (median {span(statistics.median(known))})"


def _faults(summary: Summary) -> list[Markup]:
    workload = [tag("p", one) for one in summary.workload]
    title = tag("h2", "What was done to the service")
    if not summary.faults:
        return [title, *workload]
    rows = [
        (
            str(one.index),
            tag("div", join(one.when, ":"), tag("div", one.what)),
            _steps(one),
            join(fault_fate(one), _strokes(one)),
        )
        for one in summary.faults
    ]
    heads = ("#", "what it was to do", "how far it got", "how it landed")
    return [title, *workload, table(heads, rows, narrow=(2,))]


def _steps(fault: FaultLine) -> Markup:
    """armed, fired, landed, healed: each with its count, and struck out where it did not come to it."""
    steps = [("armed", int(fault.armed)), ("fired", fault.fired), ("landed", fault.landed)]
    if fault.healed:  # most faults do not last
        steps.append(("healed", fault.healed))
    if fault.missed:
        steps.append(("missed", fault.missed))
    return tag(
        "span",
        *(
            tag("span", name if count == 1 else f"{name} {count} x" if count else f"not {name}",
                class_="step" + ("" if count and name != "missed" else " no"))
            for name, count in steps
        ),
        class_="steps",
    )  # fmt: skip


def _strokes(fault: FaultLine) -> Markup | None:
    shown = fault.strokes[:8]
    links: list[Child] = []
    for nth, (from_s, _) in enumerate(shown):
        links += [", " if nth else None, tag("a", span(from_s), href=f"#{Places.stroke(fault.index, nth)}")]
    more = f" and {len(fault.strokes) - len(shown)} more" if len(fault.strokes) > len(shown) else None
    return tag("div", "at ", *links, more, class_="soft") if shown else None


def _properties(summary: Summary) -> list[Markup]:
    asked = [one for one in summary.properties if one.expected or one.verdict is Verdict.FAIL]
    others = [one for one in summary.properties if one not in asked]
    kept = sum(1 for one in others if one.judged)
    heads = ("verdict", "property", "what was found")
    told = f"{kept} more are always on and were kept, {len(others) - kept} had nothing to judge"
    return [
        tag("h2", "What was promised"),
        table(heads, [_property(one) for one in asked], narrow=(0, 1)),
        tag("details", tag("summary", told), table(heads, [_property(one) for one in others], narrow=(0, 1)))
        if others
        else tag("p"),
    ]


def _property(one: PropertyLine) -> tuple[Child, ...]:
    idle = one.verdict is Verdict.INCONCLUSIVE and not one.judged and not one.expected
    word = tag("span", "nothing to judge", class_="soft") if idle else badge(str(one.verdict))
    return word, one.name, join(one.summary, tag("div", one.promise, class_="soft") if one.promise else None)


def _recovery(summary: Summary, places: Places) -> list[Markup]:
    if not summary.recoveries:
        return []
    claims = [(one.claim_s, one.job) for one in summary.recoveries]
    ends = [(one.terminal_s, one.job) for one in summary.recoveries]
    figures = [
        *_distribution("To the next claim", claims, summary.claim_budget_s, places),
        *_distribution("To a terminal state", ends, summary.terminal_budget_s, places),
    ]
    hits = plural(len(summary.recoveries), "time")
    about = (
        f"{hits} a fault hit a job in flight; from when the blow was over (landed, or healed if it lasts)."
    )
    if summary.meanwhile_s is not None:
        count = sum(1 for one in summary.recoveries if one.meanwhile_s is not None)
        about += (
            f" {count} claimed while the fault lasted, {span(summary.meanwhile_s)} after the blow at most."
        )
    if not figures:
        return [tag("h2", "Recovery"), tag("p", about, " None recovered.")]
    return [tag("h2", "Recovery"), tag("p", about, class_="soft"), tag("div", *figures, class_="pictures")]


def _distribution(
    title: str, found: list[tuple[float | None, str]], budget_s: float | None, places: Places
) -> Iterator[Markup]:
    known = sorted(((value, job) for value, job in found if value is not None), reverse=True)
    if not known:
        return
    slowest: list[Child] = []
    for value, job in known[:SLOWEST]:
        slowest += [tag("a", job, href=f"#{places.job(job)}"), f" {span(value)}  "]
    yield tag(
        "figure",
        tag("figcaption", tag("b", title), f" {len(known)} of {len(found)}"),
        recovery_svg([value for value, _ in known], budget_s, title),
        tag("p", "slowest: ", *slowest, class_="soft"),
    )


_BY_STAGE = " the most that was resident in the process of an attempt, as the service measured it"


def _memory(summary: Summary) -> list[Markup]:
    limited = [line for line in summary.processes if line.limit_bytes and line.memory]
    by_stage = stage_memory_svg(summary.jobs)
    if not limited and by_stage is None:
        return []
    start_s, end_s = window(summary)
    pictures = []
    if by_stage is not None:
        pictures.append(tag("figure", tag("figcaption", tag("b", "by stage"), _BY_STAGE), by_stage))
    for line in limited:
        used = f" {size(line.rss_bytes_max or 0)} of {size(line.limit_bytes or 0)} at most"
        caption = tag("figcaption", tag("b", line.name), used)
        pictures.append(tag("figure", caption, memory_svg(line, summary.jobs, start_s, end_s)))
    about = "What each limited process and its children used; dots: the peak of an attempt, where it ended."
    told = [tag("p", about, class_="soft")] if limited else []
    return [tag("h2", "Memory"), *told, tag("div", *pictures, class_="pictures")]


def _jobs(summary: Summary, places: Places) -> list[Markup]:
    rows = [
        (
            tag("a", tag("b", job.id) if job.broken else job.id, href=f"#{places.job(job.id)}"),
            job.tag or "",
            (job.state or "unknown") + (f": {job.reason}" if job.reason else ""),
            job.outcome + ("" if job.allowed else ": not allowed"),
            job.rescued or "",
            _path(job),
        )
        for job in ordered(summary.jobs)
    ]
    heads = ("job", "tag", "state", "class", "rescue", "its way")
    opened = "" if len(rows) <= 12 else None
    return [
        tag("h2", "Jobs"),
        tag(
            "details", tag("summary", plural(len(rows), "job")), table(heads, rows, narrow=(0,)), open=opened
        ),
    ]


def _path(job: JobLine) -> str:
    """For readers without a mouse: `0.16 s queued, 0.35 s active (worker-1), …`."""
    return ", ".join(f"{span(stay.from_s)} {stay.state}{_by(stay)}" for stay in job.stays)


def _by(stay: Stay) -> str:
    return f" ({stay.holder})" if stay.holder else ""


def _processes(summary: Summary, places: Places) -> list[Markup]:
    most = max((one.rss_bytes_max or 0 for one in summary.processes), default=0) or 1
    rows = [
        (
            tag("a", one.name, href=f"#{places.process(one.name)}"),
            one.role,
            str(len(one.lives)),
            ", ".join(f"{life.end}{'' if life.expected else ' (unasked)'}" for life in one.lives if life.end)
            or "ran to the end",
            _gauge(one, most),
            tag("a", one.log, href=quote(one.log)) if one.log else "",
        )
        for one in summary.processes
    ]
    heads = ("process", "role", "starts", "how it ended", "memory at most", "log")
    return [tag("h2", "Processes"), table(heads, rows, numbers=(2,))] if rows else []


def _gauge(one: ProcessLine, most: int) -> Child:
    """Against its limit; without one, against the largest of the run."""
    used = one.rss_bytes_max
    if used is None:
        return ""
    share = min(used / (one.limit_bytes or most), 1.0)
    of = f" of {size(one.limit_bytes)}" if one.limit_bytes else ""
    bar = tag("i", style=f"width:{share:.0%}", class_="full" if one.limit_bytes and share > 0.9 else None)
    return join(
        tag("span", bar, class_="gauge" + (" limited" if one.limit_bytes else "")), f" {size(used)}{of}"
    )


def _footer(summary: Summary) -> Markup:
    off = f" · defences off: {', '.join(summary.defences_off)}" if summary.defences_off else ""
    date = f" · {summary.date}" if summary.date else ""
    return tag(
        "footer", f"{target_text(summary.target)}Seed {summary.seed} · Unstuck {summary.version}{date}{off}"
    )
