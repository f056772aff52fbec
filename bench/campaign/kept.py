"""The figures of the last campaigns, as docs/ keeps them."""

from __future__ import annotations

import json
from typing import Final, Literal

from bench.campaign.totals import Campaign, as_json, read_campaign
from bench.claims.runs import ROOT

World = Literal["processes", "sim"]

KEPT: Final = {
    "processes": ROOT / "docs/campaign.json",
    "sim": ROOT / "docs/campaign-production.json",
}
WATCHES: Final = ("reference_service", "harness/unstuck/generate", "bench/campaign")
"""What such figures are figures of: when it changes, they may be others."""


def read(world: World) -> Campaign | None:
    """None: none was kept, or it is of an older kind."""
    path = KEPT[world]
    if not path.exists():
        return None
    try:
        return read_campaign(json.loads(path.read_text(encoding="utf-8")))
    except KeyError:
        return None


def write(found: Campaign) -> None:
    """Keeps the figures of its world."""
    path = KEPT[found.world]
    path.write_text(json.dumps(as_json(found), indent=1) + "\n", encoding="utf-8")
