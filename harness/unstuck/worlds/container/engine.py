"""Finds a Docker engine that a run can use, or says in one line what is missing."""

from __future__ import annotations

import os
import socket
import sys
from typing import TYPE_CHECKING

from unstuck.errors import UsageError

if TYPE_CHECKING:
    from docker import DockerClient

SOCKET = "/var/run/docker.sock"
HOST_VARIABLE = "DOCKER_HOST"
CALL_TIMEOUT_S = 60
_SCHEME = "unix://"


def connect() -> DockerClient:
    """A client of the engine on this machine. Raises `UsageError` with what is missing, and what to do."""
    try:
        import docker  # noqa: PLC0415  an extra, and half a second to import
        from docker.errors import DockerException  # noqa: PLC0415  same
    except ImportError:
        raise _missing("the Docker SDK is not installed: pip install 'unstuck[containers]'") from None
    path = _socket()
    try:
        _probe(path)
        client = docker.DockerClient(f"{_SCHEME}{path}", version="auto", timeout=CALL_TIMEOUT_S)
        about = client.info()
    except (DockerException, OSError) as error:
        raise _missing(f"no engine answers on {path} ({_reason(error)}); start Docker") from None
    problem = _unfit(about)
    if problem is not None:
        client.close()
        raise _missing(problem)
    return client


def _probe(path: str) -> None:
    """Raises OSError when nobody listens: the SDK would wrap it four times, and leave its socket open."""
    with socket.socket(socket.AF_UNIX) as probe:
        probe.settimeout(CALL_TIMEOUT_S)
        probe.connect(path)


def _socket() -> str:
    told = os.environ.get(HOST_VARIABLE)
    if told:
        if not told.startswith(_SCHEME):
            raise _missing(
                f"{HOST_VARIABLE}={told!r} is not on this machine, and containers share its loopback; "
                "name a unix:// socket"
            )
        return told.removeprefix(_SCHEME)
    if not os.path.exists(SOCKET):
        raise _missing(
            f"{HOST_VARIABLE} is not set and {SOCKET} is not there; start Docker or name its socket"
        )
    return SOCKET


def _unfit(about: dict[str, object]) -> str | None:
    """Why this engine cannot serve: its containers would have another loopback than ours."""
    system = str(about.get("OperatingSystem"))
    if not sys.platform.startswith("linux") or about.get("OSType") != "linux" or "Docker Desktop" in system:
        return f"the engine ({system}) runs its containers in a virtual machine; use Docker on Linux itself"
    options = about.get("SecurityOptions")
    if isinstance(options, list) and any("rootless" in str(option) for option in options):
        return "a rootless engine's containers cannot share the machine's loopback; use one run by root"
    return None


def _missing(what: str) -> UsageError:
    return UsageError(f"world 'containers': {what}.")


def _reason(error: BaseException) -> str:
    """The innermost cause, which is what the system said."""
    while (cause := error.__cause__ or error.__context__) is not None:
        error = cause
    return getattr(error, "strerror", None) or str(error) or type(error).__name__
