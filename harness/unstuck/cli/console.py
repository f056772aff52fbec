"""Where screens go: colours on a terminal, plain text elsewhere, silence when nobody reads any more."""

from __future__ import annotations

import shutil
import sys
from typing import Final

from rich.console import Console
from rich.text import Text

from unstuck.cli.output import say, silence
from unstuck.report.sheet import WIDTH, Sheet

NARROWEST: Final = 72


class _Console(Console):
    def on_broken_pipe(self) -> None:
        """Goes on in silence: a reader that has left (`| head`) must not change the verdict."""
        silence(self.file)


def make_console(*, stderr: bool = False) -> Console:
    """A console that prints outside text as it is: no markup, no emoji, no highlighting."""
    stream = sys.stderr if stderr else sys.stdout
    reconfigure = getattr(stream, "reconfigure", None)
    if reconfigure is not None:
        reconfigure(errors="replace")  # an ASCII terminal shows `?` for a tick
    return _Console(stderr=stderr, markup=False, emoji=False, highlight=False, soft_wrap=True)


def screen_width() -> int:
    """Columns for a sheet: those of a narrow terminal, else `WIDTH`, also in pipes and files."""
    if not sys.stdout.isatty():
        return WIDTH
    return max(NARROWEST, min(WIDTH, shutil.get_terminal_size().columns - 1))


def show(sheet: Sheet) -> None:
    """Prints a sheet to stdout. Never raises for a reader that has left."""
    console = make_console()
    if not console.is_terminal:
        say(sheet.plain())
        return
    text = Text()
    for line in sheet.lines:
        for span in line:
            text.append(span.text, style=span.style or None)
        text.append("\n")
    console.print(text, end="")
