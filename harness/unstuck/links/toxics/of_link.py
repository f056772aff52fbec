"""The toxics of a link: the list, and what it means for each of its connections."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Protocol

from unstuck.errors import UsageError, did_you_mean
from unstuck.links.toxics.port import Toxic
from unstuck.links.toxics.stage import ToxicStage
from unstuck.rng import split


class Connection(Protocol):
    """A pair, as far as toxics need it."""

    number: int

    def add_toxic(self, stage: ToxicStage) -> None: ...

    def change_toxic(self, toxic: Toxic) -> None: ...

    def remove_toxic(self, toxic: Toxic) -> None: ...


class LinkToxics:
    """In force for every byte that is read after a call has returned, on old and new connections.

    Whether a toxic acts on a connection is one draw, from the seed, the link, the toxic's name and the
    connection's number: so a higher toxicity adds connections, and takes none away.
    """

    def __init__(
        self,
        *,
        link: str,
        seed: int,
        connections: Callable[[], Iterable[Connection]],
        touched: Callable[[Toxic, int], None],
    ) -> None:
        """`touched` hears of the first bytes that a toxic ever had, and on which connection."""
        self._link = link
        self._seed = seed
        self._connections = connections
        self._touched = touched
        self._toxics: dict[str, Toxic] = {}
        self._waiting: set[str] = set()  # of those that have had no bytes yet

    def __iter__(self) -> Iterator[Toxic]:
        """Upstream ones first, each in the order in which they were added."""
        upstream = [toxic for toxic in self._toxics.values() if toxic.stream == "upstream"]
        downstream = [toxic for toxic in self._toxics.values() if toxic.stream == "downstream"]
        return iter([*upstream, *downstream])

    def get(self, name: str) -> Toxic | None:
        return self._toxics.get(name)

    def add(self, toxic: Toxic) -> None:
        """Raises `UsageError` when there is one of this name, in whichever direction."""
        if toxic.name in self._toxics:
            raise self.taken(toxic.name)
        self._toxics[toxic.name] = toxic
        self._waiting.add(toxic.name)
        for connection in list(self._connections()):
            connection.add_toxic(self._stage(toxic, connection.number))

    def change(self, toxic: Toxic) -> None:
        """The toxic of that name gets other attributes, or another toxicity. Raises `UsageError`."""
        self._known(toxic.name)
        self._toxics[toxic.name] = toxic
        for connection in list(self._connections()):
            connection.change_toxic(toxic)

    def remove(self, name: str) -> None:
        """What it holds goes on. Raises `UsageError` when there is none."""
        self._known(name)
        toxic = self._toxics.pop(name)
        self._waiting.discard(name)
        for connection in list(self._connections()):
            connection.remove_toxic(toxic)

    def clear(self) -> None:
        for name in list(self._toxics):
            self.remove(name)

    def stages(self, number: int) -> list[ToxicStage]:
        """For a new connection."""
        return [self._stage(toxic, number) for toxic in self._toxics.values()]

    def _stage(self, toxic: Toxic, number: int) -> ToxicStage:
        return ToxicStage(
            toxic,
            rng=split(self._seed, "toxic", self._link, toxic.name, number),
            draw=split(self._seed, "toxicity", self._link, toxic.name, number).random(),
            first=lambda toxic: self._first(toxic, number),
        )

    def _first(self, toxic: Toxic, number: int) -> None:
        if toxic.name in self._waiting:
            self._waiting.discard(toxic.name)
            self._touched(toxic, number)

    def taken(self, name: str) -> UsageError:
        """What to raise for a name that is there already."""
        return UsageError(f"toxic: name={name!r} is taken on {self._link!r}. Remove that one first.")

    def _known(self, name: str) -> None:
        if name not in self._toxics:
            hint = did_you_mean(name, self._toxics)
            raise UsageError(f"toxic: name={name!r} is not on {self._link!r}.{hint}")
