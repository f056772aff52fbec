"""What is going on right now: live lines on a terminal, plain ones with the elapsed time elsewhere."""

from __future__ import annotations

import threading
from contextlib import suppress
from types import TracebackType
from typing import TYPE_CHECKING, Self

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.text import Text

from unstuck.cli.console import make_console
from unstuck.clock import monotonic_ns
from unstuck.report.group import RunLine
from unstuck.report.sheet import WIDTH, clean, cut
from unstuck.report.text import MARKS, STYLES
from unstuck.report.text_group import counts_text
from unstuck.report.words import span

if TYPE_CHECKING:
    from unstuck.campaign import Progress

_REFRESH_HZ = 8


class ProgressScreen:
    """Shows the progress of `total` cases on stderr; `tell` may be called from any thread.

    With one case every step is a line; with several only their ends, unless they are shown live.
    """

    def __init__(self, total: int, *, console: Console | None = None) -> None:
        self._console = console or make_console(stderr=True)
        self._total = total
        self._started_ns = monotonic_ns()
        self._lock = threading.Lock()
        self._now: dict[str, tuple[int, Progress]] = {}  # title -> since when, its last step
        self._counts: dict[str, int] = {}
        live = (
            self._console.is_terminal and not self._console.is_dumb_terminal and self._console.file.isatty()
        )
        self._live = (
            Live(
                console=self._console,
                refresh_per_second=_REFRESH_HZ,
                transient=True,
                get_renderable=self._lines,
            )
            if live
            else None
        )

    def __enter__(self) -> Self:
        if self._live is not None:
            self._live.start()
        return self

    def expect(self, more: int) -> None:
        """So many cases besides."""
        with self._lock:
            self._total += more

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._live is not None:
            self._live.stop()

    def tell(self, step: Progress) -> None:
        """A step of a case that is not its end."""
        with self._lock:
            since_ns = self._now[step.title][0] if step.title in self._now else monotonic_ns()
            self._now[step.title] = (since_ns, step)
        if self._live is None and self._total == 1:
            self._print(f"{step.phase}: {step.note}" if step.note else step.phase)

    def done(self, line: RunLine) -> None:
        """The end of a case."""
        with self._lock:
            self._now.pop(line.title, None)
            self._counts[line.word] = self._counts.get(line.word, 0) + 1
            number = sum(self._counts.values())
        if self._live is None and self._total > 1:
            self._print(
                f"{number}/{self._total} {MARKS[line.word]} {line.word} {line.title} {span(line.duration_s)}"
            )

    def _print(self, text: str) -> None:
        with suppress(OSError):  # a full disk under stderr: the verdict matters, progress does not
            self._console.print(f"[{self._elapsed_s():6.1f} s] {clean(text)}")

    def _elapsed_s(self) -> float:
        return (monotonic_ns() - self._started_ns) / 1e9

    def _lines(self) -> RenderableType:
        with self._lock:
            running = list(self._now.items())
            counts = dict(self._counts)
        width = min(WIDTH, self._console.width) - 1
        title_width = max(20, min(52, width - 40))
        now_ns = monotonic_ns()
        lines = [
            Text(
                f"{cut(clean(title), title_width):<{title_width}} {(now_ns - since_ns) / 1e9:5.1f} s  "
                f"{cut(clean(f'{step.phase} {step.note}'), max(width - title_width - 10, 12))}",
                no_wrap=True,
                overflow="ellipsis",
            )
            for title, (since_ns, step) in running
        ]
        done = sum(counts.values())
        style = STYLES["fail"] if counts.get("fail") else ""
        total = f"{done} of {self._total} done, {self._elapsed_s():.0f} s"
        lines.append(Text(f"{total}: {counts_text(counts)}" if done else total, style=style))
        return Group(*lines)
