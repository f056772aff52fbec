"""`report.html` of several runs: totals, the proof's matrix if it is one, then a row for each run."""

from __future__ import annotations

from collections.abc import Sequence
from urllib.parse import quote

from unstuck.report.broken import says_it_all
from unstuck.report.group import Group, ProofLine, RunLine
from unstuck.report.markup import Child, Markup, join, tag
from unstuck.report.model import BrokenPromise
from unstuck.report.page import badge, command, header, page, table
from unstuck.report.text import done_text, doubts, jobs_text, recovery_text
from unstuck.report.text_group import ORDER, case_text, counts_text
from unstuck.report.text_proof import alarms_text
from unstuck.report.words import plural, span, target_text

_WORDS = {"caught": "pass", "missed": "fail", "not tried": "excluded"}


def group_html(group: Group) -> str:
    """The page of several runs, each linked to its own page."""
    ran = [line for line in group.lines if line.excluded is None]
    jobs = sum(len(line.summary.jobs) for line in ran if line.summary)
    about = f"{plural(len(ran), 'run')}: {counts_text(group.counts)}. {plural(jobs, 'job')}."
    alarms = (*group.defences, *group.falsified)
    if alarms:
        about = f"{alarms_text(alarms)}. {about}"
    meant = "Those without a defence are meant to fail." if group.defences else None
    return page(
        f"{group.word}: {group.name}",
        [
            header(group.word, group.name, span(group.duration_s), about),
            *(tag("p", tag("b", "note: "), note) for note in group.notes),
            _tiles(group) if not group.defences else None,  # there most are meant to fail
            *_matrix(group),
            *_falsified(group.falsified),
            *_troubles(group),
            tag("h2", "Runs"),
            tag("p", meant, class_="soft") if meant else None,
            _tools(group),
            _runs(group),
            tag(
                "footer",
                f"{target_text(group.target)}Seed {group.seed} · Unstuck {group.version} · {group.date}",
            ),
        ],
        scripts=("page.js",),
    )


def _tiles(group: Group) -> Markup:
    """A tile a run, in the order of the table."""
    tiles = [
        tag(
            "a",
            class_=f"tile {line.word}",
            href=_page_of(line),
            title=f"{line.word}: {line.title}",
            aria_label=f"{line.word}: {line.title}",
        )
        for line in group.lines
    ]
    return tag("p", *tiles, class_="tiles")


def _page_of(line: RunLine) -> str | None:
    return f"{quote(line.folder)}/report.html" if line.folder else None


def _matrix(group: Group) -> list[Markup]:
    """A row a defence, a column a scenario: where its loss had to be noticed, and whether it was."""
    lines = group.defences
    if not lines:
        return []
    scenarios = sorted({line.where.split("[")[0] for line in lines})
    pages = {line.title: _page_of(line) for line in group.lines}
    rows: list[Sequence[Child]] = []
    for defence in dict.fromkeys(line.subject for line in lines):
        cells: list[Child] = [defence]
        for scenario in scenarios:
            here = [one for one in lines if one.subject == defence and one.where.split("[")[0] == scenario]
            cells.append(join(*(_alarm(one, pages) for one in here)))
        rows.append(cells)
    missed = [line for line in lines if not line.proved]
    return [
        tag("h2", "With a defence off, its scenario must fail"),
        tag("p", "By the property that its cell names; the cell leads to that run.", class_="soft"),
        table(["defence off", *scenarios], rows, narrow=(0,), kind="matrix"),
        *(_missed(line) for line in missed),
    ]


def _alarm(line: ProofLine, pages: dict[str, str | None]) -> Markup:
    parts = line.by.split("_")
    name = [child for part in parts for child in ("_", tag("wbr"), part)][2:]
    inside = join(badge(_WORDS[line.word], line.word), tag("div", *name))
    case = case_text(line.where)
    told = f"{line.where}: {line.note}" if line.note else line.where
    page_of = pages.get(f"{line.where} without {line.subject}")
    alarm = tag("a", inside, href=page_of) if page_of else inside
    more = tag("div", case, class_="soft") if case != line.where else None
    return tag("div", alarm, more, class_=f"alarm {_WORDS[line.word]}", title=told)


