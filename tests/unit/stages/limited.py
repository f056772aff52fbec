"""Runs stages in forked children under limits, and says how each ended and what it used.

Started once a test session; reads one JSON request a line, writes one JSON answer a line. A fork is
charged nothing for the libraries that its parent loaded, so what it uses is what the stage used.
"""

from __future__ import annotations

import json
import os
import resource
import sys
import tempfile
from pathlib import Path
from typing import Any

from reference_service.ports import StageInput
from reference_service.stages import MediaStages

MIB = 1024**2


class _Vision:
    def caption(self, jpeg: bytes) -> str:
        return f"{len(jpeg)} bytes"


def _status_bytes(field: str) -> int:
    for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines():
        if line.startswith(field + ":"):
            return int(line.split()[1]) * 1024
    raise KeyError(field)


def _run_stages(request: dict[str, Any], folder: Path) -> None:
    artefacts: dict[str, Path] = {}
    for stage in request["stages"]:
        artefacts[stage] = folder / stage
        artefacts[stage].mkdir()
        given = StageInput(
            job="j-1",
            stage=stage,
            fetch=lambda: Path(request["source"]),
            folder=artefacts[stage],
            artefacts={name: path for name, path in artefacts.items() if name != stage},
            vision=_Vision(),
            interrupt=lambda: None,
            bounded=request["bounded"],
        )
        MediaStages().run(stage, given)


def _child(request: dict[str, Any]) -> dict[str, Any]:
    Path("/proc/self/clear_refs").write_text("5", encoding="ascii")  # the peak counts from here
    rss_bytes = _status_bytes("VmRSS")
    room_bytes = _status_bytes("VmSize") + request["room_bytes"]
    resource.setrlimit(resource.RLIMIT_AS, (room_bytes, room_bytes))
    resource.setrlimit(resource.RLIMIT_CPU, (request["cpu_s"], request["cpu_s"]))
    answer: dict[str, Any] = {"error": None, "text": ""}
    with tempfile.TemporaryDirectory() as folder:
        try:
            _run_stages(request, Path(folder))
        except Exception as error:  # noqa: BLE001  any end is an answer
            answer = {"error": type(error).__name__, "text": str(error)}
    used = resource.getrusage(resource.RUSAGE_SELF)
    return answer | {
        "peak_growth_bytes": _status_bytes("VmHWM") - rss_bytes,
        "peak_bytes": _status_bytes("VmHWM"),
        "threads": len(os.listdir("/proc/self/task")),
        "cpu_s": used.ru_utime + used.ru_stime,
    }


def main() -> None:
    for line in sys.stdin:
        request = json.loads(line)
        reader, writer = os.pipe()
        child = os.fork()
        if child == 0:
            os.write(writer, json.dumps(_child(request)).encode())
            os._exit(0)
        os.close(writer)
        with os.fdopen(reader, "rb") as pipe:
            answer = pipe.read()
        _, status = os.waitpid(child, 0)
        died = {"error": f"status {status}", "text": "the child died"}
        sys.stdout.write(json.dumps(json.loads(answer) if answer else died) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
