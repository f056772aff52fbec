"""Sound manifests come out clean: without findings, notes included, with all figures given.

Two systems allow one finding by a comment: what they deploy to offers no longer grace.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.unit.preflight.manifests import judged
from unstuck.preflight.rules import RULES

FOLDER = Path(__file__).parent / "sound"
SYSTEMS = sorted(path for path in FOLDER.iterdir() if path.is_dir())
LONGEST_STAGE_S = 40
PEAK_MIB = 380


def files(system: Path) -> list[tuple[str, str]]:
    return [(path.name, path.read_text(encoding="utf-8")) for path in sorted(system.iterdir())]


@pytest.mark.parametrize("system", SYSTEMS, ids=lambda path: path.name)
def test_a_sound_system_is_clean(system: Path) -> None:
    """Every rule that applies has judged, and found nothing that no comment allows."""
    judgement = judged(*files(system), longest_stage_s=LONGEST_STAGE_S, peak_mib=PEAK_MIB)
    assert [str(one) for one in judgement.standing] == []
    assert [f"{one.rule} {one.subject}: {one.lacks}" for one in judgement.unjudged] == []
    assert judgement.judged >= 5


def test_sound_systems_meet_nearly_every_rule() -> None:
    """A rule that judges none of them could find fault with all of them, and nobody would see it."""
    met = {
        rule
        for system in SYSTEMS
        for rule, count in judged(
            *files(system), longest_stage_s=LONGEST_STAGE_S, peak_mib=PEAK_MIB
        ).kept.items()
        if count
    }
    assert met == set(RULES)


@pytest.mark.parametrize("system", SYSTEMS, ids=lambda path: path.name)
def test_without_figures_it_is_clean_as_well(system: Path) -> None:
    """What was not measured is not judged; it is not found either."""
    judgement = judged(*files(system))
    assert not judgement.standing
