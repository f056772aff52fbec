"""Crash points: places of messages that matter, named so that another run finds the same ones again.

The name of a place is (link, label, before or on reply, the nth of these since the first client began).
Counting fails where traffic comes by the clock or in a race: there a word of the message's text takes its
place, if one tells it from the others. What neither names is not covered, and said.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from typing import Final, NamedTuple, get_args

from unstuck.explorer.life import ENDED, Life
from unstuck.explorer.messages import Message
from unstuck.links.rules import On

PLACES: Final[Mapping[On, str]] = {"request": "before it goes on", "reply": "on its reply"}
_WORD = re.compile(r"[A-Za-z][A-Za-z_.]{2,39}")
_IDENTITY = re.compile(r"[\w-]*\d[\w.-]*")  # whatever has a digit in it may be another one in another run


@dataclass(frozen=True, slots=True, kw_only=True)
class CrashPoint:
    """A place where a trial strikes. `nth` counts what the label and `contains` fit, from 1.

    `constant`: the same message was also seen while there was no job. `repeated`: constant, and not as often
    in each run: the first stands for all of them.
    """

    link: str
    label: str
    on: On
    nth: int
    text: str
    life: str
    at_ns: int
    contains: str | None = None
    constant: bool = False
    repeated: bool = False

    @property
    def told(self) -> str:
        """The message by its label, and what else names it."""
        if self.repeated:
            return f"{self.label} (again and again)"
        if self.contains:
            return f"{self.label} with {self.contains}"
        return f"{self.label} (no. {self.nth})" if self.nth > 1 else self.label

    @property
    def role(self) -> str:
        return self.link.partition(".")[0]

    @property
    def is_named(self) -> bool:
        """True for a test point: `link` is the role that stands there, and `label` its name."""
        return "." not in self.link

    @property
    def place(self) -> str:
        return "at it" if self.is_named else PLACES[self.on]

    def is_at(self, other: CrashPoint) -> bool:
        """True for the same place of the same run, however it is named."""
        return (self.link, self.label, self.on, self.at_ns) == (
            other.link, other.label, other.on, other.at_ns,
        )  # fmt: skip


class Group(NamedTuple):
    """What a rule without `contains` cannot tell apart."""

    link: str
    label: str
    on: On


@dataclass(frozen=True, slots=True, kw_only=True)
class Unsettled:
    """Messages that matter and that no rule finds again, and why."""

    group: Group
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Settled:
    """Crash points that each of several runs had, in the order of the first one, and all others."""

    points: tuple[CrashPoint, ...]
    unsettled: tuple[Unsettled, ...]


def named_points(names: Iterable[str], roles: Collection[str], workers: Collection[str]) -> list[CrashPoint]:
    """Test points as crash points. Who stands there: the role that begins its name, else the only worker;
    a point of nobody in particular is left out (`unstuck.explorer.trials.untried` says so).
    """
    points = []
    for number, name in enumerate(sorted(names)):
        first = name.partition(".")[0]
        role = first if first in roles else next(iter(workers), "") if len(workers) == 1 else ""
        if role:
            points.append(
                CrashPoint(
                    link=role, label=name, on="request", nth=1, text="", life="test points", at_ns=number
                )
            )
    return points


def points_of(messages: Sequence[Message], life: Life, *, from_ns: int) -> tuple[CrashPoint, ...]:
    """Every place that matters from `from_ns` on, in the order of time."""
    points: list[CrashPoint] = []
    without_job = _without_job(messages, life, from_ns)
    for on in get_args(On):
        counts: dict[tuple[str, str], int] = defaultdict(int)
        there = [
            (at_ns, one) for one in messages if (at_ns := one.at_ns(on)) is not None and at_ns >= from_ns
        ]
        for at_ns, message in sorted(there, key=lambda pair: pair[0]):
            counts[message.link, message.label] += 1
            if message.matters(on):
                points.append(
                    CrashPoint(
                        link=message.link, label=message.label, on=on, text=message.text, at_ns=at_ns,
                        nth=counts[message.link, message.label],
                        life=life.chapter(message, at_ns), constant=_key(message) in without_job,
                    )
                )  # fmt: skip
    return tuple(sorted(points, key=lambda point: point.at_ns))


def _without_job(messages: Iterable[Message], life: Life, from_ns: int) -> frozenset[tuple[str, ...]]:
    """What the service sends before the first client, or after the job's end."""
    there = [(one, one.requested_ns or one.replied_ns or 0) for one in messages]
    return frozenset(
        _key(one) for one, at_ns in there if at_ns < from_ns or life.chapter(one, at_ns).startswith(ENDED)
    )


