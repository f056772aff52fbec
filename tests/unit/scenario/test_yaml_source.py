"""Reading YAML: what it means, where it stands, and what is refused before anything is made of it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from unstuck.errors import ScenarioError
from unstuck.yaml_source import parse, read, shorten

MEND = "Mend this line or the one above."
PLAIN = "Write the plain value."


def refusal(text: str) -> str:
    with pytest.raises(ScenarioError) as caught:
        parse(text, "s.yaml")
    return str(caught.value)


def value_of(text: str) -> object:
    return parse(f"key: {text}", "s.yaml").plain()["key"]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("on", "on"),
        ("Off", "Off"),
        ("yes", "yes"),
        ("NO", "NO"),
        ("y", "y"),
        ("12:30", "12:30"),
        ("2001-01-01", "2001-01-01"),
        ("1_000", "1_000"),
        ("010", 10),
        ("0o10", 8),
        ("0x1F", 31),
        ("+3", 3),
        ("-7", -7),
        ("1.5", 1.5),
        (".5", 0.5),
        ("1e3", 1000.0),
        ("1.", 1.0),
        ("true", True),
        ("False", False),
        ("TRUE", True),
        ("tRUE", "tRUE"),
        ("null", None),
        ("~", None),
        ("", None),
        ('"true"', "true"),
        ("'5'", "5"),
        ("=", "="),
        ("|\n  a\n  b\n", "a\nb\n"),
    ],
)
def test_plain_scalars_are_read_by_the_rules_of_yaml_1_2(text: str, value: object) -> None:
    """Only YAML 1.2's words and numbers mean something else than themselves."""
    found = value_of(text)
    assert found == value
    assert type(found) is type(value)


def test_keys_are_words_as_written() -> None:
    """`on:` and `1:` are the keys 'on' and '1', which YAML 1.1 reads as True and 1."""
    assert parse("{on: 1, 1: 2, true: 3, ~: 4}", "s.yaml").plain() == {"on": 1, "1": 2, "true": 3, "~": 4}


def test_every_value_knows_the_line_of_its_key_or_its_own() -> None:
    """A value under a key has the key's line, an item of a list its own."""
    root = parse("a: 1\nb:\n  - x\n  -\n    c:\n      d: 2\n", "s.yaml")
    assert isinstance(root.value, dict)
    items = root.value["b"].value
    assert isinstance(items, tuple)
    inner = items[1].value
    assert isinstance(inner, dict)
    assert [root.value["a"].line, root.value["b"].line, items[0].line, inner["c"].line] == [1, 2, 3, 5]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "s.yaml:1: the file is empty. Begin with `name:` and `summary:`."),
        ("# only words\n", "s.yaml:1: the file is empty. Begin with `name:` and `summary:`."),
        ("\n- a\n", "s.yaml:2: a scenario is a mapping. Begin with `name:` and `summary:`."),
        ("word\n", "s.yaml:1: a scenario is a mapping. Begin with `name:` and `summary:`."),
        ("---\n", "s.yaml:1: the file is empty. Begin with `name:` and `summary:`."),
        (
            "name: n\nfaults: [\n",
            "s.yaml:3: this is not YAML: expected the node content, but found '<stream end>'. " + MEND,
        ),
        (
            "name: n\n  summary: s\n",
            "s.yaml:2: this is not YAML: mapping values are not allowed here. " + MEND,
        ),
        ("name: n\n\tsummary: s\n", "s.yaml:2: a tab cannot indent YAML. Use spaces."),
        ("a: 1\nb: 2\na: 3\n", "s.yaml:3: key 'a' stands here again, first on line 1. Keep one."),
        ("a: &x 1\n", "s.yaml:1: anchor 'x' is not allowed. Write the value out where needed."),
        ("a: 1\nb: *x\n", "s.yaml:2: alias 'x' is not allowed. Write the value out."),
        ("a: &x [1]\n", "s.yaml:1: anchor 'x' is not allowed. Write the value out where needed."),
        ("a:\n  <<: {b: 1}\n", "s.yaml:2: merge key '<<' is not allowed. Write the entries out."),
        (
            "a: !!python/object/apply:os.system ['true']\n",
            "s.yaml:1: tag 'tag:yaml.org,2002:python/object/apply:os.system' is not allowed. " + PLAIN,
        ),
        ("a: !foo b\n", "s.yaml:1: tag '!foo' is not allowed. Write the plain value."),
        ("a: ! b\n", "s.yaml:1: tag '!' is not allowed. Write the plain value."),
        (
            "a: !!str b\n",
            "s.yaml:1: tag 'tag:yaml.org,2002:str' is not allowed. Write the plain value.",
        ),
        ("a: 1\n---\nb: 2\n", "s.yaml:2: a second document begins here. Keep one scenario a file."),
        (
            "? [a]\n: 1\n",
            "s.yaml:1: a key must be a word, not a list or a mapping. Quote it if it is one.",
        ),
        ("a: 1\nb: \x07\n", "s.yaml:2: character U+0007 is not allowed in YAML. Take it out or escape it."),
        ('a: "\\UFFFFFFFF"\n', "s.yaml:1: an escape sequence names no character. Mend it."),
        ('a: "\\ud800"\n', "s.yaml:1: an escape sequence names half a character. Mend it."),
        ("a: .inf\n", "s.yaml:1: '.inf' is not a finite number. Take one that is."),
        ("a: .NaN\n", "s.yaml:1: '.NaN' is not a finite number. Take one that is."),
        ("a: 1e400\n", "s.yaml:1: '1e400' is too large a number. Take one that fits."),
        ("a: 9007199254740993\n", "s.yaml:1: '9007199254740993' is too large a number. Take one that fits."),
        (
            f"a: {'9' * 5000}\n",
            f"s.yaml:1: '{'9' * 47}…9999999' is too large a number. Take one that fits.",
        ),
        ("a: " + "[" * 21, "s.yaml:1: this is nested deeper than 20 levels. Flatten it."),
        (
            "".join(f"{' ' * depth}a:\n" for depth in range(200)),
            "s.yaml:21: this is nested deeper than 20 levels. Flatten it.",
        ),
    ],
)
def test_what_a_scenario_may_not_contain_is_refused_in_one_line(text: str, message: str) -> None:
    """Broken, deep, aliased, tagged or doubled YAML is refused where it stands, with the next step."""
    assert refusal(text) == message


