"""Rules match by label and text, count, and say when it is their turn."""

from __future__ import annotations

import json

import pytest

from unstuck.errors import UsageError
from unstuck.links.messages import Exchange
from unstuck.links.rules import (
    Answer,
    Cut,
    Delay,
    Drop,
    Duplicate,
    Error,
    Hold,
    LinkState,
    Rule,
    RuleBook,
    decode_rule,
    encode_rule,
)


class Message(Exchange):
    """An exchange with a text."""

    def __init__(self, label: str, text: str = "") -> None:
        super().__init__(number=1, label=label, offset=0, expects_reply=True)
        self._text = text

    def text(self) -> str:
        return self._text


def fired(rule: Rule, messages: list[Message], link: str = "relay.queue") -> list[int]:
    """Positions (from 1) of the messages at which the rule acts."""
    book = RuleBook()
    book.add(rule)
    return [n for n, message in enumerate(messages, 1) if book.judge(link, "request", message)]


def test_without_a_count_only_the_first_match_fires() -> None:
    """`once` is the default: each must be said."""
    assert fired(Rule(id="r", action=Drop()), [Message("a")] * 3) == [1]


def test_the_nth_counts_matching_messages_only() -> None:
    """Messages with other labels do not move the count."""
    messages = [Message("a"), Message("b"), Message("a"), Message("b"), Message("a")]
    assert fired(Rule(id="r", action=Drop(), label="b", nth=2), messages) == [4]


def test_first_n_fires_up_to_and_with_the_nth() -> None:
    """`first_n=2` acts on the first and the second."""
    assert fired(Rule(id="r", action=Drop(), first_n=2), [Message("a")] * 4) == [1, 2]


def test_every_fires_each_time() -> None:
    """`every` has no end."""
    assert fired(Rule(id="r", action=Drop(), every=True), [Message("a")] * 3) == [1, 2, 3]


@pytest.mark.parametrize(
    ("label", "fits"),
    [("UPDATE jobs", True), ("UPDATE *", True), ("*jobs", True), ("update jobs", False), ("UPDATE", False)],
)
def test_a_label_fits_exactly_or_as_a_glob(label: str, fits: bool) -> None:
    """Globs are case-sensitive, and a prefix alone does not fit."""
    assert bool(fired(Rule(id="r", action=Drop(), label=label), [Message("UPDATE jobs")])) is fits


def test_an_exact_label_with_brackets_fits_itself() -> None:
    """A path template is taken literally before it is taken as a glob."""
    label = "GET /jobs/[id]"
    assert fired(Rule(id="r", action=Drop(), label=label), [Message(label)]) == [1]


def test_contains_looks_into_the_text() -> None:
    """Only the message that mentions the job is counted."""
    messages = [Message("a", "job j-1"), Message("a", "job j-2"), Message("a", "job j-2 again")]
    assert fired(Rule(id="r", action=Drop(), contains="j-2", nth=2), messages) == [3]


@pytest.mark.parametrize(("link", "fits"), [("relay.queue", True), ("relay.*", True), ("*.database", False)])
def test_a_rule_sees_only_the_links_that_it_names(link: str, fits: bool) -> None:
    """A rule for another link neither fires nor counts."""
    assert bool(fired(Rule(id="r", action=Drop(), link=link), [Message("a")])) is fits


def test_the_count_runs_across_links_that_a_glob_names() -> None:
    """The second message of either link is the second of the rule."""
    book = RuleBook()
    book.add(Rule(id="r", action=Drop(), link="*.queue", nth=2))
    assert not book.judge("relay.queue", "request", Message("a"))
    assert [match.nth for match in book.judge("worker.queue", "request", Message("a"))] == [2]


def test_requests_and_replies_are_counted_apart() -> None:
    """A rule on replies does not see requests."""
    book = RuleBook()
    book.add(Rule(id="r", action=Drop(), on="reply"))
    assert not book.judge("l", "request", Message("a"))
    assert book.judge("l", "reply", Message("a"))


