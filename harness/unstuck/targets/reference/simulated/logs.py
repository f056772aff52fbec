"""What the simulated processes log, kept in memory until the run ends."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from reference_service.trace import current
from unstuck.worlds.sim.scheduler import NS, GreenScheduler


class SimLog:
    """`Log` of one process, over all its lives; each line begins with the virtual time in seconds."""

    def __init__(self, scheduler: GreenScheduler) -> None:
        self._scheduler = scheduler
        self._lines: list[tuple[int, str, str, dict[str, Any]]] = []

    def info(self, message: str, **facts: Any) -> None:
        facts = {"trace": current(), **facts}
        self._lines.append((self._scheduler.now_ns(), "info", message, facts))

    def warning(self, message: str, **facts: Any) -> None:
        facts = {"trace": current(), **facts}
        self._lines.append((self._scheduler.now_ns(), "warning", message, facts))

    def write(self, path: Path) -> None:
        """All of it, in place of what the file held."""
        path.write_text("".join(map(_line, self._lines)), encoding="utf-8")


def _line(entry: tuple[int, str, str, dict[str, Any]]) -> str:
    at_ns, level, message, facts = entry
    pairs = " ".join(f"{name}={value}" for name, value in facts.items() if value is not None)
    return f"{at_ns / NS:.6f} level={level} {pairs} msg={message!r}\n"