def test_twenty_levels_are_not_too_deep() -> None:
    """The limit is the last depth that is allowed."""
    assert parse("a: " + "[" * 19 + "]" * 19, "s.yaml").plain()


def test_a_huge_nest_is_refused_without_recursing() -> None:
    """100,000 brackets end in a refusal, not in a stack that overflows."""
    assert refusal("a: " + "[" * 100_000) == "s.yaml:1: this is nested deeper than 20 levels. Flatten it."


def test_a_file_is_read_with_its_text(tmp_path: Path) -> None:
    """`read` gives the nodes and the text as written, with any UTF-8 in it."""
    path = tmp_path / "s.yaml"
    path.write_text("name: größe\n", encoding="utf-8")
    root, text = read(path)
    assert (root.plain(), text) == ({"name": "größe"}, "name: größe\n")


def test_a_huge_file_is_refused_by_its_size(tmp_path: Path) -> None:
    """More than 256 KiB is refused without being parsed."""
    path = tmp_path / "s.yaml"
    path.write_bytes(b"# " + b"x" * 256 * 1024)
    with pytest.raises(ScenarioError) as caught:
        read(path)
    assert str(caught.value) == f"{path}:1: the file is larger than 256 KiB. Split the scenario."


def test_a_file_of_the_greatest_size_is_read(tmp_path: Path) -> None:
    """Exactly 256 KiB is still allowed."""
    path = tmp_path / "s.yaml"
    path.write_bytes(b"a: 1\n#" + b"x" * (256 * 1024 - 6))
    assert read(path)[0].plain() == {"a": 1}


def test_other_encodings_are_refused_with_the_byte(tmp_path: Path) -> None:
    """Latin-1 is refused at the line of the first byte that UTF-8 does not know."""
    path = tmp_path / "s.yaml"
    path.write_bytes(b"name: n\nsummary: gr\xf6\xdfe\n")
    with pytest.raises(ScenarioError) as caught:
        read(path)
    assert str(caught.value) == f"{path}:2: byte 0xf6 is not UTF-8. Save the file as UTF-8."


@pytest.mark.parametrize(
    ("name", "why"),
    [("absent.yaml", "No such file or directory"), (".", "Is a directory"), ("a\0b", "embedded null byte")],
)
def test_a_file_that_cannot_be_read_is_named(tmp_path: Path, name: str, why: str) -> None:
    """The message holds the path and the system's own reason."""
    path = Path(os.path.join(tmp_path, name))
    with pytest.raises(ScenarioError) as caught:
        read(path)
    assert str(caught.value) == f"{str(path)!r} cannot be read: {why}. Check the path."


def test_values_in_messages_are_short_and_in_yamls_words() -> None:
    """A message shows a value on one line, cut in the middle, with `true` and `null` as YAML has them."""
    assert [shorten(True), shorten(None), shorten("a\nb")] == ["true", "null", r"'a\nb'"]
    assert len(shorten("x" * 1000)) == 57
