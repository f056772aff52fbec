"""A broken promise on the page: which job, where it stopped, who held it, what should have moved it on."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Final
from urllib.parse import quote

from unstuck.checks.port import Verdict
from unstuck.report.markup import Child, Markup, tag
from unstuck.report.model import BrokenPromise, JobLine, Summary
from unstuck.report.places import PlacedMark, Places
from unstuck.report.text import told_in_full
from unstuck.report.words import facts_text, span

IN_FULL: Final = 25  # broken promises with the events around them; verdict.json has them all


def broken_promises(summary: Summary, places: Places) -> list[Markup]:
    """The first one open, the others folded: the timeline must not be pages away."""
    jobs = {job.id: job for job in summary.jobs}
    first = next(iter(told_in_full(summary)), None)
    ranked = sorted(enumerate(summary.broken), key=lambda one: one[1] is not first)
    cards = [
        (item, _card(item, places.marks(nth), jobs.get(item.job or ""), places, logs=bool(summary.folder)))
        for nth, item in ranked[:IN_FULL]
    ]
    shown = [card for _, card in cards[:1]]
    folded = [
        tag("details", tag("summary", f"{item.property}, {item.job or 'the run'}: {item.message}"), card)
        for item, card in cards[1:]
    ]
    if not folded:
        return shown
    count = len(summary.broken) - len(cards)
    more = tag("p", f"… and {count} more; verdict.json has them all.") if count else None
    kinds = Counter(item.property for _, item in ranked[1:])
    told = ", ".join(f"{name} {number}" for name, number in kinds.most_common())
    return [*shown, tag("details", tag("summary", f"{len(ranked) - 1} more: {told}"), *folded, more)]


def says_it_all(item: BrokenPromise) -> bool:
    """True when the message itself says where the job stopped, who held it and who moves it on."""
    return bool(item.stopped and item.moves_on and item.moves_on in item.message)


def _card(
    item: BrokenPromise, marks: list[PlacedMark], job: JobLine | None, places: Places, *, logs: bool
) -> Markup:
    kind = "Broken promise" if item.verdict is Verdict.FAIL else "Unclear"
    place = marks[-1].id if marks else places.job(item.job)
    go = tag("a", "show on the timeline", href=f"#{place}", class_="go") if place else None
    facts = facts_text(item.facts)
    found = tag("p", "logs: ", *_logs(item.logs), class_="soft") if logs and item.logs else None
    return tag(
        "section",
        tag("h3", tag("span", f"{kind}: {item.property}"), go),
        tag("p", item.promise, class_="soft") if item.promise else None,
        tag("dl", *_answers(item, job), class_="answers"),
        tag("p", tag("b", f"{item.job} ") if item.job else None, item.message)
        if not says_it_all(item)
        else None,
        tag("p", f"facts: {facts}", class_="soft") if facts and not item.stopped else None,
        tag("div", _around(item, marks), found, class_="deeper"),
        class_=f"card {item.verdict}",
    )


def _answers(item: BrokenPromise, job: JobLine | None) -> Iterable[Markup]:
    """The four questions that a stuck job raises; what does not arise is left out."""
    ended = ""
    if job is not None and job.stays and not item.stopped:
        ended = f"{job.stays[-1].state}, since {span(job.stays[-1].from_s)}"
    tagged = f" ({job.tag})" if job is not None and job.tag not in (None, "job") else ""
    answers: list[tuple[str, Child]] = [
        ("which job", tag("b", f"{item.job}{tagged}") if item.job else ""),
        ("where it stopped" if item.stopped else "where it is", item.stopped or ended),
        ("who held it", item.held_by),
        ("what should have moved it on", item.moves_on if item.stopped else ""),
    ]
    return [tag("div", tag("dt", question), tag("dd", answer)) for question, answer in answers if answer]


def _around(item: BrokenPromise, marks: list[PlacedMark]) -> Markup | None:
    """The events around the break; those that show it lead to their marks, which are in the same order."""
    if not item.excerpt:
        return None
    rest = iter(marks)
    lines: list[Child] = []
    for line in item.excerpt:
        if "▶" in line[:12]:
            mark = next(rest, None)
            lines.append(tag("a", line, href=f"#{mark.id}") if mark else tag("b", line))
        else:
            lines.append(line)
        lines.append(tag("br"))
    return tag("details", tag("summary", "the events around it"), tag("pre", *lines))


def _logs(logs: Iterable[str]) -> list[Child]:
    return [child for log in logs for child in (tag("a", log, href=quote(log)), " ")]
