"""Each property has its four cases, and docs/properties.md says what its module promises."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.tooling.repository import ROOT, table, text, tree
from unstuck.checks import PROPERTIES, Property

PAGE = Path("docs/properties.md")
NAMES = [each.NAME for each in PROPERTIES]


def verdicts(path: Path) -> Iterator[tuple[str, set[str]]]:
    """(name, verdicts that it speaks of) of each test of a module."""
    for node in tree(path).body:
        if isinstance(node, ast.FunctionDef) and node.name.startswith("test_"):
            source = ast.unparse(node)
            yield (
                node.name,
                {word for word in ("PASS", "FAIL", "INCONCLUSIVE") if f"Verdict.{word}" in source},
            )


@pytest.mark.parametrize("name", NAMES)
def test_every_property_has_its_four_cases(name: str) -> None:
    """Nothing to judge, kept, broken; and unclear, where it can be: what no test has seen is a guess."""
    told = dict(verdicts(Path(f"tests/unit/checks/test_{name}.py")))
    empty = {
        test for test, words in told.items() if test.startswith("test_nothing_") and "INCONCLUSIVE" in words
    }
    assert empty, "no test of an empty history"
    assert any("PASS" in words for words in told.values()), "no test of a kept promise"
    assert any("FAIL" in words for words in told.values()), "no test of a broken promise"
    if "unclear=" in text(Path(f"harness/unstuck/checks/{name}.py")):
        unclear = {test for test, words in told.items() if "INCONCLUSIVE" in words} - empty
        assert unclear, "no test of a history that does not settle it"


def test_the_page_says_what_each_property_promises() -> None:
    """The table has the promise and the parameters of each, in the order in which they are reported."""
    rows = [(cells[0].strip("`"), cells[1], cells[2]) for cells in table(PAGE, "Every property")]
    assert rows == [(each.NAME, each.PROMISE, parameters(each)) for each in PROPERTIES]


def test_the_page_tells_evidence_and_doubt_of_each_property() -> None:
    """Each has a heading of its own, with its evidence and when it is inconclusive."""
    page = text(PAGE)
    for name in NAMES:
        section = page.split(f"\n### `{name}`\n", 1)
        assert len(section) == 2, f"{PAGE}: no heading for {name}"
        body = section[1].split("\n### ", 1)[0]
        assert "**Evidence**" in body, f"{PAGE}: {name} has no evidence"
        assert "**Inconclusive**" in body, f"{PAGE}: {name} does not say when it is inconclusive"


def parameters(each: Property) -> str:
    kinds = {bool: "true or false", str: "text", int: "number", float: "number", dict: "rule", list: "list"}
    any_key = "any tag or state" if each.NAME == "outcomes" else "any tag"
    told = [
        f"{any_key if name == '*' else f'`{name}`'} ({kinds[types[0]]})"
        for name, types in each.PARAMETERS.items()
    ]
    return ", ".join(told) or "-"


def test_every_property_has_a_file_of_its_own() -> None:
    """One promise a file, named for it."""
    assert all((ROOT / f"harness/unstuck/checks/{name}.py").is_file() for name in NAMES)
