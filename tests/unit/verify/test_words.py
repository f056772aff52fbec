"""Words that stay in rows when the new version has gone: what the checklist makes of them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from unstuck.errors import TargetError
from unstuck.verify import Line, on_sqlite

OLD, NEW = Path("old"), Path("new")


class FakeFile:
    """A file on which the old version, `bears` apart, fails on a reason that it does not know."""

    def __init__(self, new: Mapping[str, Any], *, bears: bool = False, retried: str = "succeeded") -> None:
        self._new, self._bears, self._retried = new, bears, retried
        self.planted: list[str] = []

    def migrate(self, _version: Path) -> str:
        return "migrated"

    def plant(self, column: str, word: str) -> None:
        self.planted.append(f"{column}={word}")

    def give_instead(self, older: Mapping[str, str]) -> list[str]:
        self.planted = [one for one in self.planted if one.removeprefix("reason=") not in older]
        return [f"{new} becomes {old}" for new, old in older.items()]

    def play(self, act: str, version: Path) -> Mapping[str, Any]:
        if act == "words":
            return self._new if version == NEW else {"state": ["queued"], "reason": ["crashed"]}
        if act == "cope" and self.planted and not self._bears:
            raise TargetError("ValueError")
        return {"shown": 5, "retried": [self._retried]}


def line(monkeypatch: pytest.MonkeyPatch, reason: str = "full", state: str = "queued", **given: Any) -> Line:
    instead = given.pop("instead", {})
    new = {"state": ["queued", state], "reason": ["crashed", reason], "instead": instead}
    monkeypatch.setattr(on_sqlite, "SqliteFile", lambda _folder: FakeFile(new, **given))
    return on_sqlite.words_line(Path("words"), OLD, NEW, [])


def test_without_new_words_nothing_has_to_be_borne(monkeypatch: pytest.MonkeyPatch) -> None:
    """Both versions have the same."""
    assert line(monkeypatch, reason="crashed").state.value == "ok"


def test_an_old_version_that_bears_a_new_word_is_ok(monkeypatch: pytest.MonkeyPatch) -> None:
    """It was tried on rows that carry it."""
    found = line(monkeypatch, bears=True)
    assert (found.state.value, found.evidence[0]) == ("ok", "a roll-back leaves them in rows: reason=full")


def test_a_new_word_on_which_the_old_version_fails_is_broken(monkeypatch: pytest.MonkeyPatch) -> None:
    """When the new version names nothing to put in its place, or something that the old one lacks, too."""
    assert line(monkeypatch).state.value == "broken"
    assert line(monkeypatch, instead={"full": "newer"}).state.value == "broken"
    assert line(monkeypatch, instead={"full": "crashed"}, state="parked").state.value == "broken"


def test_a_retry_that_sticks_is_broken(monkeypatch: pytest.MonkeyPatch) -> None:
    """To read the row is not enough."""
    assert line(monkeypatch, bears=True, retried="queued").state.value == "broken"


def test_a_word_that_can_be_replaced_has_its_statement(monkeypatch: pytest.MonkeyPatch) -> None:
    """The line says what to run before the old version comes back: it was tried."""
    found = line(monkeypatch, instead={"full": "crashed"})
    assert found.state.value == "cannot"
    assert any("full becomes crashed" in one for one in found.evidence)
