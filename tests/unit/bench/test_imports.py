"""What imports cost: measured in a fresh process, drawn as bars, written between the marks of a page."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from bench.imports import (
    BEGIN,
    END,
    MODULES,
    PAGE,
    RECORD,
    Cost,
    NotMeasured,
    bars,
    measure_import,
    write_page,
)

CHEAP = Cost(module="a", rss_bytes=1 << 20, cpu_s=0.1, modules=3)
DEAR = Cost(module="b", rss_bytes=4 << 20, cpu_s=0.2, modules=9)


def test_an_import_is_measured_in_a_process_of_its_own() -> None:
    """One that allocates shows it, whatever this process has loaded already."""
    assert measure_import("decimal").modules >= 1


def test_what_cannot_be_imported_is_told_in_one_line() -> None:
    """With its name and the interpreter's word."""
    with pytest.raises(NotMeasured, match=r"^nowhere: ModuleNotFoundError"):
        measure_import("nowhere")


def test_the_dearest_comes_first_with_the_longest_bar() -> None:
    """Bars are in proportion."""
    rows = bars([CHEAP, DEAR])[2:]
    assert [row.count("█") for row in rows] == [30, 8]
    assert rows[0].startswith("| `b` | 4.0 MiB |")


def test_the_page_gets_the_table_between_its_marks(tmp_path: Path) -> None:
    """What stands around it stays."""
    page = tmp_path / "page.md"
    page.write_text(f"before\n{BEGIN}\nold\n{END}\nafter\n")
    write_page([CHEAP], page)
    said = page.read_text()
    assert said.startswith(f"before\n{BEGIN}\n\n| import |")
    assert said.endswith(f"{END}\nafter\n")
    assert "old" not in said


def test_the_record_is_of_the_service_as_it_is() -> None:
    """Modules are counted exactly: where they are a tenth off, so is the memory, and --write is due."""
    [kept] = [
        one for one in json.loads(RECORD.read_text())["imports"] if one["module"] == "reference_service.app"
    ]
    assert measure_import(kept["module"]).modules == pytest.approx(kept["modules"], rel=0.1)


def test_the_page_shows_what_is_on_record() -> None:
    """No figure on it was typed by hand."""
    costs = [Cost(**one) for one in json.loads(RECORD.read_text())["imports"]]
    assert {one.module for one in costs} == set(MODULES)
    assert "\n".join(bars(costs)) in PAGE.read_text()
