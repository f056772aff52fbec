"""The Linux calls that Python lacks. Elsewhere each returns False, and the caller does without."""

from __future__ import annotations

import ctypes
import os
import signal
import sys
from pathlib import Path

_PR_SET_PDEATHSIG = 1
_PR_SET_CHILD_SUBREAPER = 36
_CLONE_NEWIPC = 0x08000000
_CLONE_NEWUSER = 0x10000000
_IPC_RMID = 0

_IS_LINUX = sys.platform.startswith("linux")
_LIBC = ctypes.CDLL(None, use_errno=True) if _IS_LINUX else None


def become_subreaper() -> bool:
    """From now on orphaned descendants re-parent to this process; kept across exec, not across fork."""
    return _LIBC is not None and _LIBC.prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) == 0


def die_with_parent(parent_pid: int) -> bool:
    """SIGKILL for this process when its parent dies; False when the parent is dead already.

    A change of credentials clears it, so it comes after those and directly before exec.
    """
    if _LIBC is not None:
        _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    # The parent may have died between the fork and the call above: then nobody would ever tell us.
    return os.getppid() == parent_pid


def enter_namespaces() -> bool:
    """A user namespace in which root is user 1000, and an IPC namespace of its own.

    Programs that refuse to run as root then run, and own what root owns; their System V shared
    memory is destroyed by the kernel when the last of them ends, however they end.
    """
    if _LIBC is None or _LIBC.unshare(_CLONE_NEWUSER | _CLONE_NEWIPC) != 0:
        return False
    Path("/proc/self/setgroups").write_text("deny")
    Path("/proc/self/uid_map").write_text("1000 0 1")
    Path("/proc/self/gid_map").write_text("1000 0 1")
    return True


def remove_shared_memory(segment_id: int) -> bool:
    """Marks a System V shared memory segment for removal; it goes when nobody is attached."""
    return _LIBC is not None and _LIBC.shmctl(segment_id, _IPC_RMID, None) == 0
