"""The chapters of a job's life, by which crash points are grouped."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from unstuck.explorer.messages import CLIENT, Message
from unstuck.history import Event, History
from unstuck.scenario import TERMINAL_STATES

HANDED_OVER, QUEUED, AT_WORK, APPLIED, ENDED = (
    "handed over", "queued", "at work", "effect applied, not ended", "ended",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Life:
    """When which chapter began, in order."""

    begins_ns: Sequence[int]
    names: Sequence[str]

    def chapter(self, message: Message, at_ns: int) -> str:
        """Of a message at a moment. What a client does is handing over, whatever else goes on meanwhile."""
        if message.role == CLIENT:
            return HANDED_OVER
        place = bisect_right(self.begins_ns, at_ns) - 1
        return self.names[place] if place >= 0 else HANDED_OVER


def read_life(history: History, *, has_client_links: bool) -> Life:
    """`has_client_links`: handing over is seen on links of its own, so that whoever else acts has the job."""
    begins: list[tuple[int, str]] = [(0, QUEUED if has_client_links else HANDED_OVER)]
    name = begins[0][1]
    for event in sorted(history.events, key=lambda one: one.at_ns):
        following = _following(event, name)
        if following is not None and following != name:
            name = following
            begins.append((event.at_ns, name))
    return Life([at_ns for at_ns, _ in begins], [name for _, name in begins])


def _following(event: Event, now: str) -> str | None:
    """The chapter that an event begins; None: none."""
    if event.kind == "transition":
        return _of_state(event.data, now)
    if event.kind == "stage" and event.data.get("stage"):
        return f"{AT_WORK}: {event.data['stage']}"
    if event.kind == "effect" and event.data.get("applied"):
        return APPLIED
    return None


def _of_state(data: Mapping[str, object], now: str) -> str | None:
    state = str(data["to"])
    if state in TERMINAL_STATES:
        return f"{ENDED}: {state}"
    if state == "active":
        stage = data.get("stage")
        return now if now == APPLIED else f"{AT_WORK}: {stage}" if stage else AT_WORK
    return state.replace("_", " ")
