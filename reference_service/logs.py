"""One line an event on stderr: `level=info role=worker instance=worker-1 job=j-1 attempt=2 msg="…"`, or the
same as a JSON object with the time. Lines that tell of a job carry its trace.
"""

from __future__ import annotations

import json
import logging
import sys
from typing import Any, Literal, Protocol

from reference_service.ports import Clock
from reference_service.trace import current


class Log(Protocol):
    """Facts go by name; a value of None is left out."""

    def info(self, message: str, **facts: Any) -> None: ...

    def warning(self, message: str, **facts: Any) -> None: ...


class LineLog:
    """Writes to stderr at once, one `write` a line, so that processes may share the file."""

    def __init__(self, clock: Clock, style: Literal["line", "json"] = "line", **always: Any) -> None:
        """`always` stands in each line."""
        self._clock = clock
        self._json = style == "json"
        self._always = always

    def info(self, message: str, **facts: Any) -> None:
        self._write("info", message, facts)

    def warning(self, message: str, **facts: Any) -> None:
        self._write("warning", message, facts)

    def _write(self, level: str, message: str, facts: dict[str, Any]) -> None:
        pairs = {"level": level, **self._always, "trace": current(), **facts, "msg": message}
        if self._json:
            pairs = {"time": round(self._clock.now(), 6), **pairs}
            shown = {name: value for name, value in pairs.items() if value is not None}
            line = json.dumps(shown, ensure_ascii=False, default=str)
        else:
            line = " ".join(f"{name}={_quoted(value)}" for name, value in pairs.items() if value is not None)
        sys.stderr.write(line + "\n")
        sys.stderr.flush()


class StandardLog:
    """Into `logging`, where tests and embedding programs can see it."""

    def __init__(self, name: str = "reference_service") -> None:
        self._logger = logging.getLogger(name)

    def info(self, message: str, **facts: Any) -> None:
        self._logger.info("%s %s", message, facts)

    def warning(self, message: str, **facts: Any) -> None:
        self._logger.warning("%s %s", message, facts)


def _quoted(value: Any) -> str:
    text = str(value)
    if text and all(c.isalnum() or c in "-_./:%" for c in text):
        return text
    return json.dumps(text, ensure_ascii=False)
