"""Comments that allow a finding: `# unstuck: allow US014 because it is started by hand`."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from unstuck.errors import UsageError

_ANY: Final = re.compile(r"(?:#|;)\s*unstuck:\s*allow\b(.*)$")
_WHOLE: Final = re.compile(r"\s*((?:US\d{3}[\s,]*)+)(?:because|--|-|:)?\s*(.*?)\s*$")


def allowances(text: str, name: str) -> Mapping[int, tuple[frozenset[str], str]]:
    """Line -> the rules that are allowed there, and why. A comment alone on its line speaks of the next one.

    Raises `UsageError` for a comment without a rule or a reason.
    """
    found: dict[int, tuple[frozenset[str], str]] = {}
    if "unstuck:" not in text:
        return found
    lines = text.split("\n")
    for number, line in enumerate(lines, 1):
        said = _ANY.search(line)
        if said is None:
            continue
        whole = _WHOLE.fullmatch(said[1])
        if whole is None or not whole[2]:
            raise UsageError(
                f"{name}:{number}: {said[0].strip()!r} must name a rule and a reason. "
                "Write: # unstuck: allow US014 because …"
            )
        alone = not line[: said.start()].strip()
        speaks_of = number
        if alone:  # of the next line that is no comment: several may stand above one another
            speaks_of += 1
            while speaks_of <= len(lines) and lines[speaks_of - 1].lstrip()[:1] in ("#", ";"):
                speaks_of += 1
        rules = frozenset(re.findall(r"US\d{3}", whole[1]))
        before, reasons = found.get(speaks_of, (frozenset[str](), ""))
        found[speaks_of] = (before | rules, f"{reasons}; {whole[2]}" if reasons else whole[2])
    return found
