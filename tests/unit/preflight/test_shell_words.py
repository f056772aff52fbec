"""Commands and words of shell text, with their lines."""

from __future__ import annotations

import shlex

import pytest
from hypothesis import given
from hypothesis import strategies as st

from unstuck.preflight.shell_words import commands, split


def test_commands_end_at_operators_and_lines() -> None:
    """Each with its words; assignments in front are no words, comments are nothing."""
    text = "set -e # comment; not a command\nA=1 B=2 run x && (go y | z)\n# all of it\nlast;"
    assert [[word.text for word in one] for one in commands(text)] == [
        ["set", "-e"],
        ["run", "x"],
        ["go", "y"],
        ["z"],
        ["last"],
    ]


def test_each_word_has_its_line() -> None:
    """Also behind a continued line, and behind quotes with lines in them."""
    text = "gcloud run \\\n  --a='x\ny' \\\n  --b\nnext\n"
    assert [[(word.text, word.line) for word in one] for one in commands(text, 10)] == [
        [("gcloud", 10), ("run", 10), ("--a=x\ny", 11), ("--b", 13)],
        [("next", 14)],
    ]


@pytest.mark.parametrize(
    "text", ["a 'b c' d", 'a "b \\"c\\" d"', "a\\ b c", "a=1 b", "'' \"\"", "x#y z", 'a"b"c', "--f='[\"a\"]'"]
)
def test_words_are_those_of_shlex(text: str) -> None:
    """Quotes and escapes as the standard library reads them."""
    assert list(split(text)) == shlex.split(text)


@pytest.mark.parametrize("text", ["a 'b", 'a "b', "a \\", '"\\', "'"])
def test_what_is_not_closed_ends_with_the_text(text: str) -> None:
    """It is still a word."""
    assert split(text)


@given(st.text())
def test_any_text_has_words(text: str) -> None:
    """Nothing raises, and lines never run past the end."""
    last = text.count("\n") + 1
    assert all(1 <= word.line <= last for one in commands(text) for word in one)
