"""What a toxic is: data that says what is done, and a coroutine that does it to one direction of one
connection."""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import ClassVar, Literal, NamedTuple, Protocol

Stream = Literal["upstream", "downstream"]
"""`upstream`: from the client to the dependency. `downstream`: what comes back."""


class Chunk(NamedTuple):
    """Bytes that were read together, and when (nanoseconds, moved on by each delay that they have had)."""

    data: bytes
    at_ns: int


class Stage(Protocol):
    """A toxic's place in one direction of one connection.

    What was taken and neither given nor dropped goes on by itself when the toxic is taken away or gets
    other attributes, so a pipe may be cancelled wherever it waits.
    """

    rng: random.Random  # from the run's seed, of this toxic on this connection
    given_bytes: int  # by this toxic on this connection, whatever its attributes were meanwhile

    async def take(self) -> Chunk | None:
        """The next bytes, once what was taken before is dealt with. None: the source has ended."""
        ...

    def give(self, size: int | None = None, *, at_ns: int | None = None) -> None:
        """Lets what was taken go on, or its first `size` bytes; `at_ns` is when it should have, if late."""
        ...

    def drop(self) -> None:
        """What was taken, or is left of it, never goes on."""
        ...

    def end(self) -> None:
        """The end of the source goes on. The pipe returns after it."""
        ...

    def close(self, *, with_reset: bool = False) -> None:
        """Ends the connection behind what was given; nothing that comes later goes on.

        By RST of both sides, or else in good order: the peer's side first, and the other one once what
        comes back has ended, too. The pipe returns after it.
        """
        ...

    def condemn(self, *, with_reset: bool = False) -> None:
        """Bytes are lost from here on: when the toxic is taken away, the connection closes.

        With a reset also when the toxic's attributes change.
        """
        ...

    async def until(self, at_ns: int) -> None:
        """Waits for a moment of the monotonic clock; lets others run where it is past."""
        ...


class Behaviour(Protocol):
    """What one type of toxic does; its fields are the attributes, with Toxiproxy's names and units."""

    kind: ClassVar[str]
    buffer_bytes: ClassVar[int]  # what may wait for it before the source has to rest

    async def pipe(self, stage: Stage) -> None:
        """Deals with the direction until it ends; cancelled when the toxic changes or goes."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Toxic:
    """One toxic of a link. `toxicity`: the share of connections that it acts on, 0 to 1."""

    name: str
    stream: Stream
    behaviour: Behaviour
    toxicity: float = 1.0


SMALL_BYTES = 64 * 1024
LARGE_BYTES = 4 * 1024 * 1024
