"""What happened to one job: its moves, claims, ops, effects, and what was said of it.

The order of a job's moves is the order of their events, which the database's trigger vouches for;
between sources only the stamps can be compared, and only roughly. Times are seconds since the run began.
"""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any, Literal, NamedTuple

from unstuck.history import EMPTY, Event
from unstuck.scenario import TERMINAL_STATES


def seconds(event: Event) -> float:
    """When it happened, in seconds since the run began."""
    return event.at_ns / 1e9


def data_of(event: Event | None) -> Mapping[str, Any]:
    """What an event carries; nothing, when there is none."""
    return EMPTY if event is None else event.data


def text_of(event: Event | None, name: str) -> str | None:
    """A text that an event carries; None when it is absent or something else."""
    value = data_of(event).get(name)
    return value if isinstance(value, str) else None


class Move(NamedTuple):
    """One change of a job's state, as the harness's own trigger saw it."""

    number: int
    at_s: float
    before: str | None  # null when the job was made
    after: str
    attempt: int
    token: int
    data: Mapping[str, Any]

    @property
    def by_hand(self) -> bool:
        """A fault's own statement moved it, past the service: nobody's fault, and in nobody's log."""
        return self.data.get("by") is not None

    @property
    def restored(self) -> bool:
        """A back-up was put back: whatever the row and the log had of later moves is gone."""
        return self.data.get("restored") is True

    @property
    def since_s(self) -> float:
        """The earliest moment at which it may have been made: a look sees what came since the last one."""
        unseen_s = self.data.get("unseen_s")
        return self.at_s - unseen_s if isinstance(unseen_s, int | float) else self.at_s


class Claim(NamedTuple):
    """One stay of a job in `active`: from the move to it until the next move, or the end of the run."""

    move: Move
    left: Move | None
    holder: str | None  # the process that claimed, where the service says so

    @property
    def at_s(self) -> float:
        return self.move.at_s


class Stay(NamedTuple):
    """One stay of a job in a state; `until_s` is None for the last one."""

    state: str
    from_s: float
    until_s: float | None


@dataclass(slots=True)
class Op:
    """What a client did: its invocation and, once known, how it ended. No end is as good as `info`."""

    invoked: Event
    ended: Event | None = None

    @property
    def action(self) -> str:
        return str(self.invoked.data["action"])

    @property
    def job(self) -> str | None:
        return self.invoked.job if self.ended is None or self.ended.job is None else self.ended.job

    @property
    def outcome(self) -> Literal["ok", "fail", "info"]:
        phase = "info" if self.ended is None else self.ended.phase
        return "ok" if phase == "ok" else "fail" if phase == "fail" else "info"

    @property
    def status(self) -> int | None:
        """The HTTP status of the answer, where there was one."""
        status = None if self.ended is None else self.ended.data.get("status")
        return status if isinstance(status, int) else None

    def overlaps(self, other: Op) -> bool:
        """True when both were under way at some moment."""
        first, second = sorted((self, other), key=lambda op: op.invoked.number)
        return first.ended is None or first.ended.number > second.invoked.number


