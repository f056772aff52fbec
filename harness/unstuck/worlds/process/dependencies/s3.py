"""An endpoint that speaks S3 and SQS, as a process on the loopback."""

from __future__ import annotations

import importlib.util
import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

from unstuck.errors import TargetError, UsageError, did_you_mean
from unstuck.worlds.port import Restart
from unstuck.worlds.process.dependencies import STARTS_MAX, folder_of, port_was_taken
from unstuck.worlds.process.ports import LOOPBACK, free_port
from unstuck.worlds.process.wire import Launch
from unstuck.worlds.process.world import ProcessWorld

EmulatorName = Literal["ministack", "moto"]
"""`ministack` is the default: a third of the start-up time and a quarter of the CPU time a request of
moto, and it rejects tampered presigned URLs. `moto` is the second opinion."""

INSTALL = {
    "ministack": "install 'unstuck[reference]', or pip install ministack",
    "moto": "install 'moto[server]'",
}
READY_WITHIN_S = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Emulator:
    """A running emulator; the session ends it. Any credentials are accepted."""

    name: EmulatorName
    url: str

    @classmethod
    def start(cls, world: ProcessWorld, name: EmulatorName) -> Emulator:
        """Starts one on a free port. Raises `TargetError` when it is not installed or not ready."""
        if name not in get_args(EmulatorName):
            raise UsageError(f"emulator={name!r} is unknown.{did_you_mean(name, get_args(EmulatorName))}")
        check_installed(name)
        folder = folder_of(world.scratch, name)
        for _ in range(STARTS_MAX):
            port = free_port()
            command, environment, ready_url = serving(name, folder, port)
            launch = Launch(
                name=name,
                role=name,
                command=command,
                environment=environment,
                folder=str(folder),
                log=str(folder / "server.log"),
                ready_url=ready_url,
                ready_timeout_s=READY_WITHIN_S,
                restart=Restart(policy="never"),
            )
            try:
                world.start(launch)
            except TargetError as error:
                if not port_was_taken(error):
                    raise
                problem = error
                continue
            return cls(name=name, url=f"http://{LOOPBACK}:{port}")
        raise problem


def check_installed(name: EmulatorName) -> None:
    """Raises `TargetError` with what to install."""
    if importlib.util.find_spec(name) is None:
        raise TargetError(f"emulator={name!r} is not installed: {INSTALL[name]}")


def serving(name: EmulatorName, folder: Path, port: int) -> tuple[list[str], dict[str, str], str]:
    """Command, environment, and the URL that answers once it serves. Nothing is kept through an end."""
    environment = {
        "PATH": os.environ.get("PATH", os.defpath),
        "PYTHONPATH": os.pathsep.join(path for path in sys.path if path),
        "TMPDIR": str(folder),
        "HOME": str(folder),  # no configuration of the user's may leak in
        "LC_ALL": "C.UTF-8",
        "AWS_EC2_METADATA_DISABLED": "true",
    }
    if name == "moto":
        command = [sys.executable, "-m", "moto.server", "-H", LOOPBACK, "-p", str(port)]
        return command, environment, f"http://{LOOPBACK}:{port}/moto-api/"
    environment |= {
        "BIND_HOST": LOOPBACK,  # its default is every interface
        "GATEWAY_PORT": str(port),
        "SERVICES": "s3,sqs",
        "IOT_MTLS_ENABLED": "0",  # its own listener
        "SFTP_ENABLED": "0",  # the same
        "S3_PERSIST": "0",
        "PERSIST_STATE": "0",
        "S3_DATA_DIR": str(folder / "objects"),
        "STATE_DIR": str(folder / "state"),
        "DOCKER_HOST": f"unix://{folder}/no-docker",  # it removes containers of other instances at start
        "LOG_LEVEL": "WARNING",
    }
    ready_url = f"http://{LOOPBACK}:{port}/_ministack/health"
    return [sys.executable, "-m", "ministack"], environment, ready_url
