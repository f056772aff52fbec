"""The emulator of S3 and SQS as a process of a run; both kinds are the same server, which serves both."""

from __future__ import annotations

from typing import get_args

from unstuck.errors import TargetError
from unstuck.targets.dependencies.port import Contained, Ground, NotInstalled, Option, Prepared, Wanted
from unstuck.worlds.process.dependencies import s3
from unstuck.worlds.process.dependencies.s3 import EmulatorName
from unstuck.worlds.process.ports import LOOPBACK
from unstuck.worlds.process.wire import Launch

VALUES = ("region", "access_key", "secret_key")
INSTALL = s3.INSTALL["ministack"]
OPTIONS = {
    "emulator": Option(
        shape="text",
        choices=get_args(EmulatorName),
        means="`ministack`, which keeps what it acknowledged, or `moto`, which loses all by a kill or a stop",
    ),
}

IMAGE = "motoserver/moto:latest"
_KEPT = "unstuck.targets.dependencies.kept_ministack:main"
_VALUES = {"region": "us-east-1", "access_key": "test", "secret_key": "test"}  # it takes any


def prepare(wanted: Wanted, ground: Ground) -> Prepared:
    """Needs no data beforehand. Raises `TargetError` where the emulator is not installed."""
    name: EmulatorName = wanted.options.get("emulator", "ministack")
    try:
        s3.check_installed(name)
    except TargetError as error:
        raise NotInstalled(str(error)) from None

    def launch(port: int) -> Launch:
        command, environment, ready_url = s3.serving(name, ground.data, port)
        kept = name == "ministack"
        return Launch(
            name=wanted.name,
            role=wanted.name,
            entry=_KEPT if kept else None,
            command=None if kept else command,
            environment=environment | ({"S3_PERSIST": "1", "PERSIST_STATE": "1"} if kept else {}),
            folder=str(ground.data),
            log=str(ground.log),
            ready_url=ready_url,
            ready_timeout_s=s3.READY_WITHIN_S,
            beside=True,
        )

    return Prepared(launch=launch, url=url, values=_VALUES)


def contained(wanted: Wanted, ground: Ground) -> Contained:  # noqa: ARG001  every kind's
    """The image of moto, or one that is like it. Raises `TargetError` where MiniStack was asked for."""
    if wanted.options.get("emulator", "moto") != "moto":
        raise TargetError("emulator='ministack' comes as no container here; leave `emulator` out, or `from`")
    return Contained(
        image=wanted.options.get("image", IMAGE),
        inside="/data",
        command=lambda port: ["-H", LOOPBACK, "-p", str(port)],
        environment=lambda _: {},
        url=url,
        values=_VALUES,
    )


def url(host: str, port: int) -> str:
    """Of the endpoint."""
    return f"http://{host}:{port}"
