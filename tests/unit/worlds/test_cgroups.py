"""Memory groups over made-up kernel files, of either version."""

from __future__ import annotations

from pathlib import Path

import pytest

from unstuck.worlds.process import cgroups
from unstuck.worlds.process.cgroups import MemoryGroup, Parent

OWN_V1 = "9:name=systemd:/\n4:memory:/service/one\n0::/\n"
MOUNTS_V1 = (
    "31 25 0:20 / /sys/fs/cgroup rw - tmpfs tmpfs rw\n"
    "35 31 0:32 / /sys/fs/cgroup/memory rw,relatime - cgroup cgroup rw,memory\n"
    "36 31 0:33 / /sys/fs/cgroup/pids rw,relatime - cgroup cgroup rw,pids\n"
)


def folders(own: str, mounts: str) -> list[tuple[str, int]]:
    return [(str(parent.folder), parent.version) for parent in cgroups.candidates(own, mounts)]


def test_version_1_tries_our_own_group_then_its_ancestors() -> None:
    """Nearest first, up to the root of the mount, which is tried last."""
    assert folders(OWN_V1, MOUNTS_V1) == [
        ("/sys/fs/cgroup/memory/service/one", 1),
        ("/sys/fs/cgroup/memory/service", 1),
        ("/sys/fs/cgroup/memory", 1),
    ]


def test_version_2_in_a_namespace_is_the_mount_itself() -> None:
    """In a container our own path is the root."""
    mounts = "30 25 0:26 / /sys/fs/cgroup ro,nosuid - cgroup2 cgroup rw\n"
    assert folders("0::/\n", mounts) == [("/sys/fs/cgroup", 2)]


def test_a_bind_mount_of_a_part_is_followed() -> None:
    """When only a part of the hierarchy is mounted, our path is taken relative to it."""
    mounts = "30 25 0:26 /user.slice /cg rw - cgroup2 cgroup rw\n"
    assert folders("0::/user.slice/app\n", mounts) == [("/cg/app", 2), ("/cg", 2)]


@pytest.fixture(params=[1, 2])
def parent(request: pytest.FixtureRequest, tmp_path: Path) -> Parent:
    return Parent(folder=tmp_path, version=request.param)


def test_a_limit_is_written_where_the_version_wants_it(parent: Parent) -> None:
    """The file and the number are those of the kernel's documentation."""
    group = MemoryGroup(parent, "unstuck-x", 4096)
    name = "memory.limit_in_bytes" if parent.version == 1 else "memory.max"
    assert (group.folder / name).read_text() == "4096"


def test_kills_and_usage_are_read_where_the_version_keeps_them(parent: Parent) -> None:
    """`oom_kill` counts the kills; `oom` and `failcnt` count less than that."""
    group = MemoryGroup(parent, "unstuck-x", 4096)
    if parent.version == 1:
        files = {
            "memory.oom_control": "oom_kill_disable 0\nunder_oom 0\noom_kill 3\n",
            "memory.usage_in_bytes": "100\n",
            "memory.max_usage_in_bytes": "200\n",
        }
    else:
        files = {
            "memory.events": "low 0\nhigh 0\nmax 9\noom 5\noom_kill 3\n",
            "memory.current": "100\n",
            "memory.peak": "200\n",
        }
    for name, text in files.items():
        (group.folder / name).write_text(text)
    assert (group.oom_kills(), group.usage_bytes(), group.usage_bytes_max()) == (3, 100, 200)


def test_an_old_kernel_without_the_counters_is_no_error(tmp_path: Path) -> None:
    """Before Linux 4.13 there is no `oom_kill`, before 5.19 no `memory.peak`."""
    first = MemoryGroup(Parent(folder=tmp_path, version=1), "unstuck-1", 4096)
    (first.folder / "memory.oom_control").write_text("oom_kill_disable 0\nunder_oom 0\n")
    second = MemoryGroup(Parent(folder=tmp_path, version=2), "unstuck-2", 4096)
    (second.folder / "memory.current").write_text("100\n")
    assert (first.oom_kills(), second.usage_bytes_max()) == (0, 100)


def test_swap_is_limited_where_it_is_accounted(tmp_path: Path) -> None:
    """With swap a process over its limit would only get slow: memory and swap are limited together."""
    group = MemoryGroup(Parent(folder=tmp_path, version=1), "unstuck-1", 4096)
    (group.folder / "memory.memsw.limit_in_bytes").touch()
    group._write_if_there("memory.memsw.limit_in_bytes", 4096)
    assert (group.folder / "memory.memsw.limit_in_bytes").read_text() == "4096"


def test_a_group_that_is_gone_counts_as_removed(tmp_path: Path) -> None:
    """Removing twice is fine, and a group that does not get empty is told."""
    folder = tmp_path / "group"
    folder.mkdir()
    assert cgroups.remove_folder(folder)
    assert cgroups.remove_folder(folder)
    (folder / "busy").mkdir(parents=True)
    assert not cgroups.remove_folder(folder, within_s=0.02)