def _missed(line: ProofLine) -> Markup:
    return tag(
        "section",
        tag("h3", f"{line.word}: {line.subject}"),
        tag("p", f"{line.where} was to fail by {line.by}. {line.note}"),
        command(line.replay) if line.replay else None,
        class_="card fail",
    )


def _falsified(lines: Sequence[ProofLine]) -> list[Markup]:
    if not lines:
        return []
    rows = [
        (badge(_WORDS[line.word], line.word), line.subject, line.by,
         join(line.where, tag("div", line.note, class_="soft") if line.note else None))
        for line in lines
    ]  # fmt: skip
    heads = ("alarm", "falsification", "had to notice", "where")
    return [tag("h2", "A healthy history, falsified, must fail"), table(heads, rows, narrow=(0,))]


def _troubles(group: Group) -> list[Markup]:
    """Of each run that did not pass the first thing that is wrong; in a proof most are meant to fail."""
    if group.defences:
        return []
    return [_trouble(line) for line in group.lines if line.word not in ("pass", "excluded")]


def _trouble(line: RunLine) -> Markup:
    summary = line.summary
    lines: list[Child] = [line.error] if line.error else []
    if summary is not None and not line.error:
        lines += [_short(item) for item in summary.broken[:2]] or doubts(summary)[:3]
        if len(summary.broken) > 2:
            lines.append(f"… and {len(summary.broken) - 2} more")
    page_of = _page_of(line)
    return tag(
        "section",
        tag(
            "h3", badge(line.word), tag("a", line.title, href=page_of) if page_of else tag("span", line.title)
        ),
        *(tag("p", text) for text in lines),
        command(summary.replay) if summary is not None and summary.replay else None,
        class_=f"card {line.word}",
    )


def _short(item: BrokenPromise) -> str:
    """A broken promise in a line, with where the job stopped and who held it."""
    told = ": ".join(part for part in (item.property, item.job, item.message) if part)
    if says_it_all(item):
        return told
    stopped = f". It stopped: {item.stopped}" if item.stopped else ""
    return told + stopped + (f"; held by {item.held_by}" if item.held_by else "")


def _tools(group: Group) -> Markup:
    options = [tag("option", f"all ({len(group.lines)})", value="")]
    options += [
        tag("option", f"{word} ({group.counts[word]})", value=word)
        for word in ORDER
        if group.counts.get(word)
    ]
    return tag(
        "div",
        tag("label", "show ", tag("select", *options)),
        tag("label", "find ", tag("input", type="search", placeholder="scenario or case", size="18")),
        tag("span", class_="count", role="status"),
        class_="tools",
        data_filter=".runs tbody tr",
        hidden="",
    )


def _runs(group: Group) -> Markup:
    longest = max((line.duration_s for line in group.lines), default=0.0) or 1.0
    known = [line.summary.recovery_s or 0.0 for line in group.lines if line.summary]
    slowest = max(known, default=0.0) or 1.0
    rows = [
        (
            badge(line.word),
            _link(line),
            line.excluded or line.error or (done_text(line.summary) if line.summary else ""),
            jobs_text(line.summary) if line.summary else "",
            _recovery(line, slowest),
            _bar(line.duration_s if line.excluded is None else None, longest),
        )
        for line in group.lines
    ]
    heads = ("verdict", "run", "what was done to the service", "jobs", "recovery", "took")
    words = [line.word for line in group.lines]
    return table(heads, rows, narrow=(0,), numbers=(4, 5), picked=words, kind="runs")


def _link(line: RunLine) -> Markup:
    name = line.title.split("[")[0]
    page_of = _page_of(line)
    case = case_text(line.title)
    return join(
        tag("a", name, href=page_of) if page_of else name,
        tag("div", case, class_="soft") if case != name else None,
    )


def _recovery(line: RunLine, slowest: float) -> Child:
    known = None if line.summary is None else line.summary.recovery_s
    return _bar(known, slowest) if known is not None or line.summary is None else recovery_text(line.summary)


def _bar(value_s: float | None, most_s: float) -> Child:
    """A duration over a bar that compares it with the others."""
    if value_s is None:
        return ""
    return join(span(value_s), tag("span", tag("i", style=f"width:{value_s / most_s:.0%}"), class_="gauge"))
