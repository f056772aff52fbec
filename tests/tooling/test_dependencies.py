"""The page on dependencies says what the code says."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from tests.tooling.repository import ROOT
from unstuck.targets.dependencies import KINDS, Option
from unstuck.targets.dependencies.port import FROM

PAGE = Path("docs/dependencies.md")
SHAPES = {
    "whole": "whole number",
    "seconds": "seconds",
    "text": "text",
    "texts": "text or list",
    "flag": "true or false",
    "settings": "names and values",
}


def rows(options: Mapping[str, Option]) -> list[str]:
    return [f"| `{name}` | {SHAPES[one.shape]} | {one.means} |" for name, one in options.items()]


def section(title: str) -> list[str]:
    text = (ROOT / PAGE).read_text()
    assert f"\n## {title}\n" in text, f"{PAGE} has no section {title}"
    return text.partition(f"\n## {title}\n")[2].partition("\n## ")[0].splitlines()


def test_every_option_has_its_row() -> None:
    """In the section of its kind, in the order of the code, with the words of the code; and no other."""
    for title, options in {"All kinds": FROM, **{f"`{k}`": v.OPTIONS for k, v in KINDS.items()}}.items():
        found = [line for line in section(title) if line.startswith("| `")]
        assert found == rows(options), f"{PAGE}, {title}: it should have\n" + "\n".join(rows(options))


def test_every_kind_is_in_the_table_with_its_framer() -> None:
    """And with nothing that does not exist."""
    text = (ROOT / PAGE).read_text().partition("\n## ")[0]
    table = [line for line in text.splitlines() if line.startswith("| `")]
    named = {name.strip(" `"): line for line in table for name in line.split("|")[1].split(",")}
    assert set(named) == set(KINDS)
    for name, kind in KINDS.items():
        assert f"| `{kind.FRAMER}`" in named[name], named[name]
