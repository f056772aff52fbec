"""A dependency that is away is left alone."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from fnmatch import fnmatchcase
from typing import Any

from unstuck.checks.port import Evidence, PropertyResult
from unstuck.checks.result import conclude, plural
from unstuck.checks.story import Story, text_of
from unstuck.history import Event

NAME = "calls_in_vain"
PROMISE = "A dependency that does not answer is asked no more often than allowed."
PARAMETERS: Mapping[str, tuple[type, ...]] = {"link": (str,), "most": (int,)}

SPOILING = frozenset({"cut_message", "drop_message", "error_message"})
"""Faults that keep a request from its answer."""


def check(story: Story, params: Mapping[str, Any]) -> PropertyResult:
    """`most`: requests in vain on `link` (`role.dependency`, of all processes of the role; left out: on
    each link), in the whole run. In vain is one that found nobody, one whose reply had not come
    when whoever asked gave up, or the dependency went, and one that a fault refused or lost.
    """
    most = params.get("most")
    counts: Counter[str] = Counter()
    last: dict[str, Event] = {}
    for event in story.calls:
        link = text_of(event, "link") or ""
        if _is_in_vain(story, event) and _is_of(link, params.get("link")):
            counts[_of_role(link)] += 1
            last[_of_role(link)] = event
    broken: list[Evidence] = []
    if most is not None:
        for link, count in counts.items():
            if count > most:
                message = f"{link} was asked {count} times in vain, {most} are allowed"
                broken.append(Evidence(job=None, message=message, events=(last[link].number,)))
    return conclude(
        NAME,
        judged=len(counts) if most is not None else 0,
        summary=f"{plural(counts.total(), 'call')} in vain on {plural(len(counts), 'link')}",
        broken=broken,
        figures={"in_vain": counts.total()} if counts else {},
    )


def _is_in_vain(story: Story, event: Event) -> bool:
    if event.phase in {"refused", "unanswered"}:
        return True
    number = str(event.data.get("rule", "")).removeprefix("fault-")
    fault = story.faults.get(int(number)) if number.isdigit() else None
    return fault is not None and fault.name in SPOILING


def _of_role(link: str) -> str:
    """`worker.vision` of `worker-1.vision`: as a scenario names it."""
    process, _, dependency = link.partition(".")
    role, _, number = process.rpartition("-")
    return f"{role}.{dependency}" if number.isdigit() else link


def _is_of(link: str, wanted: str | None) -> bool:
    return wanted is None or fnmatchcase(_of_role(link), wanted)
