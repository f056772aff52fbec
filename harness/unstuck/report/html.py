"""`report.html`: one page, verdict first, that asks nothing of the network and runs no script."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final
from urllib.parse import quote

from unstuck.checks.port import Verdict
from unstuck.report.group import Group, ProofLine, RunLine
from unstuck.report.markup import Child, Markup, join, tag, trusted
from unstuck.report.model import BrokenPromise, JobLine, PropertyLine, Summary
from unstuck.report.text import MARKS, done_text, doubts, fault_fate, jobs_text, told_in_full
from unstuck.report.text_group import case_text, counts_text
from unstuck.report.text_proof import alarms_text
from unstuck.report.timeline import ordered, timeline_svg
from unstuck.report.words import facts_text, plural, size, span
from unstuck.scenario import CANONICAL_STATES

IN_FULL: Final = 25  # broken promises with their timeline on the page; verdict.json has them all
_NOTHING: Final = "default-src 'none'; style-src 'unsafe-inline'"


def run_html(line: RunLine) -> str:
    """The page of one run."""
    summary = line.summary
    about, replay = (summary.about, summary.replay) if summary else ("", None)
    body: list[Child] = [_header(line.word, line.title, line.duration_s, about)]
    if replay is not None:
        body += [tag("p", "Run it again:", class_="soft"), tag("pre", replay, class_="command")]
    if line.error is not None:
        body.append(tag("pre", line.error))
    if summary is not None:
        body += [
            *_reasons(summary, told=line.error is not None),
            _figures(summary),
            *_evidence(summary),
            *_timeline(summary),
            *_faults(summary),
            *_properties(summary),
            *_jobs(summary),
            *_processes(summary),
            _footer(summary),
        ]
    return _page(f"{line.word}: {line.title}", body)


def group_html(group: Group) -> str:
    """The page of several runs: totals, then a row for each, linked to its own page."""
    ran = [line for line in group.lines if line.excluded is None]
    jobs = sum(len(line.summary.jobs) for line in ran if line.summary)
    about = f"{plural(len(ran), 'run')}: {counts_text(group.counts)}. {plural(jobs, 'job')}."
    alarms = (*group.defences, *group.falsified)
    if alarms:
        about = f"{alarms_text(alarms)}. {about}"
    rows = [
        (
            tag("span", f"{MARKS[line.word]} {line.word}", class_=f"word {line.word}"),
            _link(line),
            line.excluded or line.error or (done_text(line.summary) if line.summary else ""),
            jobs_text(line.summary) if line.summary else "",
            span(line.summary.recovery_s) if line.summary and line.summary.recovery_s is not None else "",
            span(line.duration_s) if line.excluded is None else "",
        )
        for line in group.lines
    ]
    heads = ("verdict", "run", "what was done to the service", "jobs", "recovery", "took")
    return _page(
        f"{group.word}: {group.name}",
        [
            _header(group.word, group.name, group.duration_s, about),
            *(tag("p", tag("b", "note: "), note) for note in group.notes),
            *_proof("With a defence off, its scenario must fail", "defence", group.defences),
            *_proof("A healthy history, falsified, must fail", "falsification", group.falsified),
            tag("h2", "Runs"),
            tag("p", "Those without a defence are meant to fail.", class_="soft") if group.defences else None,
            _table(heads, rows, narrow=(0,), numbers=(4, 5)),
            tag("footer", f"Seed {group.seed} · Unstuck {group.version} · {group.date}"),
        ],
    )


def _proof(title: str, subject: str, lines: Sequence[ProofLine]) -> list[Markup]:
    if not lines:
        return []
    words = {"caught": "pass", "missed": "fail", "not tried": "excluded"}
    rows = [
        (
            tag("span", line.word, class_=f"word {words[line.word]}"),
            line.subject,
            line.by,
            join(line.where, tag("div", line.note, class_="soft") if line.note else None),
        )
        for line in lines
    ]
    return [tag("h2", title), _table(("alarm", subject, "had to notice", "where"), rows, narrow=(0,))]


def _page(title: str, body: Sequence[Child]) -> str:
    head = tag(
        "head",
        trusted('<meta charset="utf-8"/>'),
        tag("meta", http_equiv="Content-Security-Policy", content=_NOTHING),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        tag("title", title),
        tag("style", trusted(Path(__file__).with_name("report.css").read_text(encoding="utf-8"))),
    )
    page = tag("html", head, tag("body", tag("main", *body)), lang="en")
    return f"<!doctype html>\n{page}\n"


def _header(word: str, title: str, duration_s: float, about: str) -> Markup:
    return tag(
        "header",
        tag("span", word, class_=f"word {word}"),
        tag("h1", title),
        tag("p", about),
        tag("p", f"took {span(duration_s)}", class_="soft"),
        class_=word,
    )


def _link(line: RunLine) -> Markup:
    name = line.title.split("[")[0]
    link = tag("a", name, href=f"{quote(line.folder)}/report.html") if line.folder else join(name)
    case = case_text(line.title)
    return join(link, tag("div", case, class_="soft") if case != name else None)


def _reasons(summary: Summary, *, told: bool) -> list[Markup]:
    """Notes, and why it is not a pass, unless an error has `told` that."""
    notes = [tag("p", tag("b", "note: "), note) for note in summary.notes]
    if told or summary.verdict is Verdict.PASS:
        return notes
    reasons = doubts(summary)
    return [*notes, tag("ul", *(tag("li", reason) for reason in reasons))] if reasons else notes


def _figures(summary: Summary) -> Markup:
    figures = [
        (plural(len(summary.jobs), "job"), jobs_text(summary)),
        (", ".join(f"{count} {name}" for name, count in summary.outcomes.items()), "what became of them"),
        *_recovery(summary),
        (str(summary.seed), "seed"),
    ]
    return tag(
        "div", *(tag("div", tag("b", value), label) for value, label in figures if value), class_="figures"
    )


def _recovery(summary: Summary) -> list[tuple[str, str]]:
    figures = []
    for name, what in (("claim", "to the next claim"), ("terminal", "to a terminal state")):
        most, median = summary.recovery.get(f"{name}_max_s"), summary.recovery.get(f"{name}_p50_s")
        if most is not None and median is not None:
            figures.append((span(most), f"from the blow {what}, at most (median {span(median)})"))
    return figures


def _evidence(summary: Summary) -> list[Markup]:
    """One of each property open, the others folded: the timeline must not be pages away."""
    opened = told_in_full(summary)
    folded = [item for item in summary.broken if item not in opened]
    cards = [
        tag("details", tag("summary", f"{item.property}, {item.job or 'the run'}"), _broken(item, summary))
        for item in folded[:IN_FULL]
    ]
    if not cards:
        return [_broken(item, summary) for item in opened]
    count = f"{len(folded)} more of the same kinds" if folded else ""
    return [
        *(_broken(item, summary) for item in opened),
        tag("details", tag("summary", count), *cards, _more(len(folded) - IN_FULL)),
    ]


def _broken(item: BrokenPromise, summary: Summary) -> Markup:
    kind = "Broken promise" if item.verdict is Verdict.FAIL else "Unclear"
    facts = [
        ("facts", facts_text(item.facts)),
        ("stopped", item.stopped),
        ("held by", item.held_by),
        ("moves it on", item.moves_on),
    ]
    logs = join(*(child for log in item.logs for child in (tag("a", log, href=quote(log)), " ")))
    return tag(
        "section",
        tag("h3", f"{kind}: {item.property}" + (f", {item.job}" if item.job else "")),
        tag("p", item.promise, class_="soft") if item.promise else None,
        tag("p", tag("b", item.message)),
        tag(
            "dl",
            *(child for name, text in facts if text for child in (tag("dt", name), tag("dd", text))),
            *((tag("dt", "logs"), tag("dd", logs)) if item.logs and summary.folder else ()),
        ),
        tag("pre", *_excerpt(item.excerpt)) if item.excerpt else None,
        class_=f"card {item.verdict}",
    )


def _excerpt(lines: Iterable[str]) -> list[Markup]:
    return [join(tag("b", line) if "▶" in line[:12] else line, trusted("\n")) for line in lines]


def _more(count: int) -> Markup | None:
    return tag("p", f"… and {count} more; verdict.json has them all.") if count > 0 else None


def _timeline(summary: Summary) -> list[Markup]:
    seen = [state for state in CANONICAL_STATES if any(job_in(job, state) for job in summary.jobs)]
    legend = [tag("span", tag("i", class_=f"state-{state}"), state) for state in seen]
    words = ["| signal", "✕ exit (red: nobody asked for it)", "○ effect", "┆ recovery budget begins"]
    return [
        tag("h2", "Timeline"),
        tag("div", *legend, *(tag("span", word) for word in words), class_="legend"),
        tag("div", timeline_svg(summary), class_="scroll"),
    ]


def job_in(job: JobLine, state: str) -> bool:
    """True when the job was ever seen in the state."""
    return any(stay.state == state for stay in job.stays)


def _faults(summary: Summary) -> list[Markup]:
    if not summary.faults:
        return [tag("h2", "What was done to the service"), *(tag("p", one) for one in summary.workload)]
    rows = [
        (
            str(one.index),
            f"{one.when}: {one.what}",
            "yes" if one.armed else "no",
            str(one.fired),
            str(one.landed),
            str(one.healed) if one.healed else "-",  # most faults do not last
            fault_fate(one),
        )
        for one in summary.faults
    ]
    heads = ("#", "fault", "armed", "fired", "landed", "healed", "what was seen")
    return [
        tag("h2", "What was done to the service"),
        *(tag("p", one) for one in summary.workload),
        _table(heads, rows, numbers=(3, 4, 5)),
    ]


def _properties(summary: Summary) -> list[Markup]:
    rows = [
        (
            _judged(one),
            tag("b", one.name) if one.expected else one.name,
            join(one.summary, tag("div", one.promise, class_="soft") if one.promise else None),
            "the scenario" if one.expected else "always on",
        )
        for one in sorted(summary.properties, key=lambda one: not one.expected)
    ]
    heads = ("verdict", "property", "what was found", "asked for by")
    return [tag("h2", "What was promised"), _table(heads, rows, narrow=(0, 1, 3))]


def _judged(one: PropertyLine) -> Markup:
    if one.verdict is Verdict.INCONCLUSIVE and not one.judged and not one.expected:
        return tag("span", "nothing to judge", class_="soft")
    return tag("span", f"{MARKS[str(one.verdict)]} {one.verdict}", class_=f"word {one.verdict}")


def _jobs(summary: Summary) -> list[Markup]:
    rows = [
        (
            tag("b", job.id) if job.broken else job.id,
            job.tag or "",
            job.state or "unknown",
            job.reason or "",
            job.outcome + ("" if job.allowed else ": not allowed"),
            str(job.attempts),
            job.rescued or "",
        )
        for job in ordered(summary.jobs)
    ]
    heads = ("job", "tag", "state", "reason", "class", "claims", "rescue")
    table = _table(heads, rows, numbers=(5,))
    return [
        tag("h2", "Jobs"),
        tag("details", tag("summary", plural(len(rows), "job")), table, open="" if len(rows) <= 12 else None),
    ]


def _processes(summary: Summary) -> list[Markup]:
    rows = []
    for one in summary.processes:
        most, limit = one.rss_bytes_max, one.limit_bytes
        ends = [f"{life.end}{'' if life.expected else ' (unasked)'}" for life in one.lives if life.end]
        meter = (
            tag("meter", value=f"{most / limit:.3f}", min=0.0, max=1.0, high=0.9)
            if most is not None and limit
            else None
        )
        of = f" of {size(limit)}" if limit else ""
        rows.append(
            (
                one.name,
                one.role,
                str(len(one.lives)),
                ", ".join(ends) or "ran to the end",
                join(meter, f" {size(most)}{of}") if most is not None else "",
                tag("a", one.log, href=quote(one.log)) if one.log else "",
            )
        )
    heads = ("process", "role", "starts", "how it ended", "memory at most", "log")
    return [tag("h2", "Processes"), _table(heads, rows, numbers=(2,))] if rows else []


def _footer(summary: Summary) -> Markup:
    off = f" · defences off: {', '.join(summary.defences_off)}" if summary.defences_off else ""
    date = f" · {summary.date}" if summary.date else ""
    return tag("footer", f"Seed {summary.seed} · Unstuck {summary.version}{date}{off}")


def _table(
    heads: Sequence[str],
    rows: Sequence[Sequence[Child]],
    *,
    narrow: Sequence[int] = (),
    numbers: Sequence[int] = (),
) -> Markup:
    def kind(column: int) -> str | None:
        return "number" if column in numbers else "narrow" if column in narrow else None

    return tag(
        "div",
        tag(
            "table",
            tag("thead", tag("tr", *(tag("th", head, class_=kind(n)) for n, head in enumerate(heads)))),
            tag(
                "tbody",
                *(
                    tag(
                        "tr",
                        *(tag("td", cell, class_=kind(n), data_label=heads[n]) for n, cell in enumerate(row)),
                    )
                    for row in rows
                ),
            ),
        ),
        class_="wide",
    )
