"""Procfiles, as Heroku reads them: SIGTERM to every process of a dyno, SIGKILL 30 s later, and no setting
for that (https://devcenter.heroku.com/articles/dyno-shutdown-behavior). A dyno that ends is started
again; its memory is that of its size, which stands elsewhere.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from unstuck.preflight import shell_words
from unstuck.preflight.model import Entry, Platform, Setting, Workload
from unstuck.preflight.readers.kinds import kind_of

FORMAT: Final = "Procfile"
GRACE_S: Final = 30.0
_LINE: Final = re.compile(r"([A-Za-z0-9_-]+):\s*(\S.*)", re.ASCII)


def read(text: str) -> list[Workload]:
    """A workload for each process type."""
    found: list[Workload] = []
    for number, line in enumerate(text.split("\n"), 1):
        said = _LINE.fullmatch(line.strip())
        if said is None:
            continue
        name, command = said[1], said[2]
        words = shell_words.split(command)
        found.append(
            Workload(
                platform=Platform.PROCFILE,
                kind=kind_of(name, words, reachable=name == "web", ends=name == "release"),
                name=name,
                line=number,
                entry=Entry(text=command, words=words, line=number, reaches_all=True) if words else None,
                stop_signal=Setting(value="SIGTERM", line=number, text="Heroku's SIGTERM", default=True),
                grace_s=Setting(value=GRACE_S, line=number, text="Heroku's grace of 30 s", default=True),
                grace_fixed=True,
                environment=_environment(words, number),
            )
        )
    return found


def _environment(words: tuple[str, ...], line: int) -> Mapping[str, Setting[str]]:
    """The assignments in front of a command."""
    found: dict[str, Setting[str]] = {}
    for word in words:
        name, equals, value = word.partition("=")
        if not equals or not name.isidentifier():
            break
        found[name] = Setting(value=None if "$" in value else value, line=line, text=word)
    return found
