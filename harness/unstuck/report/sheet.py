"""Lines of styled text that never exceed a width and never let outside text act on a terminal."""

from __future__ import annotations

import textwrap
from dataclasses import dataclass, field
from typing import Final, NamedTuple

WIDTH: Final = 99


class Span(NamedTuple):
    """Some text in one style: a word of rich's (`bold`, `red`, `dim`) or nothing."""

    text: str
    style: str = ""


def clean(text: str) -> str:
    """The text with everything that is not printable spelt out: an ESC in a job's name stays a word."""
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() else repr(char)[1:-1] for char in text)


def cut(text: str, width: int) -> str:
    """At most `width` characters; what is missing is shown as `…`."""
    return text if len(text) <= width else text[: max(width - 1, 0)] + "…"


@dataclass(slots=True)
class Sheet:
    """Collects lines; `width` holds for all but those said to be `whole` (commands to be copied)."""

    width: int = WIDTH
    lines: list[tuple[Span, ...]] = field(default_factory=list)

    def line(self, *spans: Span | str) -> None:
        """One line, cut at the width."""
        room, kept = self.width, []
        for span in spans:
            text, style = (span, "") if isinstance(span, str) else span
            text = cut(clean(text), room)
            room -= len(text)
            kept.append(Span(text, style))
        self.lines.append(tuple(kept))

    def paragraph(
        self,
        text: str,
        *,
        first: Span | str = "",
        indent: int | None = None,
        style: str = "",
        lines_max: int | None = None,
    ) -> None:
        """Wrapped text after `first`; the lines below begin at `indent` (default: where the text began).

        What is beyond `lines_max` lines is cut, and shown as `…`.
        """
        head = Span(first) if isinstance(first, str) else first
        begin = len(head.text) if indent is None else indent
        wrapped = textwrap.wrap(
            clean(text),
            width=self.width,
            initial_indent=" " * len(head.text),
            subsequent_indent=" " * begin,
            break_on_hyphens=False,
            max_lines=lines_max,
            placeholder=" …",
        ) or [""]
        self.lines.append((head, Span(wrapped[0][len(head.text) :], style)))
        self.lines.extend((Span(line, style),) for line in wrapped[1:])

    def whole(self, *spans: Span | str) -> None:
        """One line, never cut nor wrapped: a command or a path."""
        self.lines.append(tuple(Span(clean(span)) if isinstance(span, str) else span for span in spans))

    def blank(self) -> None:
        """An empty line, unless the last one is."""
        if self.lines and self.lines[-1]:
            self.lines.append(())

    def extend(self, other: Sheet) -> None:
        """All lines of another sheet."""
        self.lines.extend(other.lines)

    def plain(self) -> str:
        """The text alone, for pipes and files; ends with a newline."""
        return "".join("".join(span.text for span in line).rstrip() + "\n" for line in self.lines)
