"""The disk of a role's processes fills up, as by another's logs; for a while nobody can write there."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from unstuck.faults.port import Hand, Missed
from unstuck.worlds.port import Disks

NAME = "fill_disk"
NEEDS = frozenset({"processes", "disk_limit"})
LANDS = "not a page is left on the disk of each of the processes, read back"
LASTING = True
PAGE_BYTES = 4096


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameters:
    """The role needs a `disk_limit_mib`. Healed, what filled the disk is removed."""

    role: str
    for_s: float


def inject(hand: Hand, parameters: Parameters) -> Mapping[str, Any]:
    names = list(hand.names(parameters.role, "all"))
    world = hand.world
    if not names or not isinstance(world, Disks):
        raise Missed(f"no process of role {parameters.role} was running")
    hand.memory["full"] = names
    hand.dealing()
    victims = [job for name in names for job in hand.held_by(name)]
    told = []
    for name in names:
        done = world.fill_disk(name)
        if done is None:
            raise Missed(f"{name} has no disk of its own: give its role a disk_limit_mib")
        written, left = done
        if left >= PAGE_BYTES:
            raise Missed(f"{left} bytes are left on the disk of {name}")
        told.append(f"{name} ({written} bytes written)")
    hand.struck()
    return {"how": f"no room left on the disk of {', '.join(told)}", "jobs": victims, "processes": names}


def heal(hand: Hand, parameters: Parameters) -> None:
    for name in hand.memory.pop("full", ()):
        if isinstance(hand.world, Disks):
            hand.world.free_disk(name)
