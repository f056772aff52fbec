"""One toxic a file: what is done to all bytes of a link, in one direction, until it is taken away."""

from __future__ import annotations

from collections.abc import Mapping

from unstuck.links.toxics.bandwidth import Bandwidth
from unstuck.links.toxics.latency import Latency
from unstuck.links.toxics.limit_data import LimitData
from unstuck.links.toxics.noop import Noop
from unstuck.links.toxics.port import Behaviour
from unstuck.links.toxics.reset_peer import ResetPeer
from unstuck.links.toxics.slicer import Slicer
from unstuck.links.toxics.slow_close import SlowClose
from unstuck.links.toxics.timeout import Timeout

BEHAVIOURS: Mapping[str, type[Behaviour]] = {
    one.kind: one
    for one in (Bandwidth, Latency, LimitData, Noop, ResetPeer, Slicer, SlowClose, Timeout)
}  # fmt: skip
"""Every type of toxic by its name."""
