"""Kills a process, its group, its tree, or one of its executing children; the supervisor restarts it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from unstuck.faults.port import Hand, Missed, Occasion
from unstuck.worlds.port import Scope

NAME = "kill"
NEEDS = frozenset({"processes", "signals"})
LANDS = "every pid that got the signal is gone"
LASTING = False
GONE_TIMEOUT_S = 15.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameters:
    """`which`: who of the role: `here` (who stands at the trigger's place), the job's `holder`, any, all."""

    role: str
    which: Literal["here", "holder", "any", "all"] = "any"
    signal: str = "SIGKILL"
    scope: Scope = "tree"


def inject(hand: Hand, parameters: Parameters) -> Mapping[str, Any]:
    names = hand.names(parameters.role, parameters.which)
    if not names:
        raise Missed(f"no process of role {parameters.role} was there ({parameters.which})")
    held = [job for name in names for job in hand.held_by(name)]
    hit = {name: hand.world.signal(name, parameters.signal, parameters.scope) for name in names}
    hand.struck()
    if not any(hit.values()):
        raise Missed(f"nobody got {parameters.signal}: {', '.join(names)} had no {parameters.scope}")
    for name, pids in hit.items():
        if not hand.wait_gone(name, pids, GONE_TIMEOUT_S):
            raise Missed(f"{name} is still there {GONE_TIMEOUT_S:g} s after {parameters.signal}")
    jobs = _victims(hand.occasion, parameters, held, [pid for pids in hit.values() for pid in pids])
    return {
        "how": "; ".join(
            f"{name}: pid {', '.join(map(str, pids))} gone" for name, pids in hit.items() if pids
        ),
        "processes": [name for name, pids in hit.items() if pids],
        **({} if jobs is None else {"jobs": jobs}),
    }


def _victims(
    occasion: Occasion, parameters: Parameters, held: Sequence[str], pids: Sequence[int]
) -> Sequence[str] | None:
    """The jobs that were hit; None: some that the processes held, and nobody knows which."""
    here = occasion.job
    if parameters.scope == "child":
        # The newest child may work on another job than the one that stands at the place.
        return [here] if here is not None and occasion.pid in pids else None
    if here is not None and here not in held and parameters.which == "here":
        return [*held, here]  # it held no lease: the job of the request that died with it
    return held


def heal(hand: Hand, parameters: Parameters) -> None:
    """The supervisor restarts what it killed."""
