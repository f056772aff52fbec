"""The YAML of manifests, with the line of each value."""

from __future__ import annotations

import pytest

from unstuck.errors import UsageError
from unstuck.preflight.yaml_tree import DEPTH_MAX, at, documents, entries, items, text_of, texts


def test_scalars_are_as_they_are_written() -> None:
    """Neither `no` nor `012` nor `12:30` becomes something else; null is nothing."""
    [root] = documents("a: no\nb: 012\nc: 12:30\nd: ~\ne: '~'\nf:\n", "x")
    assert {key: text_of(node) for key, node in entries(root).items()} == {
        "a": "no",
        "b": "012",
        "c": "12:30",
        "d": None,
        "e": "~",
        "f": None,
    }


def test_merges_keep_what_stands_and_the_line_of_what_they_bring() -> None:
    """What a mapping says itself wins; of several merges the first."""
    text = """\
base: &base
  grace: 10s
  mem: 1g
other: &other {mem: 2g, cpu: 1}
worker:
  <<: [*base, *other]
  grace: 5s
"""
    [root] = documents(text, "x")
    worker = entries(at(root, "worker"))
    assert {key: (text_of(node), node.line) for key, node in worker.items()} == {
        "grace": ("5s", 7),
        "mem": ("1g", 3),
        "cpu": ("1", 4),
    }


def test_an_alias_is_what_it_names() -> None:
    """Under the line of the key that it stands at."""
    [root] = documents("a: &a {b: 1}\n\nc: *a\n", "x")
    node = at(root, "c")
    assert node is not None
    assert node.line == 3
    assert text_of(at(node, "b")) == "1"


def test_every_document_is_read() -> None:
    """Empty ones are none."""
    assert [text_of(at(one, "kind")) for one in documents("kind: A\n---\n---\nkind: B\n", "x")] == ["A", "B"]


def test_chains_of_aliases_cost_nothing() -> None:
    """Ten to the twentieth items, in a moment."""
    text = "a0: &a0 [x,x,x,x,x,x,x,x,x,x]\n" + "".join(
        f"a{n}: &a{n} [{','.join([f'*a{n - 1}'] * 10)}]\n" for n in range(1, 20)
    )
    [root] = documents(text, "x")
    assert len(items(at(root, "a19"))) == 10


@pytest.mark.parametrize(
    "text",
    ["a: *b\n", "a: &a\n  b: *a\n", "a: &a [*a]\n", "<<: x\n", "? [a]\n: b\n", "a: !!python/x 1"],
)
def test_odd_yaml_is_nothing(text: str) -> None:
    """An alias of nothing or of itself, a merge of a scalar, a list as a key, a tag: no error, no loop."""
    documents(text, "x")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("a: [\n", "x:2: this is not YAML"),
        ("a: b: c\n", "x:1: this is not YAML"),
        ("a: {{ .Values.a }}\n  b\n", "Render the template first"),
        ("a: \x00\n", "x:1: a character is not allowed"),
        ('a: "\\UFFFFFFFF"\n', "x:1: an escape sequence names no character"),
        ("[" * (DEPTH_MAX + 1), "nested deeper than"),
    ],
)
def test_what_is_no_yaml_is_told_in_a_line(text: str, says: str) -> None:
    """With file, line and the next step."""
    with pytest.raises(UsageError, match=says.replace("(", r"\(")) as refused:
        documents(text, "x")
    assert "\n" not in str(refused.value)


def test_only_what_is_there_is_found() -> None:
    """A path through a scalar or a list leads nowhere, and a list of mappings has no texts."""
    [root] = documents("a: [1, {b: 2}, 3]\nc: 4\n", "x")
    assert at(root, "a", "b") is None
    assert at(root, "c", "d") is None
    assert texts(at(root, "a")) == ("1", "3")
    assert items(at(root, "c")) == ()
    assert entries(at(root, "a")) == {}
