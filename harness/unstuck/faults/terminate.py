"""Asks a process to end, as a deploy does: signal, grace, then SIGKILL; the supervisor starts it again.

Whom the signal reaches decides what becomes of the jobs: a container runtime signals the main process,
a terminal the group, systemd every process of the service.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from unstuck.faults.port import Hand, Missed

NAME = "terminate"
NEEDS = frozenset({"processes", "signals"})
LANDS = "the main process of each got the signal and is gone, by itself or killed after its grace"
LASTING = False
GONE_TIMEOUT_S = 15.0

_WHOM = {
    "main": "the main process",
    "group": "the process group",
    "tree": "every process of the tree",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameters:
    """`scope`: who gets `signal`. What is left after `grace_s` is killed, the whole tree of it."""

    role: str
    which: Literal["here", "holder", "any", "all"] = "any"
    scope: Literal["main", "group", "tree"] = "main"
    signal: str = "SIGTERM"
    grace_s: float = 10.0

    def sentence(self) -> str:
        """What is done, in words."""
        who = {"here": f"the {self.role} that stands there", "all": f"every {self.role}"}
        target = who.get(self.which, f"{self.which} {self.role}")
        return (
            f"send {self.signal} to {_WHOM[self.scope]} of {target}, and SIGKILL to all that is left of it "
            f"after {self.grace_s:g} s"
        )


def inject(hand: Hand, parameters: Parameters) -> Mapping[str, Any]:
    names = hand.names(parameters.role, parameters.which)
    if not names:
        raise Missed(f"no process of role {parameters.role} was there ({parameters.which})")
    held = [job for name in names for job in hand.held_by(name)]
    began_ns = hand.scheduler.now_ns()
    hit = {name: hand.world.signal(name, parameters.signal, parameters.scope) for name in names}
    hand.struck()
    untold = [name for name, pids in hit.items() if not pids]
    if untold:
        raise Missed(f"{', '.join(untold)} had ended before {parameters.signal} came")
    told = []
    for name, pids in hit.items():
        main = pids[:1]  # it comes first; the supervisor takes what it leaves behind
        # Looked at in any case: 1. the first uses up the grace, 2. the second, long gone, runs again under
        # its name, 3. a kill by name would hit its successor.
        left_s = max(0.0, parameters.grace_s - (hand.scheduler.now_ns() - began_ns) / 1e9)
        if hand.wait_gone(name, main, left_s):
            told.append(f"{name}: pid {main[0]} gone within its grace")
            continue
        hand.world.signal(name, "SIGKILL", "tree")  # to nobody, if it has just ended
        if not hand.wait_gone(name, main, GONE_TIMEOUT_S):
            raise Missed(f"{name} is still there {GONE_TIMEOUT_S:g} s after SIGKILL")
        told.append(f"{name}: pid {main[0]} killed after {parameters.grace_s:g} s of grace")
    return {"how": "; ".join(told), "processes": list(hit), "jobs": held}


def heal(hand: Hand, parameters: Parameters) -> None:
    """The supervisor starts it again."""
