"""words: faults, triggers and events in words, and nothing left unsaid."""

from __future__ import annotations

from dataclasses import MISSING, fields
from typing import Any

import pytest

from unstuck.faults import FAULTS
from unstuck.history import Event
from unstuck.report.sheet import Sheet, clean, cut
from unstuck.report.words import event_text, plural, size, span, what, when
from unstuck.scenario import (
    Fault,
    OnFault,
    OnMessage,
    OnOp,
    OnPoint,
    OnStart,
    OnState,
    OnTime,
    Trigger,
)

SAMPLES: dict[str, Any] = {
    "type": "timeout",
    "role": "worker",
    "for_s": 2.0,
    "by_s": 0.5,
    "mib": 900,
    "link": "worker.database",
}


@pytest.mark.parametrize("name", FAULTS)
def test_every_fault_has_words(name: str) -> None:
    """A fault without a phrase of its own would show as its name and its parameters."""
    kind = FAULTS[name].Parameters
    needed = {
        one.name: SAMPLES.get(one.name, "x")
        for one in fields(kind)
        if one.default is MISSING and one.default_factory is MISSING
    } | ({"offset_s": 60.0} if name == "clock" else {})
    text = what(Fault(name=name, parameters=kind(**needed), when=OnStart()))
    assert not text.startswith(f"{name} (")
    assert text != name
    assert " " in text


def test_an_unknown_fault_is_told_by_its_name() -> None:
    """And its parameters, so that nothing is hidden."""
    fault = Fault(name="melt", parameters={"degrees": 900}, when=OnStart(), times="each")
    assert what(fault) == "melt (degrees=900), each time"


@pytest.mark.parametrize(
    ("trigger", "text"),
    [
        (OnStart(), "before the first client begins"),
        (OnTime(at_s=0.5), "0.5 s after the first client began"),
        (OnState(state="active", stage="scenes", nth=2), "when a job enters active, stage scenes, time 2"),
        (OnPoint(point="p", job="large"), "when a job tagged large is at p"),
        (OnMessage(message="Send*", link="relay.queue"), "at message Send* on the link relay.queue"),
        (
            OnMessage(message="m", link="a.b", on="reply", first=2),
            "at the reply to message m on the link a.b, the first 2 times",
        ),
        (OnOp(op="complete_upload"), "when complete_upload of a job is ok"),
        (OnFault(fault=0), "when fault 0 has healed"),
    ],
)
def test_every_trigger_has_words(trigger: Trigger, text: str) -> None:
    """Said as it would be told to somebody."""
    assert when(trigger) == text


@pytest.mark.parametrize(
    "kind", ["transition", "stage", "op", "effect", "fault", "process", "outcome", "said", "message", "new"]
)
def test_any_event_has_words(kind: str) -> None:
    """Also one whose data is empty or of the wrong kind."""
    for data in ({}, {"to": 3, "applied": "x", "how": ["a"], "held": {}, "action": None}):
        assert event_text(Event(0, 0, kind, "x", "j", "p", data))


def test_numbers_are_short() -> None:
    """Durations and sizes as people say them."""
    assert [span(value) for value in (0, 0.517, 5, 12.34, 140.2)] == [
        "0 s",
        "0.52 s",
        "5 s",
        "12.3 s",
        "140 s",
    ]
    assert [size(value) for value in (5, 300 << 20, 3 << 30)] == ["5 B", "300 MiB", "3.0 GiB"]
    assert [plural(1, "job"), plural(2, "job"), plural(2, "process")] == ["1 job", "2 jobs", "2 processes"]


def test_what_is_not_printable_is_spelt_out() -> None:
    """And nothing else is touched."""
    assert clean("a\x1b[0m\n\u202eé✓") == r"a\x1b[0m\n\u202eé✓"
    assert cut("abcdef", 4) == "abc…"


def test_a_paragraph_keeps_its_width_and_indent() -> None:
    """A word longer than the line is broken, not lost."""
    sheet = Sheet(width=20)
    sheet.paragraph("one two three four five " + "x" * 30, first="why: ")
    lines = sheet.plain().splitlines()
    assert all(len(line) <= 20 for line in lines)
    assert lines[0].startswith("why: one")
    assert all(line.startswith("     ") for line in lines[1:])
    assert "".join(lines).count("x") == 30
