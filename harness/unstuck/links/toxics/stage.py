"""A toxic's place in one direction of one connection: what waits there, and the task that deals with it."""

from __future__ import annotations

import asyncio
import random
from collections import deque
from collections.abc import Callable
from typing import NamedTuple

from unstuck.clock import monotonic_ns
from unstuck.links.outlet import Sent
from unstuck.links.toxics.port import Chunk, Toxic


class Mark(NamedTuple):
    """Somebody wants to know when all bytes before it are out."""

    sent: Sent


class SourceEnd(NamedTuple):
    """The source has ended; arguments of `WayOut.end`."""

    half: bool
    then: Sent


class Closed(NamedTuple):
    """A toxic closes the connection here."""

    with_reset: bool


Item = Chunk | Mark | SourceEnd | Closed


class ToxicStage:
    """Lets the toxic's pipe run over what comes; where it does not act, what comes goes straight on.

    `onward` takes what goes on. Everything but the pipe itself is done at once, without waiting: a task
    that was cancelled does not run on, so nothing can come between taking a toxic away and what follows.
    """

    def __init__(
        self, toxic: Toxic, *, rng: random.Random, draw: float, first: Callable[[Toxic], None]
    ) -> None:
        """`draw`, from 0 to below 1, decides against the toxicity; `first` hears of the first bytes."""
        self.toxic = toxic
        self.rng = rng
        self.given_bytes = 0
        self.onward: Callable[[Item], None] = _nowhere
        self.dropped: Callable[[int], None] = _uncounted
        self._draw = draw
        self._first: Callable[[Toxic], None] | None = first
        self._inbox: deque[Item] = deque()
        self._hand: Chunk | None = None
        self._arrived: asyncio.Future[None] | None = None
        self._condemned: Closed | None = None
        self._lost = False  # bytes were dropped: whoever waits for them waits in vain
        self._task: asyncio.Task[None] | None = None
        self.start()

    # --- for the chain

    def start(self) -> None:
        if self._draw < self.toxic.toxicity:
            loop = asyncio.get_running_loop()
            self._task = loop.create_task(self.toxic.behaviour.pipe(self))
            self._task.add_done_callback(self._ended)

    def put(self, item: Item) -> None:
        if self._task is None:
            self.onward(item)
            return
        self._inbox.append(item)
        if self._arrived is not None and not self._arrived.done():
            self._arrived.set_result(None)

    def change(self, toxic: Toxic) -> None:
        """Other attributes, or another toxicity: what was in hand goes on, what waits gets the new ones."""
        self._stop()
        self.toxic = toxic
        self._lost = False
        if self._condemned is not None and self._condemned.with_reset:
            self.onward(self._condemned)
            return
        self.start()
        if self._task is None:
            self._let_all_go()

    def remove(self) -> None:
        """Everything that waits goes on at once, or the connection closes where bytes were lost."""
        self._stop()
        if self._condemned is not None:
            self.onward(self._condemned)
        self._let_all_go()

    def abandon(self) -> None:
        """Everything that waits goes on at once: the socket is gone, and whoever waits has to be told."""
        self._stop()
        self._let_all_go()

    # --- for the pipe

    async def take(self) -> Chunk | None:
        while True:
            while self._inbox and isinstance(self._inbox[0], Mark):
                self._pass_mark()
            if self._inbox:
                break
            self._arrived = asyncio.get_running_loop().create_future()
            await self._arrived
        if not isinstance(self._inbox[0], Chunk):
            return None
        self._hand = self._inbox.popleft()  # type: ignore[assignment]  # it was looked at above
        if self._first is not None:
            self._first(self.toxic)
            self._first = None
        return self._hand

    def give(self, size: int | None = None, *, at_ns: int | None = None) -> None:
        assert self._hand is not None
        data, came_ns = self._hand
        size = len(data) if size is None else size
        self._hand = Chunk(data[size:], came_ns) if size < len(data) else None
        if size:
            self.given_bytes += size
            self.onward(Chunk(data[:size], came_ns if at_ns is None else at_ns))

    def drop(self) -> None:
        if self._hand is not None:
            self.dropped(len(self._hand.data))
            self._hand = None
            self._lost = True

    def end(self) -> None:
        while self._inbox:  # a reset may have followed the orderly end
            self.onward(self._inbox.popleft())

    def close(self, *, with_reset: bool = False) -> None:
        self.onward(Closed(with_reset))

    def condemn(self, *, with_reset: bool = False) -> None:
        self._condemned = Closed(with_reset)

    async def until(self, at_ns: int) -> None:
        await asyncio.sleep(max(0, at_ns - monotonic_ns()) / 1e9)

    # --- inside

    def _pass_mark(self) -> None:
        mark = self._inbox.popleft()
        if self._lost and isinstance(mark, Mark):
            mark.sent(False)  # noqa: FBT003  the callback's one argument
        else:
            self.onward(mark)

    def _stop(self) -> None:
        """Ends the pipe; what it had in hand goes on."""
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
        if self._hand is not None:
            self.give()

    def _let_all_go(self) -> None:
        while self._inbox:
            self.onward(self._inbox.popleft())

    def _ended(self, task: asyncio.Task[None]) -> None:
        """The pipe is done: what comes behind goes straight on. A bug of ours is told, and closes."""
        if task is not self._task or task.cancelled():
            return
        self._task = None
        error = task.exception()
        if error is not None:
            loop = asyncio.get_running_loop()
            loop.call_exception_handler({"message": f"toxic {self.toxic.name!r}", "exception": error})
            self.onward(Closed(with_reset=True))
        self._let_all_go()


def _nowhere(_item: Item) -> None:
    raise AssertionError("a stage stands in a chain")


def _uncounted(_size: int) -> None:
    raise AssertionError("a stage stands in a chain")
