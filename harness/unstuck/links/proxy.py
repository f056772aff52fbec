"""Links: each listens on loopback for one role's connections to one dependency."""

from __future__ import annotations

import asyncio
import socket
import uuid
from collections import Counter
from collections.abc import Callable, Coroutine, Iterator
from fnmatch import fnmatchcase
from typing import Any

from unstuck.errors import UsageError, did_you_mean
from unstuck.links.actions.hold import release
from unstuck.links.framers import FRAMERS, UNABLE
from unstuck.links.messages import Exchange
from unstuck.links.pair import Pair
from unstuck.links.rules import UP, LinkState, On, Rule, RuleBook, Then
from unstuck.links.turn import Turn
from unstuck.rng import split

LOOPBACK = "127.0.0.1"
BACKLOG = 512

Report = Callable[[dict[str, Any]], None]


def _bound(port: int) -> socket.socket:
    """A loopback socket that shares its port with others of this process only."""
    sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        sock.bind((LOOPBACK, port))
    except OSError:
        sock.close()
        raise
    return sock


class Link:
    """One listener and its connections.

    The port stays ours while the link is down: a second socket is bound to it that never listens, so
    that connections are refused, and nobody else can take the port.
    """

    def __init__(
        self, *, name: str, upstream_host: str, upstream_port: int, framer_name: str, rules: RuleBook,
        report: Report, seed: int,
    ) -> None:  # fmt: skip
        self.name = name
        self.upstream_host = upstream_host
        self.upstream_port = upstream_port
        self.framer_name = framer_name
        self.rules = rules
        self.report = report
        self.state = UP
        self.reports_all = False
        self.counts: Counter[str] = Counter()
        self.kinds: Counter[str] = Counter()
        self.matter: Counter[str] = Counter()
        self.connections = 0
        self._seed = seed
        self._pairs: set[Pair] = set()
        self._held: dict[str, list[Turn]] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None
        self._guard = _bound(0)
        self.port: int = self._guard.getsockname()[1]

    async def listen(self) -> None:
        self._server = await asyncio.get_running_loop().create_server(
            self._accept, sock=_bound(self.port), backlog=BACKLOG
        )

    def _accept(self) -> asyncio.Protocol:
        self.connections += 1
        pair = Pair(self, self.connections)
        self._pairs.add(pair)
        return pair.client

    async def set_state(self, state: LinkState) -> None:
        """Applies to what is open and to what will be."""
        self.state = state
        if state.kind == "down":
            self._stop_listening()
        elif self._server is None:
            await self.listen()
        for pair in list(self._pairs):
            pair.set_state(state)

    def _stop_listening(self) -> None:
        if self._server is not None:
            self._server.close()
            self._server = None

    def close(self) -> None:
        """Resets every connection and gives the port back."""
        self._stop_listening()
        for task in self._tasks:
            task.cancel()
        for pair in list(self._pairs):
            pair.cut(with_reset=True)
        self._guard.close()

    def snapshot(self) -> dict[str, Any]:
        """What has come through so far."""
        return {
            "counts": dict(self.counts), "kinds": dict(self.kinds), "matter": dict(self.matter),
            "connections": self.connections, "open": len(self._pairs),
        }  # fmt: skip

    def release(self, rule_id: str, then: Then, nth: int | None = None) -> int:
        """Releases the messages that the rule holds, or its `nth` match; how many there were."""
        held = [turn for turn in self._held.pop(rule_id, []) if not turn.is_done]
        turns = [turn for turn in held if nth in (None, turn.nth)]
        self._held[rule_id] = [turn for turn in held if turn not in turns]
        for turn in turns:
            release(turn, then)
        return len(turns)

    # --- for pairs

    def count(self, on: On, exchange: Exchange) -> None:
        """Of a write the request matters, of a poll the reply that brings work."""
        if on == "request":
            self.counts[exchange.label] += 1
            self.kinds[exchange.kind] += 1
        if exchange.kind == ("write" if on == "request" else "poll") and not exchange.idle:
            self.matter[exchange.label] += 1

    def hold(self, turn: Turn) -> None:
        waiting = [one for one in self._held.get(turn.rule.id, ()) if not one.is_done]  # others were cut
        self._held[turn.rule.id] = [*waiting, turn]

    def ended(self, pair: Pair) -> None:
        self._pairs.discard(pair)

    def invented_id(self, rule_id: str, nth: int, number: int) -> str:
        bits = split(self._seed, "links", self.name, rule_id, nth, number).getrandbits(128)
        return str(uuid.UUID(int=bits, version=4))

    def run(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


class Proxy:
    """All links of a run, and the rules that they share."""

    def __init__(self, *, report: Report, seed: int) -> None:
        self._report = report
        self._seed = seed
        self._rules = RuleBook()
        self._links: dict[str, Link] = {}

    async def open(
        self, *, name: str, upstream_host: str, upstream_port: int, framer: str
    ) -> tuple[str, int]:
        """Where the role has to connect. Raises `UsageError`, `OSError`."""
        if name in self._links:
            raise UsageError(f"link: name={name!r} is taken. Names are unique in a run.")
        if framer not in FRAMERS:
            raise UsageError(f"link {name!r}: framer={framer!r} is unknown.{did_you_mean(framer, FRAMERS)}")
        link = Link(
            name=name, upstream_host=upstream_host, upstream_port=upstream_port, framer_name=framer,
            rules=self._rules, report=self._report, seed=self._seed,
        )  # fmt: skip
        await link.listen()
        self._links[name] = link
        return LOOPBACK, link.port

    def shut(self, name: str) -> None:
        """Closes a link for good."""
        self._named(name).close()
        del self._links[name]

    def add_rule(self, rule: Rule) -> None:
        """In force for every message that is read from now on. Raises `UsageError`."""
        for link in self._matching(rule.link):
            if rule.action.kind in UNABLE[link.framer_name]:
                raise UsageError(
                    f"rule {rule.id!r}: action={rule.action.kind!r} has no meaning on link {link.name!r}, "
                    f"which speaks {link.framer_name}. Use hold, delay, drop or cut."
                )
        self._rules.add(rule)

    def remove_rule(self, rule_id: str) -> None:
        """What it holds goes on. Raises `UsageError`."""
        self._rules.remove(rule_id)
        self.release(rule_id, "forward")

    def release(self, rule_id: str, then: Then, nth: int | None = None) -> int:
        """How many messages were held by the rule, and (if given) were its `nth` match."""
        return sum(link.release(rule_id, then, nth) for link in self._links.values())

    async def set_state(self, name: str, state: LinkState) -> list[str]:
        """`name` may be a glob; the links that it named. Raises `UsageError` when there is none."""
        links = list(self._matching(name))
        if not links:
            raise UsageError(f"link: name={name!r} is unknown.{did_you_mean(name, self._links)}")
        for link in links:
            await link.set_state(state)
        return [link.name for link in links]

    def report_all(self, name: str, *, enabled: bool) -> None:
        """Whether each message of the links is reported as `seen`."""
        for link in self._matching(name):
            link.reports_all = enabled

    def snapshot(self) -> dict[str, Any]:
        return {name: link.snapshot() for name, link in self._links.items()}

    def close(self) -> None:
        for link in self._links.values():
            link.close()
        self._links.clear()

    def _matching(self, name: str) -> Iterator[Link]:
        return (link for link in self._links.values() if link.name == name or fnmatchcase(link.name, name))

    def _named(self, name: str) -> Link:
        if name not in self._links:
            raise UsageError(f"link: name={name!r} is unknown.{did_you_mean(name, self._links)}")
        return self._links[name]
