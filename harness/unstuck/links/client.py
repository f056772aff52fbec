"""What the harness holds: opens links, sets rules, hears events. Safe to use from any thread."""

from __future__ import annotations

import contextlib
import json
import queue
import socket
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Self

from unstuck.errors import HarnessError, UsageError
from unstuck.links.messages import Kind
from unstuck.links.rules import LinkState, On, Rule, Then, encode_rule
from unstuck.links.toxics.port import Toxic
from unstuck.links.toxics.text import encode_toxic

REPLY_TIMEOUT_S = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkEvent:
    """Something that a link saw or did.

    event     `matched` a rule's turn came | `held` | `released` | `done` what became of the message |
              `seen` (only with `report_all`) | `refused` the dependency did not accept | `unanswered`
              a request whose reply had not ended when the connection did, or came when the client had
              gone, polls aside | `unframed` the
              bytes are not what the framer knows: this connection passes unjudged | `broken` a bug of
              ours ended a connection: a harness error, never a failure of the service | `poisoned` a
              toxic (`label`) has had its first bytes on this link
    outcome   of `done`: `forwarded` (the dependency's kernel has all of it), `delivered` (a reply, to
              the client's kernel), `answered`, `error`, `duplicated`, `dropped`, `cut`, `shadowed`
              (another rule had the message: facts say which), `failed` (facts say why)
    at_ns     the machine's monotonic clock
    exchange  number of the request within its connection, from 1
    kind      of `seen` and `unanswered`: what matters in it (`unstuck.links.messages.Kind`)
    idle      of `seen`: the reply to a poll, and no work in it; never judged
    """

    event: str
    link: str
    at_ns: int
    connection: int
    rule: str | None = None
    action: str | None = None
    on: On | None = None
    label: str | None = None
    kind: Kind | None = None
    idle: bool | None = None
    nth: int | None = None
    exchange: int | None = None
    outcome: str | None = None
    then: Then | None = None
    facts: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkSnapshot:
    """What came through a link so far: requests by label and by kind, connections ever, connections now.

    `matter` counts by label what an enumeration has to cover: requests that write, and replies that bring
    work (of a dependency that sends unasked: messages that do). `toxics` are those in force, as
    `unstuck.links.toxics.text` writes them.
    """

    counts: Mapping[str, int]
    kinds: Mapping[str, int]
    matter: Mapping[str, int]
    connections: int
    open: int
    toxics: Sequence[Mapping[str, Any]] = ()


