"""Each rule of preflight is whole, and docs/preflight.md says of it what its module says."""

from __future__ import annotations

import re
from pathlib import Path
from types import ModuleType
from typing import get_type_hints

import pytest

import unstuck.preflight.rules
from tests.tooling.preflight_page import PAGE, renewed
from tests.tooling.repository import ROOT, text
from unstuck.preflight.judging import judge
from unstuck.preflight.measured import Measured
from unstuck.preflight.readers import NAMES, read_manifest
from unstuck.preflight.rules import RULES
from unstuck.preflight.rules.port import Rule

NO_RULES = {"__init__", "port", "grace"}
OWN = ("docker-compose.yml", "Dockerfile")


@pytest.mark.parametrize("rule", RULES.values(), ids=RULES)
def test_every_rule_is_whole(rule: ModuleType) -> None:
    """It has all that the protocol asks for, and its file says in the first line what must be."""
    for name in get_type_hints(Rule):
        assert hasattr(rule, name), f"{rule.__name__} lacks {name}"
    assert (rule.__doc__ or "").splitlines()[0].endswith(".")


def test_ids_are_given_in_order_and_once() -> None:
    """US001 and on; a rule that goes leaves a gap, and this test gets it."""
    assert list(RULES) == [f"US{number:03}" for number in range(1, len(RULES) + 1)]


def test_every_module_of_rules_is_listed() -> None:
    """A file beside the others that judges nothing would be dead."""
    folder = Path(unstuck.preflight.rules.__path__[0])
    listed = {rule.__name__.rpartition(".")[2] for rule in RULES.values()}
    assert {path.stem for path in folder.glob("*.py")} - NO_RULES == listed


def test_the_page_is_made_from_the_rules() -> None:
    """If not: python -m tests.tooling.preflight_page."""
    assert text(PAGE) == renewed(text(PAGE))


def test_every_reader_says_where_its_facts_are_from() -> None:
    """A default without a source is a rumour."""
    folder = ROOT / "harness/unstuck/preflight/readers"
    formats = [path for path in folder.glob("*.py") if re.search(r"^FORMAT: Final", text(path), re.MULTILINE)]
    assert len(formats) == len(NAMES)
    for path in formats:
        if path.stem != "shell":  # its facts are those of gcloud.py
            assert re.search(r"https://|\w+\(5\)", text(path).split('"""')[1]), path
    assert "https://" in text(folder / "gcloud.py").split('"""')[1]


def test_our_own_manifests_are_clean() -> None:
    """What is shipped with the rules keeps them."""
    manifests = [read_manifest(name, text(Path(name))) for name in OWN]
    judgement = judge(manifests, Measured(longest_stage_s=8, peaks_mib={"worker": 300}))
    assert [str(one) for one in judgement.findings] == []
