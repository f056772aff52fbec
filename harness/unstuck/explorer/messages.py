"""What the links of one run saw, folded from its history: requests with their replies, and what matters."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from unstuck.history import Event, History
from unstuck.links.messages import Kind
from unstuck.links.rules import On

CLIENT = "client"  # the role of whoever submits jobs, where it has links of its own


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """One exchange on a link. `requested_ns` None: nobody asked for it; `replied_ns` None: no reply came.

    Times are nanoseconds since the run began. `idle`: a poll whose reply brought no work.
    """

    link: str  # as scenarios name it: `worker.broker`, whichever worker's
    process: str
    label: str
    kind: Kind
    text: str  # its beginning, for people
    requested_ns: int | None
    replied_ns: int | None
    idle: bool = False
    counted: int | None = None  # the event at which the links count it, if it matters: once

    @property
    def role(self) -> str:
        return self.link.partition(".")[0]

    @property
    def counted_ns(self) -> int | None:
        """When the links count it."""
        return self.requested_ns if self.kind == "write" else self.replied_ns

    def at_ns(self, on: On) -> int | None:
        """When it was at a place; None: it never was. An idle reply is no message, so at no place."""
        if on == "request":
            return self.requested_ns
        return None if self.idle else self.replied_ns

    def matters(self, on: On) -> bool:
        """True where a blow may cost a job: at both ends of a write, and where a poll brings work."""
        if self.at_ns(on) is None:
            return False
        return self.kind == "write" or (self.kind == "poll" and on == "reply")


def role_of(process: str) -> str:
    """`worker-1` → `worker`; a process without a number is its own role."""
    role, _, number = process.rpartition("-")
    return role if number.isdecimal() else process


def link_of(link: str) -> str:
    """A process's link as scenarios name it: `worker-1.broker` → `worker.broker`."""
    process, _, dependency = link.partition(".")
    return f"{role_of(process)}.{dependency}"


def read_messages(history: History) -> tuple[Message, ...]:
    """Every exchange of a run that recorded them all, in the order in which the links saw them."""
    halves: dict[tuple[object, ...], dict[str, Event]] = {}
    for event in history.events:
        if event.kind == "message" and event.phase == "seen":
            data = event.data
            key = (data["link"], data["connection"], data["exchange"], data["label"])
            halves.setdefault(key, {})[data["on"]] = event
    return tuple(_message(half) for half in halves.values())


def _message(half: Mapping[str, Event]) -> Message:
    last = half.get("reply") or half["request"]
    request, reply = half.get("request"), half.get("reply")
    link = str(last.data["link"])
    kind = last.data.get("does", "write")
    counted = request if kind == "write" else reply if kind == "poll" and not last.data.get("idle") else None
    return Message(
        counted=None if counted is None else counted.number,
        link=link_of(link),
        process=link.partition(".")[0],
        label=str(last.data["label"]),
        kind=kind,
        text=" ".join(str(last.data["facts"].get("text", "")).split()),
        requested_ns=None if request is None else request.at_ns,
        replied_ns=None if reply is None else reply.at_ns,
        idle=bool(reply is not None and reply.data.get("idle")),
    )


def begin_ns(history: History) -> int:
    """When the first client began; messages before it belong to the start of the service."""
    return next((event.at_ns for event in history.events if (event.kind, event.phase) == ("op", "invoke")), 0)


def counted(history: History) -> tuple[int, int]:
    """How many messages that matter the links themselves have counted, and the event that says so first.

    A write counts once, at its request; a poll that brings work once, at its reply.
    """
    said = [event for event in history.events if (event.kind, event.phase) == ("evidence", "messages")]
    total = sum(sum(event.data.get("matter", {}).values()) for event in said)
    return total, said[0].number if said else 0


def unframed(history: History) -> tuple[str, ...]:
    """Links with a connection whose bytes no framer understood, and why: nothing on it was seen."""
    found = {
        link_of(str(event.data["link"])): str(event.data["facts"].get("reason", "unknown bytes"))
        for event in history.events
        if (event.kind, event.phase) == ("message", "unframed")
    }
    return tuple(f"{link}: {why}" for link, why in sorted(found.items()))
