"""docs/findings.md: what runs showed, joined with what no run can know."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby

import yaml

from bench.explanations import Explanation
from bench.seen import DEFAULTS, ROOT, Broken, Seen
from unstuck.targets.ready import ready_folder

PAGE = ROOT / "docs/findings.md"
WIDTH = 110
HEAD = """\
# Findings

What broke the promises of the systems that come [ready-made](your-own-service.md), with the command that
shows it. Each line was seen in a run of the day that its chapter names, with the versions named there; what
no run showed is not here. What the documentation says is put in other words; the threads are of the
systems' own trackers.

*Class* is a word of the [glossary](glossary.md#jobs), or the [property](properties.md) that was broken. A job
counts as *stuck* when it was held at the end of a budget of 25 s (of an [exploration](explore.md): 5 s, or as
long as a system needs that says that it helps itself within half a minute). *Later* says when it was taken
up after all: seen (*rescued*), by the target file's own word (*expected*), or *never*. The promise is the one
that the target file declares: *at most once* may lose a job, and *at least once* may do it twice.

Made by `python -m bench findings --explore --write`; docs/findings/*.yaml has what no run can know.
"""
_OF_KIND = r"\b{}(?: after \d+ starts)?(?:, never started)?(?: \(([^)]*)\))?"
MODES = {
    "kill": "Everything of the process that sends the message or awaits its reply is killed (SIGKILL)",
    "pause": "Everything of the process that sends the message or awaits its reply is stopped (SIGSTOP)",
    "cut": "The connection is cut",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """An explanation with the places where a run has shown it, the smallest first."""

    explanation: Explanation
    places: tuple[Broken, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Joined:
    """`unshown`: explanations that no run bears out. `unexplained`: broken promises without one."""

    shown: tuple[Shown, ...]
    unshown: tuple[Explanation, ...]
    unexplained: tuple[Broken, ...]


def joined(seen: Mapping[str, Seen], explanations: Sequence[Explanation]) -> Joined:
    """What both know together."""
    broken = [one for each in seen.values() for one in each.broken()]
    shown, unshown = [], []
    for explanation in explanations:
        places = [one for one in broken if explanation.explains(one)]
        if places:
            places.sort(key=lambda one: (explanation.rank(one) or 0, one.configuration != DEFAULTS))
            shown.append(Shown(explanation=explanation, places=tuple(places)))
        else:
            unshown.append(explanation)
    told = {one for each in shown for one in each.places}
    return Joined(
        shown=tuple(shown),
        unshown=tuple(unshown),
        unexplained=tuple(one for one in broken if one not in told),
    )


def page(seen: Mapping[str, Seen], explanations: Sequence[Explanation]) -> str:
    """The whole page."""
    found = joined(seen, explanations)
    parts = [HEAD, *_tried(seen), *_overview(found)]
    for target, one in sorted(seen.items()):
        own = [each for each in found.shown if each.explanation.target == target]
        if own:
            parts += [_chapter(target, one), *(_finding(each) for each in own)]
    if found.unexplained:
        parts += ["## Not yet explained\n", *_unexplained(found.unexplained)]
    return "\n".join(parts)


def _tried(seen: Mapping[str, Seen]) -> Iterator[str]:
    """For each configuration, how much kept every promise of what could be judged."""
    yield "## How much was tried\n"
    yield "Cases of scenarios and trials of explorations that kept every promise, of those judged.\n"
    yield "| system | configuration | cases | trials |"
    yield "|---|---|---|---|"
    for target, one in sorted(seen.items()):
        for configuration in dict.fromkeys(case.configuration for case in one.cases):
            cases = [case for case in one.cases if case.configuration == configuration]
            kept, judged = (
                sum(case.verdict in words for case in cases) for words in ({"pass"}, {"pass", "fail"})
            )
            explored = [each for each in one.explored if each.configuration == configuration]
            landed = sum(each.landed for each in explored)
            sound = landed - sum(len(each.broken) for each in explored)
            trials = f"{sound} of {landed}" if explored else ""
            name = f"[{title(target)}](targets/{target}.md)"
            yield f"| {name} | {configuration} | {kept} of {judged} | {trials} |"
    yield ""


def _overview(found: Joined) -> Iterator[str]:
    yield "## All of them\n"
    yield "| system | finding | class | later | configuration |"
    yield "|---|---|---|---|---|"
    for each in found.shown:
        told = each.explanation
        configurations = ", ".join(dict.fromkeys(one.configuration for one in each.places))
        link = f"[{told.title}](#{anchor(told.title)})"
        yield f"| {title(told.target)} | {link} | {_word(told.kind)} | {later(each)} | {configurations} |"
    yield ""


def later(each: Shown) -> str:
    """What became of the jobs after the budget: seen to be taken up, by the target's own word, or never."""
    kind = re.compile(_OF_KIND.format(_word(each.explanation.kind)))
    notes = [match[1] or "" for one in each.places for match in kind.finditer(one.told)]
    for word in ("rescued", "expected", "never"):
        found = [part for note in notes for part in note.split(", ") if part.startswith(word)]
        if found:
            return found[0]
    return ""


def _chapter(target: str, one: Seen) -> str:
    versions = ", ".join(f"{name} {version}" for name, version in one.versions.items())
    return f"## {title(target)}\n\n{versions}; {one.date}. [The target](targets/{target}.md).\n"


def _finding(each: Shown) -> str:
    told, first = each.explanation, each.places[0]
    lines = [f"### {told.title}", ""]
    lines += _item("Fault", fault(first))
    lines += _item("Class", f"*{_word(told.kind)}*; seen: " + "; ".join(_seen(each.places)))
    lines += _item("Shown by", f"`{first.command}`")
    lines += _item("Documentation", f"{told.documented} ([page]({told.page}))")
    if told.cause:
        lines += _item("Cause", told.cause)
    lines += _item(
        "Upstream", ", ".join(f"[{thread(url)}]({url})" for url in told.upstream) or "no thread found"
    )
    return "\n".join(lines) + "\n"


def _seen(places: Iterable[Broken]) -> Iterator[str]:
    """By configuration: `defaults: worker-killed (2 lost, 1 ok), …`."""
    ordered = sorted(places, key=lambda one: one.configuration != DEFAULTS)  # stable: ranks stay in order
    for configuration, own in groupby(ordered, key=lambda one: one.configuration):
        cells = [f"`{_short(one.at)}` ({one.told})" for one in own]
        yield f"{configuration}: " + ", ".join(cells)


def _unexplained(broken: Iterable[Broken]) -> Iterator[str]:
    yield "Seen in the same runs, without an entry: the machine, a bug of ours, or a finding to come.\n"
    for one in broken:
        place = f"`{_short(one.at)}` ({one.told})"
        yield f"- {title(one.target)}, {one.configuration}: {_word(one.kind)} in {place};"
        yield f"  `{one.command}`"
    yield ""


def _item(name: str, text: str) -> list[str]:
    return textwrap.wrap(
        f"- **{name}**: {text}",
        WIDTH,
        subsequent_indent="  ",
        break_long_words=False,
        break_on_hyphens=False,
    )


def fault(one: Broken) -> str:
    """What is done: a scenario's summary, or where a crash point is."""
    if one.explored:
        mode, _, place = _short(one.at).partition(" at ")
        link, _, message = place.partition(" ")
        message, _, where = message.rpartition(", ")
        return f"{MODES[mode]}, at `{message}` on the link {link}, {where}."
    name, _, case = one.at.partition("[")
    said = yaml.safe_load((ready_folder() / f"scenarios/{name}.yaml").read_text(encoding="utf-8"))
    summary = " ".join(said["summary"].split())
    return f"{summary} Here: `{case.rstrip(']')}`." if case else summary


def _short(at: str) -> str:
    """A transaction of more than two commands by its first two; the title of a case as it is."""
    parts = at.split(", ")
    return ", ".join([*parts[:2], "…", parts[-1]]) if " at " in at and len(parts) > 3 else at


def title(target: str) -> str:
    """As its page is headed."""
    return (ROOT / f"docs/targets/{target}.md").read_text(encoding="utf-8").partition("\n")[0].lstrip("# ")


def anchor(heading: str) -> str:
    """As Markdown makes it of a heading."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


def thread(url: str) -> str:
    """`celery/kombu#305`."""
    match = re.fullmatch(r"https://github\.com/([^/]+/[^/]+)/(?:issues|pull|discussions)/(\d+)", url)
    return f"{match[1]}#{match[2]}" if match else url


def _word(kind: str) -> str:
    return kind.replace("_", " ")
