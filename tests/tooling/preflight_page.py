"""docs/preflight.md, as far as it is made from the rules; run as a program it puts that in."""

from __future__ import annotations

import textwrap
from pathlib import Path
from typing import Final

from tests.tooling.repository import ROOT
from unstuck.preflight.readers import NAMES
from unstuck.preflight.rules import RULES
from unstuck.preflight.rules.port import Example, Rule

PAGE: Final = Path("docs/preflight.md")
BEGIN: Final = "<!-- made from the rules: python -m tests.tooling.preflight_page -->"
END: Final = "<!-- end of what is made -->"
_HIGHLIGHT: Final = {"yaml": "yaml", "yml": "yaml", "sh": "sh", "service": "ini", "Dockerfile": "dockerfile"}
_WIDTH: Final = 108


def made() -> str:
    """The tables of formats and rules, and a section for each rule; ends with a newline."""
    parts = ["## Formats", "", "| format | recognised by |", "|---|---|"]
    parts += [f"| {name} | {_cell(marks)} |" for name, marks in NAMES.items()]
    parts += ["", "## Rules", "", "| id | what must be | when not |", "|---|---|---|"]
    parts += [
        f"| [{rule.ID}](#{rule.ID.lower()}) | {rule.TITLE} | {rule.SEVERITY} |" for rule in RULES.values()
    ]
    for rule in RULES.values():
        parts += ["", *_section(rule)]
    return "\n".join(parts) + "\n"


def renewed(page: str) -> str:
    """The page with what is made put in anew. Raises `ValueError` when it has no marks for it."""
    before, _, rest = page.partition(f"{BEGIN}\n")
    _, mark, after = rest.partition(f"{END}\n")
    if not mark:
        raise ValueError(f"the page needs the lines {BEGIN!r} and {END!r}")
    return f"{before}{BEGIN}\n\n{made()}\n{END}\n{after}"


def _section(rule: Rule) -> list[str]:
    return [
        f"### {rule.ID}",
        "",
        f"**{rule.TITLE}** ({rule.SEVERITY}).",
        "",
        *textwrap.wrap(rule.WHY, _WIDTH, break_on_hyphens=False, break_long_words=False),
        "",
        *textwrap.wrap(f"*Fix.* {rule.FIX}", _WIDTH, break_on_hyphens=False, break_long_words=False),
        "",
        *_example("Bad", rule.BAD),
        "",
        *_example("Good", rule.GOOD),
    ]


def _example(word: str, example: Example) -> list[str]:
    given = []
    if example.longest_stage_s is not None:
        given.append(f"the longest stage is {example.longest_stage_s:g} s")
    if example.peak_mib is not None:
        given.append(f"the peak is {example.peak_mib:g} MiB")
    where = f", where {' and '.join(given)}" if given else ""
    return [
        f"{word}, in a `{example.file}`{where}:",
        "",
        f"```{_HIGHLIGHT[example.file.rpartition('.')[2]]} manifest",
        *example.text.rstrip("\n").split("\n"),
        "```",
    ]


def _cell(text: str) -> str:
    return text.replace("*", "\\*").replace("|", "\\|")


if __name__ == "__main__":
    path = ROOT / PAGE
    path.write_text(renewed(path.read_text(encoding="utf-8")), encoding="utf-8")
