"""Commands and words of shell text, with their lines."""

from __future__ import annotations

import gc
import shlex

import pytest
from hypothesis import given
from hypothesis import strategies as st

from unstuck.clock import cpu_ns
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


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("run --a=v:$(git rev-parse HEAD) --b", [["git", "rev-parse", "HEAD"], ["run", None, "--b"]]),
        ('URL="$(aws sqs "a b")"', [["aws", "sqs", "a b"]]),
        ("x=$(a $(b (c))) y", [["b"], ["c"], ["a", None], ["y"]]),
        ("'$(a)' \\$\\(b\\)", [["$(a)", "$(b)"]]),
        ('run "\\$(a)"', [["run", "$(a)"]]),
        ("run 2>&1 x>&2 <&- &>f", [["run", "2>&1", "x>&2", "<&-", "&>f"]]),
    ],
)
def test_what_is_substituted_ends_no_command(text: str, found: list[list[str | None]]) -> None:
    """It is a command of its own, before that which it stands in; a redirection ends none either."""
    words = [[None if word.inner else word.text for word in one] for one in commands(text)]
    assert words == found


def test_what_is_substituted_has_its_line() -> None:
    """Also in quotes, and behind continued lines."""
    text = 'a \\\n "x\n$(b\n c)" $(\nd)\n'
    assert [[(word.text, word.line) for word in one] for one in commands(text)][:3] == [
        [("b", 3)],
        [("c", 4)],
        [("d", 5)],
    ]


@pytest.mark.parametrize("piece", ["$(", '"$(', "$(a () ", "((", "$(a)b(", "1", "$(((", "2>", "\\"])
def test_what_is_never_closed_takes_no_longer_for_each_piece(piece: str) -> None:
    """Ten times the text takes less than a hundred times the time, which it would if each were read again.

    Without the collector: it would look through what all the tests before have left, and be counted.
    """
    used = []
    gc.disable()
    try:
        for times in (2_000, 20_000):
            text = piece * times
            begun_ns = cpu_ns()
            list(commands(text))
            used.append(cpu_ns() - begun_ns)
    finally:
        gc.enable()
    assert used[1] < max(used[0], 5_000_000) * 70


@given(st.text())
def test_any_text_has_words(text: str) -> None:
    """Nothing raises, and lines never run past the end."""
    last = text.count("\n") + 1
    assert all(1 <= word.line <= last for one in commands(text) for word in one)
