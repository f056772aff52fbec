"""The page on target files has every key, and no other; each in its table."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import fields
from pathlib import Path

import pytest

from tests.tooling.repository import text
from unstuck.targets.declared import ledger, roles
from unstuck.targets.declared.file import HttpCall, Look, Ready, SettingOption, Stop, Timings, Variant
from unstuck.targets.declared.hosts import hosts_off_machine
from unstuck.targets.declared.reading import KEYS, ROLE_KEYS
from unstuck.targets.declared.reading_calls import (
    CALLS,
    EACH_KEYS,
    LOOKS_KEYS,
    OBSERVE_KEYS,
    ROWS_KEYS,
    SUBMIT_KEYS,
)
from unstuck.worlds.port import Restart

PAGE = Path("docs/your-own-service.md")


def names(kind: type) -> list[str]:
    return [field.name for field in fields(kind)]


TABLES: dict[str, Collection[str]] = {
    "Top level": KEYS,
    "`roles`": ROLE_KEYS,
    "`ready`": names(Ready),
    "`stop`": names(Stop),
    "`restart`": names(Restart),
    "Calls": CALLS,
    "`http`": names(HttpCall),
    "`submit`": SUBMIT_KEYS,
    "`observe`": OBSERVE_KEYS,
    "`looks`": names(Look),
    "`rows`": ROWS_KEYS,
    "`each`": EACH_KEYS,
    "`timings`": names(Timings),
    "`settings`": names(SettingOption),
    "`configurations`": names(Variant),
}


def keys_of(heading: str) -> list[str]:
    """The first column of the first table below a heading, without its head."""
    rows: list[str] = []
    inside = False
    for line in text(PAGE).splitlines():
        if line.startswith("#"):
            inside = line.lstrip("# ") == heading
        elif inside and line.startswith("|"):
            rows.append(line.split("|")[1].strip())
        elif inside and rows:
            break
    return [row.strip("`") for row in rows[2:]]


@pytest.mark.parametrize("heading", TABLES)
def test_every_key_has_its_row(heading: str) -> None:
    """What the loader takes, the page explains, and nothing else."""
    assert sorted(keys_of(heading)) == sorted(TABLES[heading])


def test_the_keys_of_a_source_of_looks_are_there() -> None:
    """They stand in a table of their own, before that of a look."""
    assert all(f"| `{key}` |" in text(PAGE) for key in LOOKS_KEYS)


def test_the_variables_of_the_ledger_are_there() -> None:
    """Programs of any language find their names here."""
    for name in (roles.LEDGER_FILE, roles.LEDGER_URL, roles.PROCESS, *ledger.POINTS):
        assert f"`{name}`" in text(PAGE)


def test_nothing_on_the_page_is_off_this_machine() -> None:
    """A reader who copies an example reaches nobody."""
    for line in text(PAGE).splitlines():
        assert hosts_off_machine(line) == [], line
