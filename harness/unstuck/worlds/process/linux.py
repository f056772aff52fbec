"""The Linux calls that Python lacks. Elsewhere each returns False, and the caller does without."""

from __future__ import annotations

import ctypes
import os
import signal
import sys
from pathlib import Path

_PR_SET_PDEATHSIG = 1
_PR_SET_CHILD_SUBREAPER = 36
_CLONE_NEWNS = 0x00020000
_CLONE_NEWIPC = 0x08000000
_CLONE_NEWUSER = 0x10000000
_IPC_RMID = 0
_MS_NOSUID_NODEV = 2 | 4
_MS_REC = 0x4000
_MS_PRIVATE = 1 << 18

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


def enter_namespaces(*, folder: str | None = None) -> bool:
    """Namespaces of its own for users, System V IPC and mounts; False when the kernel refuses.

    Root becomes user 1000 there (whoever else we are, we stay), so programs that refuse to run as root
    run, and own what root owns. Shared memory of either kind is destroyed by the kernel when the last
    process of the namespaces ends, however it ends. The files only unless `folder` is among them, which
    has to stay in sight.
    """
    user, group = os.getuid(), os.getgid()  # asked before: afterwards they are not mapped yet
    if _LIBC is None or _LIBC.unshare(_CLONE_NEWUSER | _CLONE_NEWIPC | _CLONE_NEWNS) != 0:
        return False
    Path("/proc/self/setgroups").write_text("deny")
    Path("/proc/self/uid_map").write_text(f"{user or 1000} {user} 1")
    Path("/proc/self/gid_map").write_text(f"{group or 1000} {group} 1")
    if folder is not None and Path("/dev/shm") in Path(folder).parents:  # noqa: S108  a file system
        return True
    # Best effort: where even this is refused, a killed program may leave its files in /dev/shm.
    _LIBC.mount(b"tmpfs", b"/dev/shm", b"tmpfs", _MS_NOSUID_NODEV, None)
    return True


def enter_mount_namespace() -> bool:
    """One of its own for mounts; nothing that is mounted there is seen elsewhere. False when refused."""
    if _LIBC is None:
        return False
    user, group = os.getuid(), os.getgid()  # asked before: afterwards they are not mapped yet
    if _LIBC.unshare(_CLONE_NEWNS) != 0:
        if _LIBC.unshare(_CLONE_NEWUSER | _CLONE_NEWNS) != 0:
            return False
        Path("/proc/self/setgroups").write_text("deny")
        Path("/proc/self/uid_map").write_text(f"{user} {user} 1")
        Path("/proc/self/gid_map").write_text(f"{group} {group} 1")
    return bool(_LIBC.mount(None, b"/", None, _MS_REC | _MS_PRIVATE, None) == 0)


def mount_memory(folder: str, size_bytes: int) -> bool:
    """A file system in memory of this size over `folder`; False when the kernel refuses."""
    options = f"size={size_bytes},mode=0777".encode()
    done = _LIBC is not None and _LIBC.mount(b"tmpfs", folder.encode(), b"tmpfs", _MS_NOSUID_NODEV, options)
    return _LIBC is not None and done == 0


def remove_shared_memory(segment_id: int) -> bool:
    """Marks a System V shared memory segment for removal; it goes when nobody is attached."""
    return _LIBC is not None and _LIBC.shmctl(segment_id, _IPC_RMID, None) == 0
