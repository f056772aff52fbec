"""Whether the role of this container works: `python -m reference_service.health`, for its health check.

It has to answer `GET /livez`: api and stubs where they serve, the others (worker, sweeper, relay …) on their
`REFERENCE_METRICS_PORT`. That says nothing of what the role depends on: whoever restarts by this must not
restart every worker because the database is away.
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
    """What is wrong with a role; None when it works. Raises `OSError`."""
    ports = {
        "api": settings.api_port,
        "vision": urlsplit(settings.vision_url).port or 80,
        "sink": urlsplit(settings.sink_url).port or 80,
    }
    port = ports.get(role, settings.metrics_port)
    if not port:
        return "REFERENCE_METRICS_PORT=0: nowhere to ask whether it lives; choose a port"
    with DIRECTLY.open(f"http://127.0.0.1:{port}/livez", timeout=ANSWERS_WITHIN_S) as answer:
        return None if answer.status == 200 else f"/livez answered {answer.status}"


if __name__ == "__main__":
    sys.exit(main())
