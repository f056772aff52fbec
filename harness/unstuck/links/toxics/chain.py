"""The toxics of one direction of one connection, between its lane and its outlet."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

from unstuck.clock import monotonic_ns
from unstuck.links.outlet import Outlet, Sent
from unstuck.links.rules import LinkState
from unstuck.links.toxics.port import SMALL_BYTES, Chunk, Toxic
from unstuck.links.toxics.stage import Closed, Item, Mark, SourceEnd, ToxicStage

Close = Callable[[bool], None]
"""Ends the connection for a toxic; the argument says whether by RST."""


class Chain:
    """A way out with toxics in it, one behind another in the order in which they were added.

    It stands before the outlet only while there are some: without any, nothing is in the way of the
    bytes. Once a toxic has closed the connection, nothing that comes later goes on.
    """

    def __init__(self, outlet: Outlet, *, close: Close) -> None:
        self._outlet = outlet
        self._close = close
        self._stages: list[ToxicStage] = []
        self._bytes = 0  # in here: neither sent nor dropped
        self._room_bytes = SMALL_BYTES
        self._closed = False
        outlet.on_death = self._abandon

    # --- a way out

    @property
    def full(self) -> bool:
        return self._outlet.full or (self._bytes > self._room_bytes and not self._closed)

    def send(self, data: bytes) -> None:
        if not self._closed:
            self._bytes += len(data)
            self._first(Chunk(data, monotonic_ns()))

    def when_sent(self, sent: Sent) -> None:
        if self._closed:
            sent(False)  # noqa: FBT003  the callback's one argument
        else:
            self._first(Mark(sent))

    def end(self, *, half: bool, then: Sent) -> None:
        if not self._closed:
            self._first(SourceEnd(half, then))

    def set_state(self, state: LinkState) -> None:
        self._outlet.set_state(state)

    def die(self) -> None:
        self._outlet.die()

    # --- toxics

    @property
    def idle(self) -> bool:
        """True when the outlet may stand alone again: there are no toxics, and none has closed it."""
        return not self._stages and not self._closed

    def add(self, stage: ToxicStage) -> None:
        """Behind the others. It is nothing's place where the socket is gone already."""
        stage.dropped = self._drop
        stage.onward = self._out
        if self._outlet.dead:
            stage.abandon()
            return
        self._stages.append(stage)
        self._link()

    def change(self, toxic: Toxic) -> None:
        """The toxic of that name."""
        for stage in self._stages:
            if stage.toxic.name == toxic.name:
                stage.change(toxic)

    def remove(self, name: str) -> None:
        for stage in [one for one in self._stages if one.toxic.name == name]:
            stage.remove()
            self._stages.remove(stage)
        self._link()

    def _link(self) -> None:
        for stage, following in pairwise(self._stages):
            stage.onward = following.put
        if self._stages:
            self._stages[-1].onward = self._out
        self._room_bytes = max((s.toxic.behaviour.buffer_bytes for s in self._stages), default=SMALL_BYTES)

    def _first(self, item: Item) -> None:
        if self._stages:
            self._stages[0].put(item)
        else:
            self._out(item)

    def _out(self, item: Item) -> None:
        """The end of the chain."""
        if self._closed:
            self._forget(item)
            return
        match item:
            case Chunk(data=data):
                self._bytes -= len(data)
                self._outlet.send(data)
                self._outlet.on_change()
            case Mark(sent=sent):
                self._outlet.when_sent(sent)
            case SourceEnd(half=half, then=then):
                self._outlet.end(half=half, then=then)
            case Closed(with_reset=with_reset):
                self._closed = True
                # Bytes before it may still wait for the kernel.
                if with_reset:
                    self._close(with_reset)
                else:
                    self._outlet.when_sent(lambda _: self._close(False))  # noqa: FBT003  the callback's own

    def _forget(self, item: Item) -> None:
        if isinstance(item, Chunk):
            self._drop(len(item.data))
        elif isinstance(item, Mark):
            item.sent(False)  # noqa: FBT003  the callback's one argument

    def _drop(self, size: int) -> None:
        self._bytes -= size
        self._outlet.on_change()

    def _abandon(self) -> None:
        """The socket is gone: what is in here goes to the outlet, which drops it, from the end on."""
        for stage in reversed(self._stages):
            stage.abandon()
        self._stages.clear()
