"""What a fault is: parameters, what it needs of a world, inject and heal, and what counts as landed.

One fault a module. A module is a fault when it has what `FaultModule` asks for.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import Any, Protocol

from unstuck.links.rules import LinkState
from unstuck.links.toxics.port import Toxic
from unstuck.worlds.port import Scheduler, World


class Missed(Exception):  # noqa: N818  an observation, not a bug
    """The fault could not land: nobody got the signal, nothing matched. The run is inconclusive."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Occasion:
    """Where a fault struck: what its trigger saw. `process` is who stands at the place, if anybody."""

    event: int
    job: str | None
    process: str | None
    message: Mapping[str, Any] | None = None
    pid: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class OpEnd:
    """How a client's op ended: ok, fail or info, and the status of the answer if there was one."""

    phase: str
    status: int | None


class Hand(Protocol):
    """What a fault may do: everything goes through here, so the history sees it."""

    world: World
    scheduler: Scheduler
    occasion: Occasion
    number: int  # of the fault in its scenario

    def dealing(self) -> None:
        """The blow is being dealt: this moment, and how many jobs are open at it, go with `landed`."""
        ...

    def struck(self) -> None:
        """The blow is dealt (see `dealing`), and whoever is held at the place goes on."""
        ...

    def holder_of(self, job: str) -> str | None:
        """The process that holds the job's lease, as the harness last saw it."""
        ...

    def held_by(self, process: str) -> Sequence[str]:
        """The active jobs that a process holds."""
        ...

    def names(self, role: str, which: str) -> Sequence[str]:
        """Running processes: `all`, `any` (the oldest), or `holder` of the occasion's job."""
        ...

    @property
    def moved_by_hand(self) -> AbstractSet[str]:
        """Jobs that were seen to move by a statement of our own, past the service."""
        ...

    memory: dict[str, Any]  # of this injection, from inject to heal

    def stop(self, name: str, *, grace_s: float) -> bool:
        """Stop signal, grace, kill; strikes when the signal is out; returns when the process is gone.

        False when it was gone before it could be told. Raises `Missed` when it does not go.
        """
        ...

    def wait_gone(self, name: str, pids: Sequence[int], timeout_s: float) -> bool:
        """True when none of `pids` exists any more, and the world has said so of the process itself."""
        ...

    def direct(self, directive: Mapping[str, Any]) -> bool:
        """Tells the process that stands at the place what to do; False when nobody stands there."""
        ...

    def stay(self) -> bool:
        """Deals the blow, and keeps who stands at the place there until it is healed; False: nobody does."""
        ...

    def gone(self) -> bool:
        """True when the process that stood at the place has ended."""
        ...

    def kept(self) -> bool:
        """True when the process that stood at the place got all the memory that it was told to take."""
        ...

    def until_gone(self, timeout_s: float) -> bool:
        """Waits until the process that stood at the place has ended; False also when it `kept`."""
        ...

    def message_landed(self, *outcomes: str, takes_s: float = 0.0) -> Mapping[str, Any]:
        """For faults that a link does by itself: waits until the link says that it is done.

        `outcomes` are those of the link's that count, `takes_s` is what the fault itself needs. Raises
        `Missed`.
        """
        ...

    def message_held(self) -> Mapping[str, Any]:
        """Waits until the link holds the message of the trigger. Raises `Missed`."""
        ...

    def release_message(self) -> None:
        """Lets the message of the trigger go on, and no other; idempotent."""
        ...

    def replace(self, name: str, *, version: str | None = None) -> str:
        """Starts a process like `name` beside it, and returns its name once it is ready."""
        ...

    def link_state(self, link: str, state: LinkState) -> None: ...

    def add_toxic(self, link: str, toxic: Toxic) -> Sequence[str]:
        """Puts it on the link of every process of the role; those links, on which it was read back.

        Raises `Missed` when there is none.
        """
        ...

    def remove_toxic(self, link: str, name: str) -> None:
        """What it holds goes on. Idempotent."""
        ...

    def poisoned(self, name: str) -> Sequence[str]:
        """The links on which bytes have come to the toxic of this name."""
        ...

    def target(self, action: str, **parameters: Any) -> Mapping[str, Any]:
        """An ability of the target itself (`notifications_off`); returns what it answered."""
        ...

    def heal(self, fault: int) -> bool:
        """Ends a lasting fault of this run; False when it did not last any more."""
        ...

    def op(self, action: str, job: str) -> OpEnd:
        """Performs a client's op on a job and records it."""
        ...

    def until(self, what: str, seen: Any, timeout_s: float) -> bool:
        """Waits until `seen()` is true, waking at each event; False after `timeout_s`."""
        ...


class FaultModule(Protocol):
    NAME: str
    NEEDS: frozenset[str]  # capabilities of the world
    LANDS: str  # what counts as landed, for the docs
    LASTING: bool  # it goes on until it is healed; recovery counts from there

    Parameters: type

    def inject(self, hand: Hand, parameters: Any) -> Mapping[str, Any]:
        """Strikes (`hand.struck`), waits until the blow has landed, and returns how. Raises `Missed`."""
        ...

    def heal(self, hand: Hand, parameters: Any) -> None:
        """Undoes; idempotent. Called once for each blow that lasts, also in teardown and for one that
        landed in part only.
        """
        ...
