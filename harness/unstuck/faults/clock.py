"""Sets the wall clock of a role's processes wrong for a while: ahead, behind, fast or slow.

Theirs only: the machine's clock, and what measures time without it, stay right.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from unstuck.faults.port import Hand, Missed
from unstuck.worlds.port import Clocks

NAME = "clock"
NEEDS = frozenset({"processes", "clocks"})
LANDS = "in each of the processes, or one that it started, somebody has read the wrong time"
LASTING = True
READ_WITHIN_S = 10.0
LOOK_EVERY_S = 0.02  # nobody tells us that a clock was read: we look


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameters:
    """`offset_s`: by how much it jumps; ahead if positive. `drift_ppm`: from then on it gains so many
    microseconds a second. Healed, it jumps back to the real time. Raises `ValueError` when it stays right.
    """

    role: str
    for_s: float
    offset_s: float = 0.0
    drift_ppm: float = 0.0
    which: Literal["here", "holder", "any", "all"] = "any"

    def __post_init__(self) -> None:
        if not self.offset_s and not self.drift_ppm:
            raise ValueError("sets no clock wrong. Add offset_s or drift_ppm, other than 0.")

    def change(self) -> str:
        """What becomes of the clock, in words."""
        parts = []
        if self.offset_s:
            parts.append(f"{abs(self.offset_s):g} s {'ahead' if self.offset_s > 0 else 'behind'}")
        if self.drift_ppm:
            parts.append(f"{abs(self.drift_ppm) / 1e4:g} % {'fast' if self.drift_ppm > 0 else 'slow'}")
        return " and ".join(parts)

    def sentence(self) -> str:
        """What is done, in words."""
        who = {"here": f"the {self.role} that stands there", "all": f"every {self.role}"}
        target = who.get(self.which, f"{self.which} {self.role}")
        return f"set the wall clock of {target} {self.change()} for {self.for_s:g} s"


def inject(hand: Hand, parameters: Parameters) -> Mapping[str, Any]:
    world = hand.world
    names = list(hand.names(parameters.role, parameters.which))
    if not names or not isinstance(world, Clocks):
        raise Missed(f"no process of role {parameters.role} was there ({parameters.which})")
    hand.memory["clocks"] = names  # before the first is set: what fails midway is undone as well
    amount = {"offset_s": parameters.offset_s, "drift_ppm": parameters.drift_ppm}
    without = [name for name in names if not world.set_clock(name, **amount)]
    hand.struck()
    if without:
        raise Missed(f"{', '.join(without)} was started without a wall clock of its own")
    deadline_ns = hand.scheduler.now_ns() + int(READ_WITHIN_S * 1e9)
    unread = names
    while unread and hand.scheduler.now_ns() < deadline_ns:
        hand.until("the clocks are read", lambda: all(map(world.clock_is_read, names)), LOOK_EVERY_S)
        unread = [name for name in names if not world.clock_is_read(name)]
    if unread:
        raise Missed(
            f"nobody in {', '.join(unread)} read the wall clock within {READ_WITHIN_S:g} s, or its program "
            "asks the kernel itself, as Go and static programs do"
        )
    return {"how": f"wall clock of {', '.join(names)} {parameters.change()}, and read", "processes": names}


def heal(hand: Hand, parameters: Parameters) -> None:
    if isinstance(hand.world, Clocks):
        for name in hand.memory.pop("clocks", ()):
            hand.world.set_clock(name, offset_s=0.0, drift_ppm=0.0)