def _key(message: Message) -> tuple[str, ...]:
    return message.link, message.label, _IDENTITY.sub("*", message.text)


def settle(runs: Sequence[Sequence[CrashPoint]]) -> Settled:
    """Which points of the first run are in all others, too."""
    grouped = [_grouped(run) for run in runs]
    points: list[CrashPoint] = []
    unsettled: list[Unsettled] = []
    for group in dict.fromkeys(group for run in grouped for group in run):
        found, why = _settled([run.get(group, []) for run in grouped])
        points += found
        if why:
            unsettled.append(Unsettled(group=group, why=why))
    points.sort(key=lambda point: point.at_ns)
    return Settled(points=tuple(points), unsettled=tuple(unsettled))


def pattern_of(label: str, labels: Iterable[str]) -> str:
    """The label as a trigger writes it: as it is, unless its `*` would fit another label of the link, too."""
    if not any(other != label and fnmatchcase(other, label) for other in labels):
        return label
    return "".join(f"[{char}]" if char in "*?[" else char for char in label)


def _grouped(points: Iterable[CrashPoint]) -> Mapping[Group, list[CrashPoint]]:
    groups: dict[Group, list[CrashPoint]] = {}
    for point in points:
        groups.setdefault(Group(point.link, point.label, point.on), []).append(point)
    return groups


def _settled(runs: Sequence[Sequence[CrashPoint]]) -> tuple[list[CrashPoint], str]:
    """The points of the first run by names that hold in every run, and why there are not more."""
    first = list(runs[0])
    numbers = [[point.nth for point in run] for run in runs]
    if all(one == numbers[0] for one in numbers) and _same_order(runs):
        return first, ""
    texts = {_IDENTITY.sub("*", point.text) for run in runs for point in run}
    # COMMIT is the same text for whatever it commits; what names a key or a table is told by its text.
    constant = any(point.constant for run in runs for point in run)
    if constant and all(runs) and len(texts) == 1 and " " in first[0].label:
        return [replace(first[0], nth=1, repeated=True)], ""
    named = [one for point in first if (one := _named(point, runs)) is not None]
    if all(len(run) == len(named) for run in runs):
        return named, ""
    rest = "of the others " if named else ""
    counts = " and ".join(str(len(run) - len(named)) for run in runs)
    if len({len(run) for run in runs}) > 1:
        why = f"came {counts} times in runs of the same job, and no word {rest}tells one from another"
    else:
        why = f"came in another order in each run, and no word {rest}tells one from another"
    return named, why


def _same_order(runs: Sequence[Sequence[CrashPoint]]) -> bool:
    """False only when the same texts came in different orders: what changes each time proves nothing."""
    texts = [[_IDENTITY.sub("*", point.text) for point in run] for run in runs]
    return all(one == texts[0] or sorted(one) != sorted(texts[0]) for one in texts)


def _named(point: CrashPoint, runs: Sequence[Sequence[CrashPoint]]) -> CrashPoint | None:
    """The point by a word that one message of each run has, and no other of the group."""
    for word in dict.fromkeys(_WORD.findall(point.text)):
        if all(sum(word in other.text for other in run) == 1 for run in runs):
            return replace(point, contains=word, nth=1)
    return None
