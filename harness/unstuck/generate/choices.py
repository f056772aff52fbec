"""How a scenario's grammar decides: it asks for one of several options, and never how that is chosen."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, TypeVar

T = TypeVar("T")


class Choices(Protocol):
    """The first option of a list is the simplest one: who shrinks goes towards it."""

    def pick(self, options: Sequence[T]) -> T:
        """One of `options`, of which there is at least one."""
        ...


def chance(choices: Choices, one_in: int) -> bool:
    """True about once in `one_in` times; false is the simpler."""
    return choices.pick([False] * (one_in - 1) + [True])
