"""A worker's inbox in memory, for tests and for simulation; as `queue.inbox` has it over HTTP."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from reference_service.ports import Message, Queue


@dataclass(slots=True, eq=False)
class Offer:
    """An event that somebody pushes. `taken` is None until it is answered."""

    body: Mapping[str, Any]
    taken: bool | None = None


class MemoryInbox:
    """`on_offer` is called when an event is pushed, `on_answer` when one is answered."""

    def __init__(self, address: str, outgoing: Queue, on_answer: Callable[[], None] = lambda: None) -> None:
        self._address = address
        self._outgoing = outgoing
        self._on_answer = on_answer
        self.on_offer: Callable[[], None] = lambda: None
        self._waiting: list[Offer] = []
        self._handed: dict[str, Offer] = {}
        self._numbers = itertools.count(1)

    def offer(self, body: Mapping[str, Any]) -> Offer:
        """What a pusher does; then it waits for an answer."""
        made = Offer(body)
        self._waiting.append(made)
        self.on_offer()
        return made

    def withdraw(self, offer: Offer) -> None:
        """The pusher has hung up: it is taken in no more, unless it was already."""
        self._waiting = [one for one in self._waiting if one is not offer]

    @property
    def address(self) -> str | None:
        return self._address

    def send(self, body: Mapping[str, Any]) -> str:
        return self._outgoing.send(body)

    def depth(self) -> int:
        return self._outgoing.depth()

    def receive(self, *, wait_s: float, most: int) -> Sequence[Message]:
        """Waits for nothing: the worker waits with its runtime."""
        del wait_s
        self._answer_the_rest()
        taken, self._waiting = self._waiting[:most], self._waiting[most:]
        messages = []
        for offer in taken:
            name = f"push-{next(self._numbers)}"
            self._handed[name] = offer
            messages.append(Message(id=name, receipt=name, body=offer.body))
        return messages

    def delete(self, message: Message) -> None:
        self._answer(self._handed.pop(message.receipt, None), taken=True)

    def give_back(self, message: Message) -> None:
        self._answer(self._handed.pop(message.receipt, None), taken=False)

    def fileno(self) -> int:
        raise OSError("it is in memory: it rings")

    def refuse(self) -> None:
        self._answer_the_rest()
        waiting, self._waiting = self._waiting, []
        for offer in waiting:
            self._answer(offer, taken=False)

    def _answer_the_rest(self) -> None:
        left, self._handed = self._handed, {}
        for offer in left.values():
            self._answer(offer, taken=False)

    def _answer(self, offer: Offer | None, *, taken: bool) -> None:
        if offer is not None and offer.taken is None:
            offer.taken = taken
            self._on_answer()
