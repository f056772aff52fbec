"""What an operator does about the service's recovery sweeps, in whichever world the service runs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from unstuck.targets.port import Emit, Reply

ACTIONS = frozenset({"pause_recovery", "resume_recovery", "trigger_recovery"})


def operate(action: str, ask: Callable[[str], Reply], emit: Emit) -> Mapping[str, Any]:
    """Does one of `ACTIONS`, and says what was answered. `ask` posts to a path below `/internal/`.

    When recovery is paused goes on record by the answer, and when it is resumed by the question: in between
    nobody may sweep, however long either takes.
    """
    if action == "pause_recovery":
        reply = ask("recovery/pause")
        paused = reply.phase == "ok" and reply.data.get("paused_at") is not None
        if paused:
            emit("sweep", "pause")
        return {"paused": paused, "error": reply.error}
    if action == "resume_recovery":
        emit("sweep", "resume")
        reply = ask("recovery/resume")
        return {"resumed": reply.phase == "ok", "error": reply.error}
    reply = ask("recovery")
    if reply.phase == "ok":
        counts = ", ".join(f"{name} {reply.data.get(name)}" for name in ("found", "triggered", "failed"))
        return {"said": f"run {reply.data.get('run')}: {counts}"}
    if reply.data.get("status") == 409:
        return {"said": f"no run: {reply.error}"}
    return {"said": None, "error": reply.error}
