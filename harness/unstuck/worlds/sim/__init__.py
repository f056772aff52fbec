"""The sim world: one run under virtual time in one thread, the same for the same seed."""

from __future__ import annotations

from unstuck.worlds.sim.incarnation import Incarnation
from unstuck.worlds.sim.scheduler import GreenScheduler
from unstuck.worlds.sim.world import SimProcess, SimWorld

__all__ = ["GreenScheduler", "Incarnation", "SimProcess", "SimWorld"]
