"""What a system under test depends on, each a process of the run: struck by faults as any role is.

`open_dependency` starts one on a free port of the loopback, with data of its own; it comes back, after a
kill or a stop, on the same port with the same data. One kind a file, in `kinds`.
"""

from unstuck.targets.dependencies.kinds import KINDS
from unstuck.targets.dependencies.opening import check, open_dependency
from unstuck.targets.dependencies.port import Dependency, Framer, Ground, KindModule, Option, Place, Wanted

__all__ = [
    "KINDS",
    "Dependency",
    "Framer",
    "Ground",
    "KindModule",
    "Option",
    "Place",
    "Wanted",
    "check",
    "open_dependency",
]
