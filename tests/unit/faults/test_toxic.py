"""The fault `toxic`: what counts as landed, what healing undoes, and what no scenario may say."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.unit.faults.blows import ACTIVE, landed, struck, why_missed, written
from tests.unit.runner.stage import Stage, fault, stage
from unstuck.describe import describe
from unstuck.errors import ScenarioError
from unstuck.faults.toxic import Attributes, Parameters
from unstuck.links.toxics.latency import Latency
from unstuck.report import words
from unstuck.scenario import Fault
from unstuck.scenario_file import loads
from unstuck.scenario_writer import dump
from unstuck.targets.reference import catalogue

SLOW: dict[str, Any] = {
    "link": "worker.queue",
    "type": "latency",
    "attributes": Attributes(latency=300, jitter=50),
    "for_s": 5.0,
}


def first_bytes(made: Stage, link: str) -> None:
    """The link says that bytes came to whichever toxic was asked for."""
    [(_, _, toxic)] = [deed for deed in made.running.done if deed[0] == "toxic"]
    made.history.emit("message", "poisoned", link=link, label=toxic.name)
    made.after()


def slow() -> Fault:
    return fault("toxic", ACTIVE, SLOW)


def test_a_toxic_has_landed_when_bytes_came_to_it() -> None:
    """It being there is not enough: a link that nobody uses is not slow."""
    with stage(slow()) as made:
        struck(made, ACTIVE)
        assert made.history.faults(0) == ["armed", "fired"]
        [(_, link, toxic)] = [deed for deed in made.running.done if deed[0] == "toxic"]
        assert link == "worker.queue"
        assert (toxic.stream, toxic.toxicity) == ("downstream", 1.0)
        assert toxic.behaviour == Latency(latency=300, jitter=50)
        made.history.emit("message", "poisoned", link="worker-1.queue", label="another")
        made.after(1)
        assert made.history.faults(0) == ["armed", "fired"]
        first_bytes(made, "worker-2.queue")
        assert landed(made)["how"].endswith("bytes came to it on worker-2.queue")


def test_a_toxic_lasts_from_its_landing_on() -> None:
    """And is taken away by the name under which it was put there."""
    with stage(slow()) as made:
        struck(made, ACTIVE)
        first_bytes(made, "worker-1.queue")
        made.after(4.9)
        assert made.history.faults(0) == ["armed", "fired", "landed"]
        made.after(0.2)
        assert made.history.faults(0) == ["armed", "fired", "landed", "healed"]
        put, taken = (deed for deed in made.running.done if "toxic" in deed[0])
        assert taken == ("no toxic", "worker.queue", put[2].name)


def test_a_toxic_that_nobody_meets_has_missed() -> None:
    """It is taken away all the same."""
    with stage(slow()) as made:
        struck(made, ACTIVE)
        made.after(6)
        assert why_missed(made) == "no byte came downstream through worker-1.queue, worker-2.queue in 5 s"
        assert made.running.done[-1][0] == "no toxic"


def test_a_toxic_that_does_not_read_back_has_missed() -> None:
    """No link has it, whatever was asked."""
    with stage(slow()) as made:
        made.running.toxic_links = []
        struck(made, ACTIVE)
        made.after(0.1)
        assert "was not in force on worker.queue" in why_missed(made)
        assert made.running.done[-1][0] == "no toxic"


@pytest.mark.parametrize(
    ("rest", "told"),
    [
        ("type: latenci, for_s: 1", "faults[0].type='latenci' is not allowed here. Did you mean 'latency'?"),
        ("type: latency", "faults[0] lacks 'for_s'. Add it."),
        (
            "type: latency, for_s: 1",
            "faults[0] lacks attributes.latency, without which latency does nothing. Add it.",
        ),
        (
            "type: latency, for_s: 1, attributes: {rate: 1}",
            "faults[0] says attributes.rate, which latency does not have. Known: jitter, latency.",
        ),
        (
            "type: latency, for_s: 1, attributes: {latecy: 1}",
            "faults[0].attributes: 'latecy' is not a key here. Did you mean 'latency'?",
        ),
        (
            "type: latency, for_s: 1, attributes: {latency: -1}",
            "faults[0].attributes.latency=-1 is out of range. Take a number from 0 to 86400000.",
        ),
        (
            "type: latency, for_s: 1, attributes: {latency: 0.3}",
            "faults[0].attributes.latency=0.3 is a number. Write a whole number.",
        ),
        (
            "type: timeout, for_s: 1, toxicity: 0",
            "faults[0] says toxicity=0. Take a share, above 0 and up to 1.",
        ),
        (
            "type: timeout, for_s: 1, toxicity: 2",
            "faults[0].toxicity=2 is out of range. Take a number from 0 to 1.",
        ),
        (
            "type: timeout, for_s: 1, stream: up",
            "faults[0].stream='up' is not allowed here.",
        ),
    ],
)
def test_a_bad_toxic_is_refused_where_it_stands(rest: str, told: str) -> None:
    """In one line, with the next step."""
    with pytest.raises(ScenarioError) as caught:
        written(f"toxic: {{link: worker.queue, {rest}}}")
    assert told in str(caught.value), str(caught.value)


def test_a_toxic_is_written_as_it_was_read() -> None:
    """Without what is as it would be anyway."""
    latency = "type: latency, attributes: {latency: 300, jitter: 50}"
    scenario = written(f"toxic: {{link: worker.queue, {latency}, toxicity: 0.5, for_s: 5}}")
    text = dump(scenario)
    assert "attributes: {jitter: 50, latency: 300}" in text
    [again] = loads(text, Path("again.yaml"), catalogue()).scenarios
    assert again.faults[0].parameters == scenario.faults[0].parameters


def test_a_toxic_is_told_in_words() -> None:
    """In the explanation of a scenario, and in reports."""
    scenario = written(
        "toxic: {link: worker.queue, type: latency, attributes: {latency: 300}, toxicity: 0.5, for_s: 5}"
    )
    told = "latency (latency 300) downstream on worker.queue on 50% of its connections for 5 s"
    assert any(told in line for line in describe(scenario))
    assert words.what(scenario.faults[0]) == (
        "latency (latency=300) downstream on the link worker.queue for 5 s, on 50% of its connections"
    )
    plain = Parameters(link="worker.queue", type="timeout", for_s=1)
    assert plain.sentence() == "timeout downstream on worker.queue for 1 s"
