"""Links: each listens on loopback for one role's connections to one dependency."""

from __future__ import annotations

import asyncio
import uuid
from collections import Counter
from collections.abc import Callable, Coroutine, Iterator
from fnmatch import fnmatchcase
from typing import Any

from unstuck.clock import monotonic_ns
from unstuck.errors import UnstuckError, UsageError, did_you_mean
from unstuck.links.actions.hold import release
from unstuck.links.framers import FRAMERS, UNABLE
from unstuck.links.listening import GuardedPort, Listening
from unstuck.links.messages import Exchange
from unstuck.links.pair import Pair
from unstuck.links.real_toxiproxy import VARIABLE, RealToxiproxy
from unstuck.links.rules import UP, LinkState, On, Rule, RuleBook, Then
from unstuck.links.toxics.noop import Noop
from unstuck.links.toxics.of_link import LinkToxics
from unstuck.links.toxics.port import Stream, Toxic
from unstuck.links.toxics.stage import ToxicStage
from unstuck.links.toxics.text import encode_toxic
from unstuck.links.turn import Turn
from unstuck.rng import split

BACKLOG = 512
STREAMS: tuple[Stream, ...] = ("upstream", "downstream")

Report = Callable[[dict[str, Any]], None]


class Link:
    """One listener, its connections, and its toxics."""

    def __init__(
        self, *, name: str, upstream_host: str, upstream_port: int, framer_name: str, rules: RuleBook,
        report: Report, seed: int, listening: Listening,
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
        self.listening = listening
        self._gone_bytes: dict[Stream, list[int]] = {stream: [0, 0] for stream in STREAMS}  # of ended pairs
        self.real_toxics: dict[str, Toxic] = {}  # what a real Toxiproxy does in place of ours
        self.toxics = LinkToxics(
            link=name, seed=seed, connections=lambda: self._pairs, touched=self._report_toxic
        )

    @property
    def address(self) -> tuple[str, int]:
        """Where the role has to connect."""
        return self.listening.host, self.listening.port

    async def listen(self) -> None:
        """Raises `OSError`."""
        sock = self.listening.bind()
        self._server = await asyncio.get_running_loop().create_server(
            self._accept, sock=sock, backlog=BACKLOG
        )

    def stop(self) -> None:
        """Closes every connection in good order, and refuses new ones."""
        self._stop_listening()
        for task in self._tasks:  # connections that are being made
            task.cancel()
        for pair in list(self._pairs):
            pair.cut(with_reset=False)

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
        self.listening.release()

    def snapshot(self) -> dict[str, Any]:
        """What has come through so far."""
        return {
            "counts": dict(self.counts),
            "kinds": dict(self.kinds),
            "matter": dict(self.matter),
            "connections": self.connections,
            "open": len(self._pairs),
            "toxics": [encode_toxic(self.real_toxics.get(toxic.name, toxic)) for toxic in self.toxics],
        }

    def bytes_of(self, stream: Stream) -> tuple[int, int]:
        """Received from its source, and sent to its peer, in one direction of all connections so far."""
        received, sent = self._gone_bytes[stream]
        for pair in self._pairs:
            more = pair.bytes_of(stream)
            received, sent = received + more[0], sent + more[1]
        return received, sent

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
        for stream in STREAMS:
            for place, count in enumerate(pair.bytes_of(stream)):
                self._gone_bytes[stream][place] += count

    def toxic_stages(self, number: int) -> list[ToxicStage]:
        return self.toxics.stages(number)

    def _report_toxic(self, toxic: Toxic, connection: int) -> None:
        self.report(
            {
                "event": "poisoned",
                "link": self.name,
                "label": toxic.name,
                "connection": connection,
                "at_ns": monotonic_ns(),
                "facts": encode_toxic(self.real_toxics.get(toxic.name, toxic)),
            }
        )

    def invented_id(self, rule_id: str, nth: int, number: int) -> str:
        bits = split(self._seed, "links", self.name, rule_id, nth, number).getrandbits(128)
        return str(uuid.UUID(int=bits, version=4))

    def run(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


class Proxy:
    """All links of a run, and the rules that they share.

    With `real`, a real Toxiproxy behind them carries out toxics and `down`.
    """

    def __init__(self, *, report: Report, seed: int, real: RealToxiproxy | None = None) -> None:
        self._report = report
        self._real = real
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
        if self._real is not None:
            upstream_host, upstream_port = await asyncio.to_thread(
                self._real.create, name, upstream_host, upstream_port
            )
        link = Link(
            name=name, upstream_host=upstream_host, upstream_port=upstream_port, framer_name=framer,
            rules=self._rules, report=self._report, seed=self._seed, listening=GuardedPort(),
        )  # fmt: skip
        await link.listen()
        self._links[name] = link
        return link.address

    async def shut(self, name: str) -> None:
        """Closes a link for good."""
        self._named(name).close()
        del self._links[name]
        if self._real is not None:
            await asyncio.to_thread(self._real.remove, name)

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
        links = self._all_named(name)
        for link in links:
            if self._real is not None and state.kind in ("up", "down"):
                await asyncio.to_thread(self._real.set_enabled, link.name, enabled=state.kind == "up")
            await link.set_state(state)
        return [link.name for link in links]

    async def add_toxic(self, name: str, toxic: Toxic) -> list[str]:
        """To the links that `name`, which may be a glob, names: to all of them or to none. Raises
        `UsageError`."""
        links = self._all_named(name)
        if self._real is not None and toxic.toxicity < 1:
            raise UsageError(
                f"toxic {toxic.name!r}: toxicity={toxic.toxicity:g} with {VARIABLE}: which connections a "
                "real Toxiproxy picks is not seen, so it may have hit none. "
                f"Leave toxicity out, or unset {VARIABLE}."
            )
        for link in links:
            if link.toxics.get(toxic.name) is not None:
                raise link.toxics.taken(toxic.name)
        for place, link in enumerate(links):
            try:
                await self._add_toxic(link, toxic)
            except UnstuckError:
                for before in links[:place]:
                    await self._remove_toxic(before, toxic.name)
                raise
        return [link.name for link in links]

    async def remove_toxic(self, name: str, toxic: str) -> list[str]:
        """From the links that have it; those. What it holds goes on. Raises `UsageError`."""
        having = [link for link in self._all_named(name) if link.toxics.get(toxic) is not None]
        for link in having:
            await self._remove_toxic(link, toxic)
        return [link.name for link in having]

    async def _add_toxic(self, link: Link, toxic: Toxic) -> None:
        """Our own stands in for Toxiproxy's: it does nothing, and tells of the first bytes."""
        if self._real is not None:
            await asyncio.to_thread(self._real.add_toxic, link.name, toxic)
            link.real_toxics[toxic.name] = toxic
            toxic = _witness(toxic)
        link.toxics.add(toxic)

    async def _remove_toxic(self, link: Link, name: str) -> None:
        link.toxics.remove(name)
        if link.real_toxics.pop(name, None) is not None and self._real is not None:
            await asyncio.to_thread(self._real.remove_toxic, link.name, name)

    def _all_named(self, name: str) -> list[Link]:
        links = list(self._matching(name))
        if not links:
            raise UsageError(f"link: name={name!r} is unknown.{did_you_mean(name, self._links)}")
        return links

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
        if self._real is not None:
            self._real.close()

    def _matching(self, name: str) -> Iterator[Link]:
        return (link for link in self._links.values() if link.name == name or fnmatchcase(link.name, name))

    def _named(self, name: str) -> Link:
        if name not in self._links:
            raise UsageError(f"link: name={name!r} is unknown.{did_you_mean(name, self._links)}")
        return self._links[name]


SWALLOWING = frozenset({"limit_data", "reset_peer", "timeout"})
"""Types of toxics behind which nothing need come out."""


def _witness(toxic: Toxic) -> Toxic:
    """Stands where bytes are seen before, or after, they have been to a real Toxiproxy's toxic.

    What comes back from one that swallows is not seen here: then it is the request that is looked for.
    """
    swallows = toxic.behaviour.kind in SWALLOWING
    return Toxic(name=toxic.name, stream="upstream" if swallows else toxic.stream, behaviour=Noop())