def test_a_rule_that_is_over_may_not_fire_again() -> None:
    """So replies need not be gathered for it."""
    book = RuleBook()
    book.add(Rule(id="r", action=Hold(), on="reply"))
    assert book.may_fire("l", "reply", Message("a"))
    book.judge("l", "reply", Message("a"))
    assert not book.may_fire("l", "reply", Message("a"))


def test_all_rules_whose_turn_it_is_are_named_in_order_of_adding() -> None:
    """The proxy applies the first and reports the others as shadowed."""
    book = RuleBook()
    for name in ("second-oldest", "a-later-one"):
        book.add(Rule(id=name, action=Drop()))
    assert [match.rule.id for match in book.judge("l", "request", Message("a"))] == [
        "second-oldest",
        "a-later-one",
    ]


def test_a_removed_rule_neither_fires_nor_is_known() -> None:
    """Removing twice is an error that names what is in force."""
    book = RuleBook()
    book.add(Rule(id="drop-it", action=Drop(), every=True))
    book.remove("drop-it")
    assert not book.judge("l", "request", Message("a"))
    book.add(Rule(id="drop-that", action=Drop()))
    with pytest.raises(UsageError, match="Did you mean 'drop-that'"):
        book.remove("drop-tat")


def test_an_id_is_in_force_once() -> None:
    """Adding it again is refused."""
    book = RuleBook()
    book.add(Rule(id="r", action=Drop()))
    with pytest.raises(UsageError, match="already in force"):
        book.add(Rule(id="r", action=Drop()))


@pytest.mark.parametrize(
    "fields",
    [{"nth": 1, "every": True}, {"nth": 0}, {"first_n": -1}, {"nth": 1, "first_n": 1}, {"on": "answer"}],
)
def test_a_contradictory_count_is_refused(fields: dict[str, object]) -> None:
    """At most one of nth, first_n, every; each from 1 on."""
    with pytest.raises(UsageError, match="rule 'r'"):
        Rule(id="r", action=Drop(), **fields)  # type: ignore[arg-type]  # that is the point


@pytest.mark.parametrize("action", [Answer(), Duplicate(), Error()])
def test_actions_on_requests_are_refused_on_replies(action: Answer | Duplicate | Error) -> None:
    """A reply cannot be answered or duplicated."""
    with pytest.raises(UsageError, match="Use on='request'"):
        Rule(id="r", action=action, on="reply")


@pytest.mark.parametrize(
    "action",
    [
        Answer(status=202, headers={"X-A": "1"}, body="b"),
        Drop(),
        Delay(delay_s=0.5),
        Duplicate(after_s=1.0),
        Hold(),
        Cut(reset=False),
        Error(status=500, code="C", message="m"),
    ],
    ids=lambda action: action.kind,
)
def test_a_rule_survives_the_wire(action: Answer | Drop | Delay | Duplicate | Hold | Cut | Error) -> None:
    """Encoding to JSON and back gives an equal rule."""
    rule = Rule(id="r", action=action, link="a.*", label="X", contains="c", nth=3)
    assert decode_rule(json.loads(json.dumps(encode_rule(rule)))) == rule


@pytest.mark.parametrize(
    ("record", "text"),
    [
        ({"id": "r", "action": {"kind": "dropp"}}, "Did you mean 'drop'"),
        ({"id": "r", "action": {"kind": "drop", "delay_s": 1}}, "delay_s"),
        ({"id": "r", "action": {"kind": "drop"}, "nnth": 1}, "nnth"),
    ],
)
def test_an_unknown_action_or_field_is_named(record: dict[str, object], text: str) -> None:
    """One line says what is unknown."""
    with pytest.raises(UsageError, match=text):
        decode_rule(record)


@pytest.mark.parametrize("fields", [{"kind": "donw"}, {"kind": "latency"}, {"kind": "up", "latency_s": 1.0}])
def test_a_contradictory_state_is_refused(fields: dict[str, object]) -> None:
    """`latency_s` goes with `latency`, and only known states exist."""
    with pytest.raises(UsageError, match="link state"):
        LinkState(**fields)  # type: ignore[arg-type]  # that is the point
