"""HTML and SVG that cannot be broken into: every text is escaped unless this module made it."""

from __future__ import annotations

from html import escape
from typing import Final

from unstuck.report.sheet import clean

_EMPTY: Final = frozenset({"meta", "rect", "line", "path", "circle", "br", "input", "wbr"})


class Markup(str):
    """Text that is already HTML. Only `tag`, `join` and `trusted` make one."""

    __slots__ = ()


Child = str | None


def tag(name: str, /, *children: Child, **attributes: str | float | None) -> Markup:
    """An element. Plain text is escaped; None is left out.

    Attributes: `class_` is `class`, `stroke_width` is `stroke-width`, numbers lose needless decimals.
    """
    written = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{_attribute(value)}"'
        for key, value in attributes.items()
        if value is not None
    )
    if name in _EMPTY and not children:
        return Markup(f"<{name}{written}/>")
    return Markup(f"<{name}{written}>{join(*children)}</{name}>")


def join(*children: Child) -> Markup:
    """One after another; plain text is escaped."""
    return Markup(
        "".join(
            child if isinstance(child, Markup) else escape(clean(child))
            for child in children
            if child is not None
        )
    )


def trusted(text: str) -> Markup:
    """Our own HTML or CSS, as it is; never for what came from outside."""
    return Markup(text)


def number(value: float) -> str:
    """For coordinates: at most one decimal."""
    return f"{value:.1f}".removesuffix(".0")


def _attribute(value: str | float) -> str:
    return escape(clean(value), quote=True) if isinstance(value, str) else number(value)
