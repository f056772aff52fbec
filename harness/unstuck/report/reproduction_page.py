"""`reproduction.html`: an incident as it was and as it is, next to each other, on one self-contained page."""

from __future__ import annotations

from unstuck.report.broken import says_it_all
from unstuck.report.group import RunLine
from unstuck.report.markup import Child, Markup, join, tag, trusted
from unstuck.report.page import badge, command, header, page, table
from unstuck.report.places import Places
from unstuck.report.reproduction import Reproduction, Row
from unstuck.report.reproduction_text import AFTER, BEFORE
from unstuck.report.text import told_in_full
from unstuck.report.timeline import timeline
from unstuck.report.words import plural, span


def reproduction_html(told: Reproduction) -> str:
    """The page of one reproduction; the runs' own pages lie beside it."""
    heads = ("", f"{BEFORE}, without these defences", f"{AFTER}, with every defence")
    return page(
        f"{told.word}: {told.incident}",
        [
            header(told.style, told.incident, span(told.duration_s), told.happened),
            tag("p", tag("b", f"{told.word[0].upper()}{told.word[1:]}. "), told.conclusion()),
            _facts(told),
            command(told.command),
            tag("h2", "Side by side"),
            table(heads, [_row(row) for row in told.rows()], narrow=(0,)),
            tag("h2", "What each run went through"),
            tag("div", *(_run(told, word, line) for word, line in _both(told)), class_="answers"),
            *(_timeline(word, line) for word, line in _both(told)),
            tag(
                "footer",
                f"{plural(told.jobs, 'job')} · World {told.world} · Seed {told.seed} · "
                f"Unstuck {told.version} · {told.date}",
            ),
        ],
        scripts=("page.js",),
    )


def _both(told: Reproduction) -> tuple[tuple[str, RunLine], tuple[str, RunLine]]:
    return (BEFORE, told.before), (AFTER, told.after)


def _facts(told: Reproduction) -> Markup:
    facts = [
        (", ".join(told.defences_off), "defences that did not exist on that day"),
        (", ".join(told.fails), "had to fail without them"),
        (told.about, "what the scenario does, and what must hold"),
    ]
    return tag("dl", *(child for value, name in facts for child in (tag("dt", name), tag("dd", value))))


def _row(row: Row) -> tuple[Child, ...]:
    if row.name == "verdict":
        return row.name, badge(row.before), badge(row.after)
    return row.name, tag("b", row.before) if row.bad else row.before, row.after


def _run(told: Reproduction, word: str, line: RunLine) -> Markup:
    """What happened and when, what broke first, and how to run it again."""
    moments = tag("ul", *(tag("li", tag("b", at), f" {what}") for at, what in told.moments(line)))
    broken = told_in_full(line.summary)[:1] if line.summary is not None else []
    evidence = [
        tag(
            "section",
            tag("h3", item.property),
            tag("p", f"{item.job}: {item.message}" if item.job else item.message),
            None if says_it_all(item) or not item.held_by else tag("p", f"held by {item.held_by}"),
            class_=f"card {item.verdict}",
        )
        for item in broken
    ]
    return tag(
        "div",
        tag("h3", badge(line.word), f" {word}, {line.took}"),
        tag("p", line.error) if line.error else None,
        moments,
        *evidence,
        command(f"unstuck replay {told.folder}/{line.folder}") if line.folder else None,
        tag("p", tag("a", "its own report", href=f"{line.folder}/report.html")) if line.folder else None,
    )


def _timeline(word: str, line: RunLine) -> Markup | None:
    """The picture alone: its own page has what zooms it."""
    if line.summary is None:
        return None
    picture = timeline(line.summary, Places(line.summary), tools=False)
    return join(tag("h2", f"Timeline, {word}"), _apart(picture, word.replace(" ", "-")))


def _apart(picture: Markup, prefix: str) -> Markup:
    """With ids of its own, since two pictures are on this page. Quotes in texts from outside are escaped, so
    that these words with a quote stand in our own tags only."""
    return trusted(picture.replace(' id="', f' id="{prefix}-').replace('href="#', f'href="#{prefix}-'))
