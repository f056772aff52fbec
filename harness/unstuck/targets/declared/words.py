"""What the fields of a target file may say, and small readers that several parts of it share."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from typing import Any

from unstuck.catalogue import Catalogue
from unstuck.loading.fields import typed
from unstuck.loading.spot import Spot
from unstuck.loading.vocabulary import RANGES, SECONDS, SIGNALS, Vocabulary
from unstuck.scenario import CANONICAL_STATES
from unstuck.targets.declared.file import HELD, Setting

_NOTHING: Catalogue = Catalogue(
    faults={}, properties={}, roles=frozenset(), stages=(), points=frozenset(), links=frozenset(),
    videos=frozenset(), defences=frozenset(),
)  # fmt: skip
_COUNTS = {**RANGES, "starts_max": (1, 1_000), "database": (0, 1_000)}


class TargetWords(Vocabulary):
    """Numbers have ranges and signals names; all other texts of a target file are its own."""

    def __init__(self) -> None:
        super().__init__(_NOTHING)

    def check(self, field: str, spot: Spot) -> None:
        value = spot.node.value
        if field == "signal" and value not in SIGNALS:
            raise spot.unknown("a signal", SIGNALS)
        if isinstance(value, int | float) and not isinstance(value, bool):
            low, high = _COUNTS.get(field) or (SECONDS if field.endswith("_s") else (value, value))
            if not low <= value <= high:
                raise spot.error(f"is out of range. Take a number from {low} to {high}.")


def read_command(spot: Spot) -> tuple[str, ...]:
    """A list of words, or one text that is split as a shell would; no shell runs it."""
    if isinstance(spot.node.value, tuple):
        words = tuple(str(typed(item, (str, int, float))) for item in spot.items())
    else:
        text = str(typed(spot, (str,)))
        try:
            words = tuple(shlex.split(text))
        except ValueError as error:
            raise spot.error(f"cannot be split into words ({error}). Write a list of words.") from None
    if not words:
        raise spot.error("is empty. Write the program and its arguments.")
    return words


def read_texts(spot: Spot) -> dict[str, str]:
    """A mapping of texts; numbers and truth values count as the text that they are written as."""
    return {key: setting_text(_setting(value)) for key, value in spot.entries().items()}


def read_settings(spot: Spot) -> dict[str, Setting]:
    """A mapping of single values."""
    return {key: _setting(value) for key, value in spot.entries().items()}


def setting_text(value: Setting) -> str:
    """As an environment variable carries it: `true`, `5`, `0.5`."""
    return str(value).lower() if isinstance(value, bool) else str(value)


def _setting(spot: Spot) -> Setting:
    value = typed(spot, (str, int, float, bool))
    assert value is not None  # not among the types
    return value


def read_states(spot: Spot) -> dict[str, str | None]:
    """The system's own words for states -> ours; `null`: a word that says nothing. Raises `ScenarioError`."""
    states: dict[str, str | None] = {}
    for name, value in spot.entries().items():
        states[name] = None if value.node.value is None else read_state(value)
    return states


def read_state(spot: Spot) -> str:
    value = spot.scalar()
    if not isinstance(value, str) or value not in CANONICAL_STATES:
        raise spot.unknown("a state", CANONICAL_STATES)
    return value


def read_held(spot: Spot) -> str:
    value = spot.scalar()
    if not isinstance(value, str) or value not in HELD:
        raise spot.unknown("where a job can be held", HELD)
    return value


def read_says_held(spot: Spot) -> dict[str, str]:
    """Canonical state -> where a job in it is held."""
    held: dict[str, str] = {}
    for name, value in spot.entries(CANONICAL_STATES).items():
        held[name] = read_held(value)
    return held


def plain(spot: Spot) -> Any:
    """A value of any shape, without lines."""
    value = spot.node.value
    if isinstance(value, tuple):
        return [plain(item) for item in spot.items()]
    if isinstance(value, Mapping):
        return {key: plain(item) for key, item in spot.entries().items()}
    return spot.scalar()
