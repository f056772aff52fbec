"""docs/claims.md: each claim with what was found, made of docs/claims.json and of the claims themselves."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from typing import Final

from bench.claims.claim import Claim, Finding
from bench.claims.runs import ROOT

PAGE: Final = ROOT / "docs/claims.md"
KEPT: Final = ROOT / "docs/claims.json"
HEAD: Final = """\
# Claims

What was claimed of the five systems, and what we found when we tried it: *held*, *refuted*, *undecided* (what
we saw goes with the claim and with its contrary) or *not testable here*, with our figure. Each figure was
seen in runs of the day and at the commit that its row names, on real processes unless it says *in the sim*.
What happened in each incident is told in [incidents](incidents/README.md); where shares of jobs come from,
in [the campaign](campaign.md).

Made by `python -m bench claims --write`. Below each table stands the command that measures each figure again;
below some, one for a look at a single run of them, or one that makes the figures which are read. `--stale`
lists the claims whose scenario or defence has changed since their commit.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """A finding, and the day on which it was seen."""

    finding: Finding
    date: str


def read() -> dict[str, Kept]:
    """What was found so far, by claim."""
    if not KEPT.exists():
        return {}
    said = json.loads(KEPT.read_text(encoding="utf-8"))
    names = [one.name for one in fields(Finding)]
    return {
        claim: Kept(finding=Finding(**{name: row.get(name, "") for name in names}), date=row["date"])
        for claim, row in said.items()
    }


def write(kept: Mapping[str, Kept], claims: Sequence[Claim]) -> None:
    """Keeps what was found of the claims that there are, and makes the page anew."""
    rows = {
        claim.id: {**asdict(kept[claim.id].finding), "date": kept[claim.id].date}
        for claim in claims
        if claim.id in kept
    }
    KEPT.write_text(json.dumps(rows, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    PAGE.write_text(page(kept, claims), encoding="utf-8")


def page(kept: Mapping[str, Kept], claims: Sequence[Claim]) -> str:
    """The whole page."""
    parts = [HEAD]
    for incident in dict.fromkeys(claim.incident for claim in claims):
        own = [claim for claim in claims if claim.incident == incident]
        parts.append(f"## [{incident}](incidents/{incident}.md)\n")
        parts.append(
            "| claim | found | our figure | what it takes | seen | commit |\n|---|---|---|---|---|---|"
        )
        parts += [_row(claim, kept.get(claim.id)) for claim in own]
        parts.append("")
        parts += _commands(own)
    return "\n".join(parts)


def _row(claim: Claim, kept: Kept | None) -> str:
    if kept is None:
        return f"| {_cell(claim.says)} | not measured yet | - | - | - | - |"
    found = kept.finding
    cells = (
        claim.says,
        f"**{found.verdict}**",
        found.figure,
        found.note or "-",
        kept.date,
        cell(found.commit),
    )
    return "| " + " | ".join(map(_cell, cells)) + " |"


def cell(commit: str) -> str:
    """A commit in a table; rows from before it was recorded have none."""
    return f"`{commit}`" if commit else "not recorded"


def _commands(claims: Sequence[Claim]) -> Iterator[str]:
    yield "```shell"
    for claim in claims:
        yield f"python -m bench claims --only {claim.id}"
        if claim.look:
            yield f"  {claim.look}"
    yield "```\n"


def _cell(text: str) -> str:
    return text.replace("|", "\\|")
