"""Durations, sizes and switches as manifests write them. None: it cannot be read, which no rule may guess."""

from __future__ import annotations

import math
import re
from typing import Final

_UNITS_S: Final = {
    **dict.fromkeys(("us", "usec", "µs"), 1e-6),
    **dict.fromkeys(("ms", "msec"), 1e-3),
    **dict.fromkeys(("", "s", "sec", "second", "seconds"), 1.0),
    **dict.fromkeys(("m", "min", "minute", "minutes"), 60.0),
    **dict.fromkeys(("h", "hr", "hour", "hours"), 3600.0),
    **dict.fromkeys(("d", "day", "days"), 86400.0),
    **dict.fromkeys(("w", "week", "weeks"), 604800.0),
}
_NUMBER: Final = r"\d{1,15}(?:\.\d{1,15})?"
_DURATION: Final = re.compile(rf"({_NUMBER})\s*([a-zµ]*)", re.ASCII | re.IGNORECASE)
# A unit between any two numbers: else a long row of digits could be cut in a million ways.
_DURATION_WHOLE: Final = re.compile(
    rf"(?:{_NUMBER}\s*[a-zµ]+\s*)*{_NUMBER}\s*[a-zµ]*", re.ASCII | re.IGNORECASE
)
_SIZE: Final = re.compile(r"(\d{1,18}(?:\.\d{1,9})?)\s*([a-z]*)", re.ASCII | re.IGNORECASE)
_BINARY: Final = {
    **dict.fromkeys(("", "b"), 1 / 1024**2),
    **dict.fromkeys(("k", "kb", "ki", "kib"), 1 / 1024),
    **dict.fromkeys(("m", "mb", "mi", "mib"), 1.0),
    **dict.fromkeys(("g", "gb", "gi", "gib"), 1024.0),
    **dict.fromkeys(("t", "tb", "ti", "tib"), 1024.0**2),
}
_SIGNALS: Final = {
    "1": "SIGHUP",
    "2": "SIGINT",
    "3": "SIGQUIT",
    "9": "SIGKILL",
    "10": "SIGUSR1",
    "12": "SIGUSR2",
    "15": "SIGTERM",
    "28": "SIGWINCH",
}
_DECIMAL: Final = {"k": 1e3 / 1024**2, "m": 1e6 / 1024**2, "g": 1e9 / 1024**2, "t": 1e12 / 1024**2}


def seconds(text: str | None) -> float | None:
    """`90`, `1m30s`, `1min 30s`, `500ms`; a bare number is seconds. `infinity` is infinite."""
    if text is None:
        return None
    text = text.strip()
    if text.lower() == "infinity":
        return math.inf
    if len(text) > 40 or _DURATION_WHOLE.fullmatch(text) is None:
        return None
    total = 0.0
    for number, unit in _DURATION.findall(text):
        factor = _UNITS_S.get(unit.lower())
        if factor is None:
            return None
        total += float(number) * factor
    return total


def mebibytes(text: str | None, *, decimal: bool = False) -> float | None:
    """`512m`, `1Gi`, `0.5G`; a bare number is bytes. `decimal`: G is 10^9 where Gi is 2^30, and m, unlike M,
    is a thousandth of a byte (Kubernetes)."""
    if text is None:
        return None
    match = _SIZE.fullmatch(text.strip())
    if match is None:
        return None
    number, unit = float(match[1]), match[2].lower()
    if decimal and match[2] == "m":
        return number * 1e-3 / 1024**2
    factor = _DECIMAL.get(unit) if decimal else None
    if factor is None:
        factor = _BINARY.get(unit)
    return None if factor is None else number * factor


def whole(text: str | None) -> int | None:
    """A whole number, not negative."""
    if text is None or not re.fullmatch(r"\s*\d{1,15}\s*", text, re.ASCII):
        return None
    return int(text)


def switch(text: str | None) -> bool | None:
    """`true`, `yes`, `on`, `1`, and their opposites, in any case."""
    word = (text or "").strip().lower()
    if word in ("true", "yes", "on", "1"):
        return True
    return False if word in ("false", "no", "off", "0") else None


def signal_name(text: str | None) -> str | None:
    """`SIGTERM` for `TERM`, `sigterm`, `15`; None for what is no signal."""
    word = (text or "").strip().upper()
    word = _SIGNALS.get(word, word if word.startswith("SIG") else f"SIG{word}")
    return word if re.fullmatch(r"SIG[A-Z0-9+-]+", word, re.ASCII) else None


def show_s(value: float) -> str:
    """`10 s`, `41.3 s`, `no end` for infinity."""
    return "no end" if math.isinf(value) else f"{value:.4g} s" if value < 1e4 else f"{value:.0f} s"


def show_mib(value: float) -> str:
    """`512 MiB`."""
    return f"{value:.4g} MiB" if value < 1e4 else f"{value:.0f} MiB"
