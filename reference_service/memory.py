"""What the kernel says about memory: a process's resident set, and the OOM kills of our own cgroup."""

from __future__ import annotations

import os
import resource
from pathlib import Path

KIB = 1024
NO_LIMIT = 1 << 60  # version 1 writes a huge number instead of none


def resident_bytes(pid: int, *, proc: Path = Path("/proc")) -> tuple[int, int] | None:
    """(resident now, most so far) of a process; None when it is gone or the system has no /proc.

    `VmHWM` is used for the second: `ru_maxrss` of a forked child begins at its parent's.
    """
    try:
        text = (proc / str(pid) / "status").read_text()
    except OSError:
        return None
    now = peak = None
    for line in text.splitlines():
        if line.startswith("VmRSS:"):
            now = int(line.split()[1]) * KIB
        elif line.startswith("VmHWM:"):
            peak = int(line.split()[1]) * KIB
    return None if now is None or peak is None else (now, peak)


def forget_peak(*, proc: Path = Path("/proc")) -> bool:
    """Lets this process's `VmHWM` begin anew at what is resident now; False where the kernel does not."""
    try:
        (proc / "self/clear_refs").write_text("5", encoding="ascii")
    except OSError:
        return False
    return True


class OwnMemory:
    """Of a process that has no children, for its budget."""

    def __init__(self, budget_bytes: int | None) -> None:
        """None: what the cgroup allows."""
        self._budget_bytes = budget_bytes or cgroup_limit_bytes(find_oom_counter())

    def memory(self) -> tuple[int, int] | None:
        """(most that was resident since the last look, the budget); None without one. Where the kernel does
        not forget a peak: what is resident now.
        """
        found = resident_bytes(os.getpid()) if self._budget_bytes else None
        if found is None or self._budget_bytes is None:
            return None
        return found[1] if forget_peak() else found[0], self._budget_bytes


def cgroup_limit_bytes(oom_counter: Path | None) -> int | None:
    """The limit of the cgroup whose OOM kills are counted there; None when it has none."""
    if oom_counter is None:
        return None
    for name in ("memory.limit_in_bytes", "memory.max"):
        try:
            text = (oom_counter.parent / name).read_text().strip()
        except OSError:
            continue
        if text.isdigit() and int(text) < NO_LIMIT:
            return int(text)
    return None


def address_space_bytes(*, proc: Path = Path("/proc")) -> int:
    """What this process has mapped; 0 on a system without /proc."""
    try:
        pages = int((proc / "self/statm").read_text().split()[0])
    except OSError:
        return 0
    return pages * resource.getpagesize()


def find_oom_counter(*, proc: Path = Path("/proc"), cgroups: Path = Path("/sys/fs/cgroup")) -> Path | None:
    """The file of this process's own cgroup that counts OOM kills; None without a memory controller."""
    try:
        lines = (proc / "self/cgroup").read_text().splitlines()
    except OSError:
        return None
    candidates: list[Path] = []
    for line in lines:
        _, controllers, path = line.split(":", 2)
        below = path.lstrip("/")
        if "memory" in controllers.split(","):  # version 1
            roots = (cgroups / "memory" / below, cgroups / "memory")
            candidates += [root / "memory.oom_control" for root in roots]
        elif controllers == "":  # version 2
            candidates.append(cgroups / below / "memory.events")
            candidates.append(cgroups / "unified" / below / "memory.events")
    return next((path for path in candidates if read_oom_kills(path) is not None), None)


def read_oom_kills(counter: Path | None) -> int | None:
    """How many processes of the cgroup the kernel has killed for memory; None when nobody counts.

    Not `failcnt` or `max`: those count reclaims under the limit, which harm nobody.
    """
    if counter is None:
        return None
    try:
        lines = counter.read_text().splitlines()
    except OSError:
        return None
    for line in lines:
        name, _, value = line.partition(" ")
        if name == "oom_kill":
            return int(value)
    return None
