"""Histories of made-up runs: what links saw of one job."""

from __future__ import annotations

from typing import Any

from unstuck.explorer.life import read_life
from unstuck.explorer.messages import begin_ns, read_messages
from unstuck.explorer.points import CrashPoint, points_of
from unstuck.history import Event, History


class Wire:
    """Collects events; each one a millisecond after the one before."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self._exchange = 0

    def add(self, kind: str, phase: str | None = None, *, job: str | None = None, **data: Any) -> None:
        number = len(self.events)
        self.events.append(Event(number, number * 1_000_000, kind, phase, job, None, data))

    def seen(
        self,
        label: str,
        *,
        on: str,
        link: str = "worker-1.broker",
        does: str = "write",
        idle: bool = False,
        text: str = "",
        exchange: int | None = None,
    ) -> int:
        """One half of an exchange; its number, for the other half."""
        if exchange is None:
            self._exchange += 1
            exchange = self._exchange
        self.add(
            "message", "seen", link=link, on=on, label=label, does=does, idle=idle, connection=1,
            exchange=exchange, facts={"text": text or label},
        )  # fmt: skip
        return exchange

    def whole(self, label: str, *, idle: bool = False, **rest: Any) -> None:
        """A request and its reply."""
        exchange = self.seen(label, on="request", **rest)
        self.seen(label, on="reply", idle=idle, exchange=exchange, **rest)

    def begin(self) -> None:
        """The first client begins."""
        self.add("op", "invoke", id="c-01.1", client="c-01", action="submit")

    def moved(self, state: str) -> None:
        self.add("transition", job="j-1", to=state, **{"from": None}, attempt=1, token=1)

    def history(self) -> History:
        return History(tuple(self.events))

    def points(self) -> tuple[CrashPoint, ...]:
        history = self.history()
        messages = read_messages(history)
        life = read_life(history, has_client_links=any(one.role == "client" for one in messages))
        return points_of(messages, life, from_ns=begin_ns(history))


def one_job(*, commits: int = 1) -> Wire:
    """A job from a list to its end, on a service that starts by registering itself."""
    wire = Wire()
    wire.whole("SADD workers")
    wire.whole("PING", does="session")
    poll = wire.seen("BRPOP jobs", on="request", does="poll")
    wire.begin()
    wire.whole("LPUSH jobs", link="client-1.broker")
    wire.seen("BRPOP jobs", on="reply", does="poll", exchange=poll)
    wire.whole("GET result:*", does="read")
    wire.moved("active")
    for _ in range(commits):
        wire.whole("SET result:*")
    wire.add("effect", job="j-1", key="k", attempt=1, token=1, applied=True)
    wire.seen("PUBLISH done", on="request")
    wire.whole("BRPOP jobs", does="poll", idle=True)
    wire.moved("succeeded")
    return wire
