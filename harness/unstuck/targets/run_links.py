"""The links of one run: a proxy process of its own, a listener for each process and dependency, rules."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

from unstuck.errors import HarnessError
from unstuck.links.client import LinkEvent, Links
from unstuck.links.rules import Action, LinkState, Rule, Then
from unstuck.links.toxics.port import Toxic
from unstuck.links.toxics.text import encode_toxic
from unstuck.scenario import OnMessage
from unstuck.targets.port import Emit
from unstuck.worlds.port import ProcessSpec, Restart, World
from unstuck.worlds.process.ports import free_port

ENTRY = "unstuck.links.__main__:main"
_FACTS = ("rule", "action", "on", "label", "nth", "exchange", "outcome", "then", "idle", "connection")


class RunLinks:
    """From `start` to `close`; what the links see is recorded as events of kind `message`.

    `see_all`: each message is recorded as `seen`, not only those that a rule names.
    """

    def __init__(
        self,
        *,
        world: World,
        folder: Path,
        emit: Emit,
        see_all: bool = False,
        toxiproxy: str | None = None,
    ) -> None:
        """`toxiproxy`: the address of a real one that carries out toxics and `link_down`."""
        self._toxiproxy = toxiproxy
        self._world = world
        self._folder = folder
        self._emit = emit
        self._see_all = see_all
        self._broken: LinkEvent | None = None
        self._closing = ExitStack()

    def start(self) -> None:
        """The proxy, in a process of its own, so that our own work cannot delay traffic."""
        port = free_port()
        self._world.start(
            ProcessSpec(
                name="links",
                role="links",
                entry=ENTRY,
                argv=("--port", str(port), *(("--toxiproxy", self._toxiproxy) if self._toxiproxy else ())),
                log=str(self._folder / "logs" / "links.log"),
                ready_line="ready",
                restart=Restart(policy="never"),
                beside=True,
            )
        )
        self._links = Links.connect("127.0.0.1", port)
        self._closing.callback(self._links.close)
        self._closing.callback(self._world.retire, "links")  # it ends when we let go of it
        self._closing.callback(self._end)  # first: then it may be killed at any moment
        self._links.on_event(self._on_event)

    def open(self, process: str, dependency: str, upstream: tuple[str, int], framer: str) -> tuple[str, int]:
        """Where `process` reaches `dependency`: the address of a link of its own."""
        name = f"{process}.{dependency}"
        address = self._links.open(name, *upstream, framer=framer)
        if self._see_all:
            self._links.report_all(name)
        return address

    def shut(self, process: str, dependency: str) -> None:
        """Ends a link for good."""
        self._links.shut(f"{process}.{dependency}")

    def set_state(self, link: str, state: LinkState) -> None:
        """`link` as a scenario names it: `worker.database`, for every worker's."""
        self._links.set_state(link_glob(link), state)

    def add_toxic(self, link: str, toxic: Toxic) -> Sequence[str]:
        """Puts a toxic on every link that `link` names; those on which it was read back afterwards."""
        named = self._links.add_toxic(link_glob(link), toxic)
        snapshot = self._links.snapshot()
        return [name for name in named if encode_toxic(toxic) in snapshot[name].toxics]

    def remove_toxic(self, link: str, name: str) -> None:
        self._links.remove_toxic(link_glob(link), name)

    def arm(self, rule_id: str, when: OnMessage, action: Action) -> None:
        self._links.add_rule(
            Rule(
                id=rule_id,
                link=link_glob(when.link),
                label=when.message,
                contains=when.contains,
                nth=when.nth if when.first is None else None,
                first_n=when.first,
                on=when.on,
                action=action,
            )
        )

    def release(self, rule_id: str, then: Then, nth: int | None = None) -> None:
        self._links.release(rule_id, then, nth)

    def record_counts(self) -> None:
        """How many requests came through each link, by label, as evidence; `matter`: those that matter."""
        for link, seen in self._links.snapshot().items():
            self._emit(
                "evidence", "messages", process=link.partition(".")[0], link=link,
                counts=dict(seen.counts), matter=dict(seen.matter),
            )  # fmt: skip

    def check(self) -> None:
        """Raises `HarnessError` when a link broke by a bug of ours: nothing may be judged then."""
        if self._broken is not None:
            link, facts = self._broken.link, dict(self._broken.facts)
            raise HarnessError(f"link {link}: ended a connection by a bug of Unstuck: {facts}")

    def close(self) -> None:
        self._closing.close()

    def _end(self) -> None:
        if self._toxiproxy:
            with suppress(HarnessError):  # it is gone: the next run removes what it made
                self._links.end()

    def _on_event(self, event: LinkEvent) -> None:
        if event.event == "broken":
            self._broken = event
        facts: dict[str, Any] = {key: value for key in _FACTS if (value := getattr(event, key)) is not None}
        if event.kind is not None:
            facts["does"] = event.kind  # `kind` is the event's own
        self._emit(
            "message",
            event.event,
            process=event.link.partition(".")[0],
            at_ns=event.at_ns,
            link=event.link,
            **facts,
            facts=dict(event.facts),
        )


class Linked:
    """What the runner and faults ask of the links of a run, for whatever runs with them."""

    _links: RunLinks

    def link_state(self, link: str, state: LinkState) -> None:
        self._links.set_state(link, state)

    def add_toxic(self, link: str, toxic: Toxic) -> Sequence[str]:
        return self._links.add_toxic(link, toxic)

    def remove_toxic(self, link: str, name: str) -> None:
        self._links.remove_toxic(link, name)

    def arm_message(self, rule_id: str, when: OnMessage, action: Action) -> None:
        self._links.arm(rule_id, when, action)

    def release_message(self, rule_id: str, then: Then, nth: int | None = None) -> None:
        self._links.release(rule_id, then, nth)


def link_glob(link: str) -> str:
    """A scenario names `worker.database`; each process has a link of its own, `worker-1.database`."""
    role, _, dependency = link.partition(".")
    return f"{role}-*.{dependency}"
