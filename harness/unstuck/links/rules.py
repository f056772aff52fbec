"""Rules and link states as data, and the pure bookkeeping that says whose turn it is.

Both sides of the control connection share this module: the harness builds rules, the proxy counts.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any, ClassVar, Literal, NamedTuple

from unstuck.errors import UsageError, did_you_mean
from unstuck.links.messages import Exchange

On = Literal["request", "reply"]
Then = Literal["forward", "cut"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """The proxy replies; the dependency never sees the request.

    `body` None: success in the dependency's own words. SQS SendMessage(Batch) gets message ids that no
    queue has ever held; they are in the `done` event (`message_ids`), and the loss has landed if none
    of them is ever received. Anything else gets an empty body.
    """

    kind: ClassVar[str] = "answer"
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    body: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Drop:
    """The message is swallowed, and everything after it in that direction of that connection: a gap
    in a byte stream would be a fault that no network makes."""

    kind: ClassVar[str] = "drop"


@dataclass(frozen=True, slots=True, kw_only=True)
class Delay:
    """The message, and all behind it in its direction, waits `delay_s`."""

    kind: ClassVar[str] = "delay"
    delay_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Duplicate:
    """The request reaches the dependency once more, on a connection of its own, `after_s` after the
    original went on; the client sees the original's reply only."""

    kind: ClassVar[str] = "duplicate"
    after_s: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Hold:
    """The message waits until the harness releases it, to go on or to be cut."""

    kind: ClassVar[str] = "hold"


@dataclass(frozen=True, slots=True, kw_only=True)
class Cut:
    """Both connections end before the request goes on, or instead of the reply; `reset` by RST."""

    kind: ClassVar[str] = "cut"
    reset: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Error:
    """The proxy replies with an error in the dependency's own words; the dependency sees nothing.

    `status` is for HTTP. `code` is what else the protocol calls an error by: AWS's name of it
    (ServiceUnavailable), the SQLSTATE (57P03), the first word of a Redis error (ERR), the number of an AMQP
    reply (541); None: the one in brackets.
    """

    kind: ClassVar[str] = "error"
    status: int = 503
    code: str | None = None
    message: str = "injected by a fault"