class Links:
    """The control connection to the proxy. Closing it ends the proxy and all its connections.

    Every call returns when the proxy has done it: a rule is in force for each message that the proxy
    reads after `add_rule` returned. Raises `UsageError` for what the proxy refuses, `HarnessError` when
    it is gone.
    """

    def __init__(self, sock: socket.socket) -> None:
        """Over a connected socket, which is then ours to close."""
        sock.settimeout(None)
        self._sock = sock
        self._lock = threading.Lock()
        self._number = 0
        self._waiting: dict[int, queue.SimpleQueue[Mapping[str, Any]]] = {}
        self._callbacks: list[Callable[[LinkEvent], None]] = []
        self._gone: str | None = None
        self._reader = threading.Thread(target=self._read, name="links", daemon=True)
        self._reader.start()

    @classmethod
    def connect(cls, host: str, port: int) -> Self:
        """To a proxy that has said where it is ready."""
        try:
            return cls(socket.create_connection((host, port), timeout=REPLY_TIMEOUT_S))
        except OSError as error:
            raise HarnessError(f"links: control={host}:{port} cannot be reached: {error}.") from error

    def open(self, name: str, upstream_host: str, upstream_port: int, framer: str) -> tuple[str, int]:
        """A new listener for `name`; where its role has to connect. Framers: raw, http1, postgres,
        resp, amqp."""
        host, port = self._ask(
            "open", name=name, upstream_host=upstream_host, upstream_port=upstream_port, framer=framer
        )
        return str(host), int(port)

    def shut(self, name: str) -> None:
        """Resets a link's connections and closes it for good."""
        self._ask("shut", name=name)

    def add_rule(self, rule: Rule) -> None:
        self._ask("add_rule", rule=encode_rule(rule))

    def remove_rule(self, rule_id: str) -> None:
        """From now on it acts on nothing; messages that it holds go on."""
        self._ask("remove_rule", rule=rule_id)

    def release(self, rule_id: str, then: Then = "forward", nth: int | None = None) -> int:
        """Lets go of the messages that a `Hold` holds now, or of its `nth` match; how many there were."""
        return int(self._ask("release", rule=rule_id, then=then, nth=nth))

    def set_state(self, link: str, state: LinkState) -> tuple[str, ...]:
        """Of one link, or of all that a glob names; the links that it named."""
        return tuple(self._ask("set_state", name=link, state=asdict(state)))

    def add_toxic(self, link: str, toxic: Toxic) -> tuple[str, ...]:
        """To one link, or to all that a glob names, behind those that are there; the links that it named.

        In force for every byte that the proxy reads afterwards, on open connections as on new ones.
        """
        return tuple(self._ask("add_toxic", name=link, toxic=encode_toxic(toxic)))

    def remove_toxic(self, link: str, name: str) -> tuple[str, ...]:
        """What it holds goes on at once; the links that had it."""
        return tuple(self._ask("remove_toxic", name=link, toxic=name))

    def report_all(self, link: str, *, enabled: bool = True) -> None:
        """Whether every message of the links that `link` (a glob) names is an event `seen`."""
        self._ask("report_all", name=link, enabled=enabled)

    def snapshot(self) -> dict[str, LinkSnapshot]:
        return {name: LinkSnapshot(**values) for name, values in self._ask("snapshot").items()}

    def counts(self) -> dict[str, dict[str, int]]:
        """Requests seen, by link and label."""
        return {name: dict(link.counts) for name, link in self.snapshot().items()}

    def on_event(self, callback: Callable[[LinkEvent], None]) -> None:
        """Called for each event from now on, in the proxy's order, on the reader's thread.

        It must not call `Links` itself: the reader would wait for its own answer.
        """
        self._callbacks.append(callback)

    def end(self) -> None:
        """Closes every link, and removes what was made in a real Toxiproxy; returns when that is done."""
        self._ask("end")

    def close(self) -> None:
        """Idempotent; returns when no callback will be called any more."""
        with contextlib.suppress(OSError):  # already gone
            self._sock.shutdown(socket.SHUT_RDWR)
        if threading.current_thread() is not self._reader:
            self._reader.join(timeout=REPLY_TIMEOUT_S)
        self._sock.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _ask(self, command: str, **values: Any) -> Any:
        answer: queue.SimpleQueue[Mapping[str, Any]] = queue.SimpleQueue()
        with self._lock:
            self._number += 1
            number = self._number
            self._waiting[number] = answer
            line = json.dumps({"id": number, "do": command, **values}).encode() + b"\n"
            try:
                if self._gone is not None:
                    raise ConnectionError(self._gone)
                self._sock.sendall(line)
            except OSError as error:
                del self._waiting[number]
                raise HarnessError(f"links: the proxy is gone ({error}).") from error
        try:
            reply = answer.get(timeout=REPLY_TIMEOUT_S)
        except queue.Empty:
            raise HarnessError(
                f"links: the proxy did not answer {command!r} in {REPLY_TIMEOUT_S:g} s."
            ) from None
        if "gone" in reply:
            raise HarnessError(f"links: the proxy is gone ({reply['gone']}).")
        if "error" in reply:
            raise UsageError(reply["error"])
        return reply["ok"]

    def _read(self) -> None:
        why = "it closed the control connection"
        try:
            with self._sock.makefile("rb") as lines:
                for line in lines:
                    self._take(json.loads(line))
        except (OSError, ValueError) as error:
            why = str(error)
        with self._lock:
            self._gone = why
            for waiting in self._waiting.values():
                waiting.put({"gone": why})
            self._waiting.clear()

    def _take(self, record: dict[str, Any]) -> None:
        if "event" in record:
            event = LinkEvent(**record)
            for callback in self._callbacks:
                callback(event)
            return
        with self._lock:
            waiting = self._waiting.pop(record["id"], None)
        if waiting is not None:
            waiting.put(record)
