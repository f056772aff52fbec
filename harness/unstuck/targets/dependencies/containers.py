"""A dependency from an image, where this machine has no program for it."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING

from unstuck.errors import TargetError, UsageError
from unstuck.targets.dependencies import stand_in
from unstuck.targets.dependencies.port import Contained, Ground, Prepared, Wanted
from unstuck.targets.dependencies.surroundings import surroundings
from unstuck.worlds.container import residue
from unstuck.worlds.container.engine import HOST_VARIABLE, connect
from unstuck.worlds.process import companion
from unstuck.worlds.process.wire import Launch
from unstuck.worlds.process.world import ProcessWorld

if TYPE_CHECKING:
    from docker import DockerClient

_ENTRY = "unstuck.targets.dependencies.stand_in:main"
_MADE_WITHIN_S = 30.0


def why_not() -> str | None:
    """None where an engine answers; else what is missing, and what to do."""
    try:
        connect().close()
    except UsageError as error:
        return _reason(error)
    return None


def prepare(wanted: Wanted, ground: Ground, contained: Contained) -> Prepared:
    """Sees to it that the image is there. Raises `TargetError` without an engine, or an image."""
    try:
        client = connect()
    except UsageError as error:
        raise TargetError(f"from='container': {_reason(error)}") from None
    try:
        _fetch(client, contained.image)
    finally:
        client.close()
    ground.session.once("containers of the dead", _remove_orphans)
    data = ground.data / "data"
    data.mkdir()
    labels = {
        residue.LABEL_RUN: f"{ground.session.folder.name}-{ground.world.scratch.name}",
        residue.LABEL_OWNER: residue.owner(),
        residue.LABEL_PROCESS: wanted.name,
    }
    file = ground.data / companion.FILE

    def launch(port: int) -> Launch:
        command, ready = contained.command(port), contained.ready(port)
        settings = {
            "image": contained.image,
            "command": None if command is None else list(command),
            "environment": dict(contained.environment(port)),
            "binds": [
                f"{data}:{contained.inside}",
                *(f"{ours}:{there}:ro" for there, ours in contained.read_only.items()),
            ],
            "labels": labels,
            "ready": list(ready),
            "companion": str(file),
        }
        told = {HOST_VARIABLE: os.environ[HOST_VARIABLE]} if HOST_VARIABLE in os.environ else {}
        return Launch(
            name=wanted.name,
            role=wanted.name,
            entry=_ENTRY,
            argv=(json.dumps(settings),),
            environment=surroundings(ground.data) | told,
            folder=str(ground.data),
            log=str(ground.log),
            ready_line=stand_in.READY if ready else None,
            ready_port=None if ready else port,
            ready_timeout_s=contained.ready_timeout_s + _MADE_WITHIN_S,
            companion=str(file),
            beside=True,
        )

    return Prepared(launch=launch, url=contained.url, values=contained.values, framer=contained.framer)


def _fetch(client: DockerClient, image: str) -> None:
    from docker.errors import APIError, ImageNotFound  # noqa: PLC0415  an extra, there since we connected

    try:
        client.images.get(image)
    except ImageNotFound:
        try:
            client.images.pull(image)
        except (APIError, OSError) as error:
            said = " ".join(str(getattr(error, "explanation", None) or error).split())
            raise TargetError(f"image={image!r} is not there, and cannot be fetched: {said}") from None


def _remove_orphans(_: ProcessWorld) -> None:
    client = connect()
    try:
        residue.remove_orphans(client)
    finally:
        client.close()


def _reason(error: UsageError) -> str:
    return str(error).removeprefix("world 'containers': ").removesuffix(".")
