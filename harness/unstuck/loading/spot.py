"""A place in a scenario file: a value together with the way to it, which is what a message needs."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from unstuck.errors import ScenarioError, did_you_mean
from unstuck.yaml_source import Node, Scalar, shorten

TEXT_MAX = 1000  # characters; a summary is printed whole on every screen and page


@dataclass(frozen=True, slots=True)
class Spot:
    """`way` reads like `faults[1].when.stage`; empty at the top of the file."""

    file: str
    way: str
    node: Node

    @property
    def line(self) -> int:
        return self.node.line

    def error(self, rule: str) -> ScenarioError:
        """`path:line: way=value rule`; the value is shown when it is a scalar."""
        value = self.node.value
        shown = "" if isinstance(value, tuple | Mapping) else f"={shorten(value)}"
        subject = f"{self.way}{shown} " if self.way else ""
        return ScenarioError(f"{self.file}:{self.line}: {subject}{rule}")

    def unknown(self, what: str, known: Collection[str]) -> ScenarioError:
        """`… is not a role. Did you mean 'worker'?`"""
        return self.error(f"is not {what}.{did_you_mean(str(self.node.value), known)}")

    def scalar(self) -> Scalar:
        """Raises `ScenarioError` for a list, a mapping, or a text that no screen would show."""
        value = self.node.value
        if isinstance(value, tuple | Mapping):
            raise self.error(f"is {self._shape()}, and must be a single value. Write one.")
        if isinstance(value, str) and len(value) > TEXT_MAX:
            raise self.error(f"is a text of {len(value)} characters. Write {TEXT_MAX} at most.")
        return value

    def items(self) -> list[Spot]:
        """The items of a list; nothing at all (`faults:`) is an empty one. Raises `ScenarioError`."""
        if self.node.value is None:
            return []
        if not isinstance(self.node.value, tuple):
            raise self.error(f"is {self._shape()}, and must be a list. Begin each item with a dash.")
        return [Spot(self.file, f"{self.way}[{i}]", item) for i, item in enumerate(self.node.value)]

    def entries(self, known: Collection[str] | None = None) -> dict[str, Spot]:
        """The entries of a mapping, in their order. Nothing at all (`settings:`) is an empty one.

        Raises `ScenarioError` when it is no mapping, and for a key that is not `known` (None: any).
        """
        if self.node.value is None:
            return {}
        if not isinstance(self.node.value, Mapping):
            raise self.error(f"is {self._shape()}, and must be a mapping. Write `key: value`.")
        spots = {key: self.at(key, node) for key, node in self.node.value.items()}
        for key, spot in spots.items():
            if key.startswith("$"):
                raise self.key_error(spot, key, "cannot be a key: only values come from the matrix.")
            if known is not None and key not in known:
                raise self.key_error(spot, key, f"is not a key here.{did_you_mean(key, known)}")
        return spots

    def at(self, key: str, node: Node) -> Spot:
        return Spot(self.file, f"{self.way}.{key}" if self.way else key, node)

    def key_error(self, spot: Spot, key: str, rule: str) -> ScenarioError:
        """An error about the key `key` of this mapping, on its own line."""
        where = f"{self.way}: " if self.way else ""
        return ScenarioError(f"{self.file}:{spot.line}: {where}{shorten(key)} {rule}")

    def _shape(self) -> str:
        value = self.node.value
        if isinstance(value, tuple):
            return "a list"
        return "a mapping" if isinstance(value, Mapping) else "a single value"
