"""A rule's hand on one message: what actions may do, and what the harness hears of it."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from unstuck.clock import monotonic_ns
from unstuck.links.messages import Exchange
from unstuck.links.rules import Match, On

if TYPE_CHECKING:
    from unstuck.links.lane import Lane
    from unstuck.links.pair import Pair


class Turn:
    """Lives from `matched` to `done`; exactly one `done` is reported for each."""

    def __init__(self, *, pair: Pair, lane: Lane, exchange: Exchange, match: Match, data: bytes, whole: bool):
        self.pair = pair
        self.lane = lane
        self.exchange = exchange
        self.rule = match.rule
        self.nth = match.nth
        self.data = data  # the message as far as it has come
        self.whole = whole  # `data` is all of it
        self.facts: dict[str, Any] = {}
        self.outcome: str | None = None  # what is reported once the message's last byte has gone
        self.on_forwarded: Callable[[], None] | None = None
        self._done = False

    @property
    def is_done(self) -> bool:
        return self._done

    @property
    def on(self) -> On:
        return self.lane.on

    def report(self, event: str, **more: Any) -> None:
        exchange = self.exchange
        self.pair.host.report(
            {
                "event": event,
                "rule": self.rule.id,
                "action": self.rule.action.kind,
                "link": self.pair.link_name,
                "on": self.on,
                "label": exchange.label,
                "nth": self.nth,
                "connection": self.pair.number,
                "exchange": exchange.number,
                "at_ns": monotonic_ns(),
                **more,
            }
        )

    def matched(self) -> None:
        self.report("matched", facts=self.exchange.told())

    def done(self, outcome: str, **facts: Any) -> None:
        """What became of the message; later calls change nothing."""
        if not self._done:
            self._done = True
            self.pair.turns.discard(self)
            self.report("done", outcome=outcome, facts={**self.facts, **facts})

    # --- what an action may do

    def wait(self) -> None:
        """The message, and all behind it in its direction, stays until `proceed`."""
        self.lane.blocked = True

    def proceed(self) -> None:
        """The message goes on; `done` says `forwarded` or `delivered` once the kernel has it."""
        self.outcome = "forwarded" if self.on == "request" else "delivered"
        if self.lane.blocked:
            self.lane.unblock()

    def swallow(self) -> None:
        """The message does not go on; what follows it does."""
        self.lane.swallowing = True

    def mute(self) -> None:
        """Neither the message nor anything behind it in its direction goes on."""
        self.lane.muted = True

    def answer(self, data: bytes, outcome: str) -> None:
        """Swallows the request, and sends `data` as its reply, behind replies under way."""
        self.swallow()
        self.outcome = outcome
        self.pair.answer(self, data)

    def cut(self, *, with_reset: bool = True) -> None:
        """Ends both connections; nothing of the message goes on."""
        self.done("cut", reset=with_reset)
        self.pair.cut(with_reset=with_reset)
