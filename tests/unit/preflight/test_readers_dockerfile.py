"""Dockerfiles."""

from __future__ import annotations

from typing import Any

import pytest

from tests.unit.preflight.manifests import workload
from unstuck.preflight.readers import read_manifest


def image(*lines: str) -> Any:
    return workload("Dockerfile", "\n".join(("FROM python:3.12", *lines)) + "\n")


@pytest.mark.parametrize(
    ("lines", "words", "in_shell"),
    [
        (['CMD ["a", "b"]'], ("a", "b"), False),
        (["CMD a b"], ("a", "b"), True),
        (['ENTRYPOINT ["a"]', 'CMD ["b"]'], ("a", "b"), False),
        (['ENTRYPOINT ["a"]', "CMD b c"], ("a", "/bin/sh", "-c", "b c"), False),
        (["ENTRYPOINT a", 'CMD ["b"]'], ("a",), True),
        (["CMD ['a']"], ("[a]",), True),
        (['CMD ["first"]', 'CMD ["last"]'], ("last",), False),
        (["CMD python \\", "  # a comment", "  -m worker"], ("python", "-m", "worker"), True),
        (['entrypoint ["a"]'], ("a",), False),
        (["RUN <<EOF", "CMD x", "EOF", 'CMD ["y"]'], ("y",), False),
    ],
)
def test_how_an_image_starts(lines: list[str], words: tuple[str, ...], in_shell: bool) -> None:
    """The forms of ENTRYPOINT and CMD, and what they make together."""
    entry = image(*lines).entry
    assert (entry.words, entry.in_shell) == (words, in_shell)


def test_only_the_last_stage_counts_and_what_it_is_built_on() -> None:
    """An earlier stage counts where the last one names it."""
    found = workload(
        "web.Dockerfile",
        'ARG X\nFROM a AS base\nSTOPSIGNAL SIGQUIT\nENV A=1\nENTRYPOINT ["x"]\nFROM b\nCMD y\n'
        'FROM base\nCMD ["z"]\n',
    )
    assert found.entry is not None
    assert found.entry.words == ("x", "z")
    assert found.stop_signal is not None
    assert (found.stop_signal.value, found.stop_signal.line) == ("SIGQUIT", 3)
    assert found.environment["A"].value == "1"
    assert found.line == 8


def test_what_is_not_said_is_not_judged_by_a_default() -> None:
    """The base image may say it."""
    found = image("RUN x")
    assert (found.entry, found.stop_signal, found.memory_limit_mib, found.grace_s) == (None, None, None, None)
    assert image("STOPSIGNAL $S").stop_signal.value is None
    assert read_manifest("Dockerfile", "# nothing\n").workloads == ()


def test_variables_of_both_spellings() -> None:
    """`NAME=value …` and the older `NAME value`; what refers to another is not known."""
    found = image('ENV A=1 B="two words"', "ENV C three", "ENV D=$A").environment
    assert {name: one.value for name, one in found.items()} == {
        "A": "1",
        "B": "two words",
        "C": "three",
        "D": None,
    }
