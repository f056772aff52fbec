"""The final look in the sim: the same facts as on real dependencies, read from the ones in memory."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from sqlalchemy import text

from reference_service.fakes import MemoryObjects
from unstuck.targets.port import Emit
from unstuck.targets.reference.look import HELD, LEFT_EVERY_S, LEFT_S, RESULT_FILE, stage_peaks
from unstuck.targets.reference.simulated.database import MemoryDatabase
from unstuck.targets.reference.simulated.stages import DURATION_S, STREAMS, examine, frames_of

ATTEMPT_KEYS = ("attempt", "token", "instance", "outcome", "reason", "peak_rss_bytes", "units")
ROW_KEYS = ("state", "reason", "attempt", "token", "result_prefix", "charged")
JOBS = text("SELECT * FROM jobs ORDER BY created_at, id")
MOVES = text("SELECT * FROM transitions ORDER BY id")
LEFT = text("SELECT count(*) FROM checkpoints WHERE job = :job")
ATTEMPTS = text("SELECT * FROM attempts ORDER BY job, attempt")


class SimLook:
    """Records `said` and `outcome` for every job of a run."""

    def __init__(
        self,
        *,
        database: MemoryDatabase,
        objects: MemoryObjects,
        get_job: Callable[[str], Mapping[str, Any] | None],
        source_of: Callable[[str], bytes | None],
        emit: Emit,
        wait: Callable[[float], None] | None,
    ) -> None:
        """`wait`: for what ended jobs left to go; None: nobody wants to know of it."""
        self._wait = wait
        self._database = database
        self._objects = objects
        self._get_job = get_job
        self._source_of = source_of
        self._emit = emit

    def take(self) -> None:
        jobs, moves, attempts = self._database.run(
            lambda c: [c.execute(query).mappings().all() for query in (JOBS, MOVES, ATTEMPTS)]
        )
        for move in moves:
            self._emit(
                "said", "transitions", job=move["job"],
                **{"from": move["from_state"]}, to=move["to_state"],
                attempt=move["attempt"], token=move["token"], actor=move["actor"],
            )  # fmt: skip
        for attempt in attempts:
            self._emit(
                "said", "attempt", job=attempt["job"], **_known(attempt, ATTEMPT_KEYS), **stage_peaks(attempt)
            )
        shown = [self._get_job(job["id"]) for job in jobs]
        for job, api in zip(jobs, shown, strict=True):
            self._emit("said", "row", job=job["id"], **_known(job, ROW_KEYS))
            if api is not None:
                self._emit("said", "api", job=job["id"], **_known(api["job"], ("state", "stage")))
            self._emit("outcome", job=job["id"], **self._outcome(job), **self._left(job))

    def _left(self, job: Mapping[Any, Any]) -> dict[str, Any]:
        if self._wait is None:
            return {}
        prefix = f"artefacts/{job['id']}/"
        for _ in range(round(LEFT_S / LEFT_EVERY_S)):
            left = {
                "rows": self._database.run(lambda c: c.execute(LEFT, {"job": job["id"]}).scalar_one()),
                "objects": sum(key.startswith(prefix) for key in self._objects.bodies),
            }
            if not any(left.values()):
                break
            self._wait(LEFT_EVERY_S)
        return {"left": left}

    def _outcome(self, job: Mapping[Any, Any]) -> dict[str, Any]:
        outcome: dict[str, Any] = {"state": job["state"], "held": HELD.get(str(job["state"]))}
        if job["state"] == "succeeded":
            outcome["result"] = self._result(job)
        return outcome

    def _result(self, job: Mapping[Any, Any]) -> dict[str, Any]:
        source = self._source_of(str(job["id"]))
        facts: dict[str, Any] = {"exists": False, "decodes": False}
        if source is not None:
            facts |= {"expected_duration_s": DURATION_S, "expected_streams": list(STREAMS)}
            facts["expected_pictures"] = frames_of(source)
        key = f"{str(job['result_prefix'] or '').rstrip('/')}/{RESULT_FILE}"
        content = self._objects.bodies.get(key)
        if content is None or source is None:
            return facts | {"problem": f"no object {key}"}
        return facts | {"exists": True} | examine(content, source)


def _known(row: Mapping[Any, Any], keys: tuple[str, ...]) -> dict[str, Any]:
    return {key: row[key] for key in keys if row.get(key) is not None}
