"""Lets the message go on later; what is behind it in its direction waits too."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from unstuck.links.rules import Delay
    from unstuck.links.turn import Turn


def apply(turn: Turn, action: Delay) -> None:
    turn.wait()
    asyncio.get_running_loop().call_later(action.delay_s, turn.proceed)