@dataclass(slots=True)
class JobStory:
    """All that is known of one job."""

    id: str
    acknowledged: int | None = None  # the event that told a client of it; None: no client knows
    tag: str | None = None
    ops: list[Op] = field(default_factory=list)
    moves: list[Move] = field(default_factory=list)
    claims: list[Claim] = field(default_factory=list)  # each move to `active`, with the one that ended it
    stages: list[Event] = field(default_factory=list)
    effects: list[Event] = field(default_factory=list)
    said_moves: list[Event] = field(default_factory=list)
    said_attempts: dict[int, Event] = field(default_factory=dict)  # by token
    said_api: list[Event] = field(default_factory=list)
    said_row: Event | None = None
    begins: list[Event] = field(default_factory=list)  # of attempts, as the job itself reported them
    outcome: Event | None = None

    @property
    def state(self) -> str | None:
        """Where it is at the end: by its moves, else by our final look; None: nobody knows it."""
        if self.moves:
            return self.moves[-1].after
        return None if self.outcome is None else self.outcome.data["state"]

    @property
    def sampled(self) -> bool:
        """Its states were looked at from time to time: what lies between two looks was not seen."""
        return any(move.data.get("sampled") is True for move in self.moves)

    @property
    def terminal(self) -> bool:
        return self.state in TERMINAL_STATES

    @property
    def unread(self) -> str | None:
        """The system's own word for where it is at the end, which nobody can read; None: there is none."""
        return text_of(self.outcome, "unmapped")

    @property
    def last_event(self) -> tuple[int, ...]:
        """The event that says where the job is at the end, as evidence."""
        if self.moves:
            return (self.moves[-1].number,)
        return () if self.outcome is None else (self.outcome.number,)

    @property
    def terminal_at_s(self) -> float | None:
        """When it reached the terminal state that it has at the end; None: it has none."""
        return self.moves[-1].at_s if self.moves and self.terminal else None

    @property
    def end(self) -> Move | None:
        """The move that ended it; None: it has not ended. Of a job that was looked at, and that came to the
        same end each time that it was delivered, the first: by then it was done."""
        if not self.terminal or not self.moves:
            return None
        ends = [move for move in self.moves if move.after in TERMINAL_STATES]
        alike = {move.after for move in ends} == {self.state}
        return ends[0] if alike and self.sampled else ends[-1]

    @property
    def ended_since_s(self) -> float | None:
        """The earliest moment at which it may have reached that state; the same, unless it was looked at."""
        return self.moves[-1].since_s if self.moves and self.terminal else None

    @property
    def reason(self) -> str | None:
        """Why it ended so: by its last move, else by our final look, else by its row."""
        of_move = self.moves[-1].data.get("reason") if self.moves else None
        if isinstance(of_move, str):
            return of_move
        return text_of(self.outcome, "reason") or text_of(self.said_row, "reason")

    @property
    def stays(self) -> list[Stay]:
        stays = [Stay(a.after, a.at_s, b.at_s) for a, b in pairwise(self.moves)]
        return [*stays, *(Stay(move.after, move.at_s, None) for move in self.moves[-1:])]

    @property
    def stage(self) -> str | None:
        """The stage that it was last seen in, by a change of its stage or by a move that names one."""
        event = self.stages[-1] if self.stages else None
        if self.moves and (event is None or event.number < self.moves[-1].number):
            named = self.moves[-1].data.get("stage")
            if isinstance(named, str):
                return named
        return text_of(event, "stage")

    @property
    def applied(self) -> list[Event]:
        return [event for event in self.effects if event.data["applied"]]

    @property
    def kept_moves(self) -> list[Move]:
        """The moves that the service's own log can still have: since the last restore, by nobody's hand."""
        restored = [nth for nth, move in enumerate(self.moves) if move.restored]
        return [move for move in self.moves[restored[-1] if restored else 0 :] if not move.by_hand]

    @property
    def kept_log(self) -> list[Event]:
        """What the service's log has of `kept_moves`: after a restore only its end, which is as long."""
        if not any(move.restored for move in self.moves):
            return self.said_moves
        kept = len(self.kept_moves)
        return self.said_moves[-kept:] if kept else []

    def ops_of(self, *actions: str) -> list[Op]:
        return [op for op in self.ops if op.action in actions]

    def actors(self) -> list[str | None]:
        """Who made each of `moves`, by the service's own log; None where it does not say."""
        return [text_of(event, "actor") for event in self.log_of_moves()]

    def log_of_moves(self) -> list[Event | None]:
        """What the service's own log has of each of `moves`; None where it has nothing.

        The nth move between two states is the nth that the log has of them.
        """
        said: dict[tuple[str | None, str], deque[Event]] = defaultdict(deque)
        for event in self.kept_log:
            said[event.data["from"], event.data["to"]].append(event)
        found: list[Event | None] = []
        kept = {move.number for move in self.kept_moves}
        for move in self.moves:
            if move.number not in kept:
                found.append(None)
                continue
            of_these = said[move.before, move.after]
            found.append(of_these.popleft() if of_these else None)
        return found

    def enter(self, move: Move) -> None:
        """Takes the next move of the job."""
        if self.moves and self.moves[-1].after == "active":
            self.claims[-1] = self.claims[-1]._replace(left=move)
        if move.after == "active":
            worker = move.data.get("worker")
            self.claims.append(Claim(move, None, worker if isinstance(worker, str) else None))
        self.moves.append(move)
