"""Leaves nothing behind: containers of a run, by their labels.

Who dies, and who then removes the run's containers (H harness, G guardian of one run):

1. H dies, even by SIGKILL. G sees the end of its socket, and H's end through its pid handle. Only G makes
   containers, one after the other, so none is on its way when G has noticed: it kills and removes them all.
2. G dies. H sees the end of the socket, the run ends, and `close` removes by label. A request that G had
   sent may still be carried out: H looks until nothing has come for a while.
3. H and G die in the same instant: the engine keeps the containers, and nobody is left to know them. The
   next session on this machine finds them by their label, which names H, and removes them.

There is no network and no volume to remove: none is made, and anonymous volumes go with their containers.
"""

from __future__ import annotations

import contextlib
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

from unstuck import clock
from unstuck.errors import HarnessError
from unstuck.worlds.process import proctree

if TYPE_CHECKING:
    from docker import DockerClient

LABEL_RUN = "unstuck.run"  # session-number
LABEL_OWNER = "unstuck.owner"  # of the harness: boot, pid, start time
LABEL_PROCESS = "unstuck.process"

LATE_S = 1.0  # within it the engine has made what a client asked for that is dead now
_LOOK_EVERY_S = 0.1
_REMOVE_WITHIN_S = 30.0
_AT_ONCE = 4
_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


def owner() -> str:
    """This process, so that a later one can tell whether it still lives."""
    me = proctree.read(os.getpid())
    return f"{_boot()}/{_pid_namespace()}/{os.getpid()}/{0 if me is None else me.started}"


def lives(name: str) -> bool:
    """Whether the process that `owner` called so runs; True for what we cannot tell."""
    boot, namespace, pid, started = (*name.split("/"), "", "", "", "")[:4]
    if boot != _boot():
        return False  # of an earlier boot of the machine
    if namespace != _pid_namespace() or not pid.isdigit():
        return True  # its pids are not ours: it may run beside us in another container
    now = proctree.read(int(pid))
    return now is not None and now.alive and str(now.started) == started


def _boot() -> str:
    with contextlib.suppress(OSError):
        return _BOOT_ID.read_text().strip()
    return "unknown"


def _pid_namespace() -> str:
    with contextlib.suppress(OSError):
        return os.readlink("/proc/self/ns/pid")
    return "unknown"


def remove_run(client: DockerClient, run: str, *, quiet_s: float = 0.0) -> int:
    """Removes every container of a run, until none has been seen for `quiet_s`; how many there were.

    Raises `HarnessError` when one is still there after a while, or the engine fails.
    """
    try:
        return _remove_run(client, run, quiet_s)
    except OSError as error:  # of the HTTP library, too
        raise _left(run, f"the engine fails ({type(error).__name__})") from error


def _remove_run(client: DockerClient, run: str, quiet_s: float) -> int:
    removed = 0
    begun_ns = quiet_since_ns = clock.monotonic_ns()
    while clock.monotonic_ns() - begun_ns < _REMOVE_WITHIN_S * 1e9:
        found = client.api.containers(all=True, filters={"label": f"{LABEL_RUN}={run}"})
        if found:
            removed += len(found)
            remove(client, [str(one["Id"]) for one in found])
            quiet_since_ns = clock.monotonic_ns()
        elif clock.monotonic_ns() - quiet_since_ns >= quiet_s * 1e9:
            return removed
        else:
            clock.sleep(_LOOK_EVERY_S)
    raise _left(run, f"its containers are still there after {_REMOVE_WITHIN_S:g} s")


def _left(run: str, what: str) -> HarnessError:
    return HarnessError(
        f"run={run!r}: {what}; remove its containers with "
        f"docker rm -f $(docker ps -aq --filter label={LABEL_RUN}={run})"
    )


def remove_orphans(client: DockerClient) -> int:
    """Removes the containers of harnesses of this machine that are dead; how many there were."""
    found = client.api.containers(all=True, filters={"label": LABEL_OWNER})
    orphans = [str(one["Id"]) for one in found if not lives(str(one["Labels"][LABEL_OWNER]))]
    remove(client, orphans)
    return len(orphans)


def remove(client: DockerClient, identities: list[str]) -> None:
    """Kills and removes containers, with their anonymous volumes; one that is gone already is fine."""
    from docker.errors import APIError  # noqa: PLC0415  an extra

    def one(identity: str) -> None:
        with contextlib.suppress(APIError):  # gone, or on its way: whoever needs to know looks again
            client.api.remove_container(identity, force=True, v=True)

    with ThreadPoolExecutor(_AT_ONCE) as pool:
        list(pool.map(one, identities))