Action = Answer | Drop | Delay | Duplicate | Hold | Cut | Error
ACTIONS: Mapping[str, type[Action]] = {
    action.kind: action for action in (Answer, Drop, Delay, Duplicate, Hold, Cut, Error)
}
REQUEST_ONLY = frozenset({"answer", "duplicate", "error"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """What to do with which messages. Counting starts when the rule is added.

    `link` and `label` are exact or globs; `contains` is looked for in the SQL with its parameters, or
    in the request's target and body. At most one of `nth` (1-based), `first_n` and `every`; none
    means `nth=1`. `on` says where it acts: before the request goes on, or before its reply does. A reply
    that a rule may act on waits until it is whole, or 256 KiB of it have come: do not aim at endless ones.
    """

    id: str
    action: Action
    link: str = "*"
    label: str = "*"
    contains: str | None = None
    on: On = "request"
    nth: int | None = None
    first_n: int | None = None
    every: bool = False

    def __post_init__(self) -> None:
        where = f"rule {self.id!r}:"
        if (self.nth is not None) + (self.first_n is not None) + self.every > 1:
            raise UsageError(f"{where} nth, first_n and every exclude each other. Keep one.")
        for name, number in (("nth", self.nth), ("first_n", self.first_n)):
            if number is not None and number < 1:
                raise UsageError(f"{where} {name}={number!r} must be 1 or more, since counting starts at 1.")
        if self.on not in ("request", "reply"):
            raise UsageError(f"{where} on={self.on!r} must be 'request' or 'reply'.")
        if self.on == "reply" and self.action.kind in REQUEST_ONLY:
            raise UsageError(f"{where} action={self.action.kind!r} acts on requests. Use on='request'.")

    def matches(self, exchange: Exchange) -> bool:
        """True when label and text fit; counting is not its business."""
        label = exchange.label
        if self.label != label and not fnmatchcase(label, self.label):
            return False
        return self.contains is None or self.contains in exchange.text()

    def fires_at(self, count: int) -> bool:
        """True when the `count`-th matching message (1-based) is one that the rule acts on."""
        if self.every:
            return True
        if self.first_n is not None:
            return count <= self.first_n
        return count == (self.nth or 1)

    def is_over_after(self, count: int) -> bool:
        """True when no message after the `count`-th can make it act."""
        return not self.every and count >= (self.first_n or self.nth or 1)


def encode_rule(rule: Rule) -> dict[str, Any]:
    """A JSON object; `decode_rule` gives back an equal rule."""
    record = dataclasses.asdict(rule)
    record["action"] = {"kind": rule.action.kind, **dataclasses.asdict(rule.action)}
    return record


def decode_rule(record: Mapping[str, Any]) -> Rule:
    """Raises `UsageError` on an unknown action or field."""
    values = dict(record)
    action = dict(values.pop("action", {}))
    kind = str(action.pop("kind", ""))
    if kind not in ACTIONS:
        raise UsageError(f"rule: action={kind!r} is unknown.{did_you_mean(kind, ACTIONS)}")
    try:
        return Rule(action=ACTIONS[kind](**action), **values)
    except TypeError as error:
        raise UsageError(f"rule {values.get('id')!r}: {error}.") from error


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkState:
    """What a whole link does: `up`; `down` (existing connections are reset, new ones refused);
    `blackhole` (nothing moves, nothing closes; on `up` what waited goes on, as after a partition);
    `latency` (every byte `latency_s` late, each way)."""

    kind: Literal["up", "down", "blackhole", "latency"] = "up"
    latency_s: float = 0.0

    def __post_init__(self) -> None:
        if self.kind not in STATES:
            raise UsageError(f"link state: kind={self.kind!r} is unknown.{did_you_mean(self.kind, STATES)}")
        if (self.kind == "latency") != (self.latency_s > 0):
            raise UsageError(f"link state: latency_s={self.latency_s!r} goes with 'latency', above 0.")


STATES = ("up", "down", "blackhole", "latency")
UP = LinkState()
DOWN = LinkState(kind="down")
BLACKHOLE = LinkState(kind="blackhole")


def latency(latency_s: float) -> LinkState:
    """Every byte `latency_s` late in each direction, in order."""
    return LinkState(kind="latency", latency_s=latency_s)


class Match(NamedTuple):
    """A rule and which of its matching messages this one was."""

    rule: Rule
    nth: int


class RuleBook:
    """The rules in force, in the order in which they were added, and how often each has matched."""

    def __init__(self) -> None:
        self._rules: dict[str, Rule] = {}
        self._counts: dict[str, int] = {}
        self._by_link: dict[tuple[str, str], tuple[Rule, ...]] = {}

    def add(self, rule: Rule) -> None:
        """Raises `UsageError` when a rule with this id is in force."""
        if rule.id in self._rules:
            raise UsageError(f"rule: id={rule.id!r} is already in force. Remove it first.")
        self._rules[rule.id] = rule
        self._counts[rule.id] = 0
        self._by_link.clear()

    def remove(self, rule_id: str) -> None:
        """Raises `UsageError` when there is no such rule."""
        if rule_id not in self._rules:
            raise UsageError(f"rule: id={rule_id!r} is not in force.{did_you_mean(rule_id, self._rules)}")
        del self._rules[rule_id], self._counts[rule_id]
        self._by_link.clear()

    def rules_for(self, link: str, on: On) -> tuple[Rule, ...]:
        """Those that look at messages of this link and direction."""
        key = (link, on)
        found = self._by_link.get(key)
        if found is None:
            found = tuple(
                rule
                for rule in self._rules.values()
                if rule.on == on and (rule.link == link or fnmatchcase(link, rule.link))
            )
            self._by_link[key] = found
        return found

    def may_fire(self, link: str, on: On, exchange: Exchange) -> bool:
        """True when a rule could act on this message; counts nothing."""
        return any(
            not rule.is_over_after(self._counts[rule.id]) and rule.matches(exchange)
            for rule in self.rules_for(link, on)
        )

    def judge(self, link: str, on: On, exchange: Exchange) -> list[Match]:
        """Counts the message for every rule that it fits; those whose turn it is, oldest rule first."""
        matches = []
        for rule in self.rules_for(link, on):
            if rule.matches(exchange):
                self._counts[rule.id] += 1
                if rule.fires_at(self._counts[rule.id]):
                    matches.append(Match(rule, self._counts[rule.id]))
        return matches
