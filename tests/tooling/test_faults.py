"""Each fault is whole, and docs/faults.md says of it what its module says."""

from __future__ import annotations

import dataclasses
import inspect
from pathlib import Path
from types import ModuleType
from typing import Any, Literal, get_args, get_origin, get_type_hints

import pytest

import unstuck.faults
from tests.tooling.repository import ROOT, table
from unstuck.faults import FAULTS
from unstuck.faults.port import FaultModule

PAGE = Path("docs/faults.md")
NO_FAULTS = {"__init__", "port"}


@pytest.mark.parametrize("module", FAULTS.values(), ids=FAULTS)
def test_every_fault_is_whole(module: ModuleType) -> None:
    """It has all that the protocol asks for, frozen parameters, and a name that is its file's."""
    for name in get_type_hints(FaultModule):
        assert hasattr(module, name), f"{module.__name__} lacks {name}"
    assert module.__name__.rpartition(".")[2] == module.NAME
    assert isinstance(module.NEEDS, frozenset)
    assert isinstance(module.LASTING, bool)
    assert dataclasses.is_dataclass(module.Parameters)
    assert getattr(module.Parameters, "__dataclass_params__").frozen  # noqa: B009  mypy knows it not
    assert list(inspect.signature(module.inject).parameters) == ["hand", "parameters"]
    assert list(inspect.signature(module.heal).parameters) == ["hand", "parameters"]


def test_every_module_of_faults_is_listed() -> None:
    """A file beside the others that no scenario could name would be dead."""
    folder = Path(unstuck.faults.__path__[0])
    assert {path.stem for path in folder.glob("*.py")} - NO_FAULTS == set(FAULTS)


def test_the_page_says_of_each_fault_what_its_module_says() -> None:
    """What it does, its parameters, its needs, whether it lasts, and what counts as landed."""
    rows = {cells[0].strip("`"): cells[1:] for cells in table(PAGE, "Every fault")}
    assert list(rows) == sorted(FAULTS)
    for name, module in FAULTS.items():
        assert rows[name] == row(module), f"{PAGE}: the row of {name} should be {' | '.join(row(module))}"


def row(module: ModuleType) -> list[str]:
    """The cells of a fault's row, after its name."""
    does = " ".join((module.__doc__ or "").split("\n\n")[0].split())
    needs = ", ".join(f"`{need}`" for need in sorted(module.NEEDS)) or "-"
    lasts = "yes" if module.LASTING else "no"
    return [does, parameters(module.Parameters), needs, lasts, module.LANDS]


def parameters(declared: Any) -> str:
    """`role`, `grace_s` = 1.0 …; a parameter without a value has to be given."""
    hints = get_type_hints(declared)
    told = []
    for field in dataclasses.fields(declared):
        kind = (
            f" ({' / '.join(get_args(hints[field.name]))})"
            if get_origin(hints[field.name]) is Literal
            else ""
        )
        told.append(f"`{field.name}`{given(field.default)}{kind}")
    return ", ".join(told) or "-"


def given(default: object) -> str:
    if default is dataclasses.MISSING:
        return ""
    if default is None:
        return " (optional)"
    return f" = {str(default).lower() if isinstance(default, bool) else default}"


def test_every_fault_is_used_or_taught() -> None:
    """A bundled scenario or the page on writing scenarios shows each of them."""
    folders = (ROOT / "scenarios", ROOT / "targets/scenarios")
    texts = [path.read_text(encoding="utf-8") for folder in folders for path in folder.rglob("*.yaml")]
    texts.append((ROOT / "docs/writing-a-scenario.md").read_text(encoding="utf-8"))
    unused = {name for name in FAULTS if not any(f"{name}:" in text for text in texts)}
    assert not unused
