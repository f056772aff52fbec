"""What the name of a variable says of its unit: `…_S`, `…_SECONDS`, `…_MS`, `…_MINUTES`."""

from __future__ import annotations

import re
from typing import Final

from unstuck.preflight import units

_UNITS: Final = (
    (r"_(MS|MILLIS|MILLISECONDS)", 1e-3),
    (r"_(M|MIN|MINS|MINUTES)", 60.0),
    (r"_(H|HOURS)", 3600.0),
)


def duration_s(name: str, text: str | None) -> float | None:
    """The value of a variable in seconds: by a unit of its own, else by that in its name, else seconds."""
    value_s = units.seconds(text)
    if value_s is None or text is None or re.search(r"[a-zA-Z]", text):
        return value_s
    for pattern, factor in _UNITS:
        if re.search(pattern + r"$", name, re.IGNORECASE):
            return value_s * factor
    return value_s
