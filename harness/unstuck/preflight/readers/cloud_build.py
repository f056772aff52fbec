"""Cloud Build: the steps that run `gcloud`, by arguments, by `bash -c`, or by `script`.

https://cloud.google.com/build/docs/build-config-file-schema
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from unstuck.preflight import shell_words
from unstuck.preflight.model import Workload
from unstuck.preflight.programs import SHELLS, name_of
from unstuck.preflight.readers import gcloud
from unstuck.preflight.shell_words import Word
from unstuck.preflight.yaml_tree import at, items, text_of
from unstuck.yaml_source import Node

FORMAT: Final = "Cloud Build"


def recognise(documents: list[Node]) -> bool:
    """A mapping with a list of `steps`, each with the `name` of its image."""
    return any(
        steps and all(text_of(at(step, "name")) for step in steps)
        for steps in (items(at(one, "steps")) for one in documents)
    )


def read(documents: list[Node]) -> list[Workload]:
    """What the steps deploy."""
    return gcloud.workloads(
        command for one in documents for step in items(at(one, "steps")) for command in _commands(step)
    )


def _commands(step: Node) -> Iterator[tuple[Word, ...]]:
    script = at(step, "script")
    if script is not None:
        yield from _lines(script)
    arguments = at(step, "args")
    words = [(node, text) for node in items(arguments) if (text := text_of(node)) is not None]
    one_line = text_of(arguments)
    if arguments is not None and one_line is not None:
        words += [(arguments, text) for text in shell_words.split(one_line)]
    program = text_of(at(step, "entrypoint")) or (
        "gcloud" if "gcloud" in (text_of(at(step, "name")) or "") else ""
    )
    if name_of(program) in SHELLS:
        for node, text in words:
            if not text.startswith("-"):
                yield from _lines(node)
                break
    elif words and (program or words[0][1] == "gcloud"):
        own = [] if words[0][1] == program else [Word(program, step.line)] if program else []
        yield (*own, *(Word(text, node.line) for node, text in words))


def _lines(node: Node) -> Iterator[tuple[Word, ...]]:
    """The commands of a scalar; a block's text begins on the line below its mark."""
    text = text_of(node) or ""
    yield from shell_words.commands(text, node.line + ("\n" in text))
