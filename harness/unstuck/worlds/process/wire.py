"""What harness, zygote and guardian say to each other: one JSON object a line.

Harness to zygote: `{"do": "guardian", …}` with the guardian's end of a socket pair attached, or
`{"do": "close"}`. Harness to guardian: `{"id": 7, "do": "start" | "stop" | …, …}`, answered by
`{"id": 7, "ok": …}` or `{"id": 7, "error": "…"}`; in between the guardian sends
`{"event": {…}}` as things happen.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from unstuck.worlds.port import ProcessSpec, Restart

User = Literal["same", "namespace", "nobody"]
"""Who a process runs as: the harness's user; the same in namespaces of its own (root as user 1000); an
unprivileged user. See `linux.enter_namespaces`."""

PRELOAD = "LD_PRELOAD"
"""What a process that has this in its environment loads before all else; only an executed one can."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Launch(ProcessSpec):
    """A process as the guardian starts it: what the scenario's author says, and what a dependency needs."""

    quick_stop_signal: str | None = None  # sent at the very end, within a second of SIGKILL
    user: User = "same"
    companion: str | None = None  # a file that names a process elsewhere: see `companion`


def launch_of(spec: ProcessSpec) -> Launch:
    if isinstance(spec, Launch):
        return spec
    return Launch(**{field.name: getattr(spec, field.name) for field in dataclasses.fields(spec)})


def launch_to_json(launch: Launch) -> dict[str, Any]:
    data = {field.name: getattr(launch, field.name) for field in dataclasses.fields(launch)}
    data["environment"] = dict(launch.environment)
    data["restart"] = dataclasses.asdict(launch.restart)
    return data


def launch_from_json(data: Mapping[str, Any]) -> Launch:
    command = None if data["command"] is None else tuple(data["command"])
    restart = Restart(**data["restart"])
    return Launch(**{**data, "argv": tuple(data["argv"]), "command": command, "restart": restart})


def encode(message: Mapping[str, Any]) -> bytes:
    return json.dumps(message, separators=(",", ":")).encode() + b"\n"


class Lines:
    """Collects bytes as they come and gives back the whole messages among them."""

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, data: bytes) -> list[dict[str, Any]]:
        *lines, self._rest = (self._rest + data).split(b"\n")
        return [json.loads(line) for line in lines]
