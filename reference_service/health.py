"""Whether the role of this container works: `python -m reference_service.health`, for its health check.

What serves HTTP has to answer. What does not (worker, sweeper, relay) has to have beaten in the register of
instances lately: a loop that hangs, or has lost the database for long, does not.
"""

from __future__ import annotations

import sys
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import ProxyHandler, build_opener

from reference_service.settings import BadSettings, Settings, read_settings

ANSWERS_WITHIN_S = 3.0
PROGRAM = Path("/proc/1/cmdline")
DIRECTLY = build_opener(ProxyHandler({}))  # Docker may hand its client's proxy to every container


def main(role: str | None = None) -> int:
    """0: it works; 1: it does not, or there is no telling. `role`: None: that of process 1."""
    role = role or PROGRAM.read_bytes().rstrip(b"\0").rpartition(b"\0")[2].decode()
    try:
        problem = trouble(read_settings(), role)
    except (BadSettings, OSError) as error:
        problem = str(error)
    if problem is not None:
        sys.stderr.write(f"{role}: {problem}\n")
    return 0 if problem is None else 1


def trouble(settings: Settings, role: str) -> str | None:
    """What is wrong with a role; None when it works. Raises `OSError`, `BadSettings`."""
    ports = {
        "api": settings.api_port,
        "vision": urlsplit(settings.vision_url).port or 80,
        "sink": urlsplit(settings.sink_url).port or 80,
    }
    if role in ports:
        url = f"http://127.0.0.1:{ports[role]}/livez"
        with DIRECTLY.open(url, timeout=ANSWERS_WITHIN_S) as answer:
            return None if answer.status == 200 else f"/livez answered {answer.status}"
    return _silent(settings, role)


def _silent(settings: Settings, role: str) -> str | None:
    """For a role that keeps its row in the register: how long it has not."""
    from reference_service.app import build  # noqa: PLC0415  heavy, and the others need none of it
    from reference_service.ports import Unavailable  # noqa: PLC0415  same
    from reference_service.store import events  # noqa: PLC0415  same

    service, database = build(settings, "health")
    try:
        within_s = settings.instance_dead_after_s
        beats = events.beats_of_others(
            service.store, instance=settings.instance, role=role, boot_id="", within_s=within_s
        )
    except Unavailable as error:
        return str(error)
    finally:
        database.close()
    return None if beats else f"no heartbeat of {settings.instance} for {within_s:g} s"


if __name__ == "__main__":
    sys.exit(main())
