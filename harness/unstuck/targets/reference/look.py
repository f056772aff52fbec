"""The final look at every job: the service's own words on one side, what we find ourselves on the other.

Rows come from the database directly, results from the object store directly; only `said api` asks the
service.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import psycopg
from psycopg.rows import dict_row

from reference_service.media import examine, pictures, sound_behind_s
from unstuck.clock import monotonic_ns, sleep
from unstuck.targets.port import Emit

RESULT_FILE = "stitched.mp4"
HELD = {"active": "lease", "awaiting_upload": "upload"}  # by its own row, for somebody to move on
ATTEMPT_KEYS = ("attempt", "token", "instance", "outcome", "reason", "peak_rss_bytes", "units")
LEFT_S, LEFT_EVERY_S = 3.0, 0.2
READERS = 4  # API reads at a time


def stage_peaks(attempt: Mapping[Any, Any]) -> dict[str, Any]:
    """What an attempt needed of memory by stage; nothing of a version that did not measure it."""
    found = attempt.get("stage_peaks")
    return {"stage_peaks": json.loads(found)} if found else {}


class FinalLook:
    """Records `said` and `outcome` for every job of a run."""

    def __init__(
        self,
        *,
        database_url: str,
        fetch: Callable[[str, Path], bool],
        has_event: Callable[[str], bool],
        get_job: Callable[[str], Mapping[str, Any] | None],
        source_of: Callable[[str], Path | None],
        artefacts_of: Callable[[str], int] | None,
        scratch: Path,
        emit: Emit,
    ) -> None:
        """`fetch` copies an object to a path (False: there is none); `has_event`: one waits, in the outbox
        or in the queue; `source_of` is what a client put; `artefacts_of`, how many objects a job's
        checkpoints have (None: nobody wants to know).
        """
        self._database_url = database_url
        self._fetch = fetch
        self._has_event = has_event
        self._get_job = get_job
        self._source_of = source_of
        self._artefacts_of = artefacts_of
        self._scratch = scratch
        self._emit = emit
        self._expected: dict[Path, dict[str, Any]] = {}

    def take(self) -> None:
        with psycopg.connect(self._database_url, autocommit=True, row_factory=dict_row) as connection:
            jobs = connection.execute("SELECT * FROM jobs ORDER BY created_at, id").fetchall()
            moves = connection.execute("SELECT * FROM transitions ORDER BY id").fetchall()
            attempts = connection.execute("SELECT * FROM attempts ORDER BY job, attempt").fetchall()
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
        with ThreadPoolExecutor(READERS, thread_name_prefix="look") as pool:
            shown = list(pool.map(self._get_job, [job["id"] for job in jobs]))
        for job, api in zip(jobs, shown, strict=True):
            keys = ("state", "reason", "attempt", "token", "result_prefix", "charged")
            self._emit("said", "row", job=job["id"], **_known(job, keys))
            if api is not None and "state" in (shown_job := _job_of(api)):
                self._emit("said", "api", job=job["id"], **_known(shown_job, ("state", "stage")))
            self._emit("outcome", job=job["id"], **self._outcome(job), **self._left(job))

    def _left(self, job: Mapping[str, Any]) -> dict[str, Any]:
        """What an ended job's checkpoints have left, once it is gone or `LEFT_S` are over: whoever moved the
        job removes it a moment after.
        """
        if self._artefacts_of is None:
            return {}
        until_ns = monotonic_ns() + int(LEFT_S * 1e9)
        while True:
            with psycopg.connect(self._database_url, autocommit=True) as connection:
                row = connection.execute(
                    "SELECT count(*) FROM checkpoints WHERE job = %s", (job["id"],)
                ).fetchone()
            left = {"rows": row[0] if row else 0, "objects": self._artefacts_of(str(job["id"]))}
            if not any(left.values()) or monotonic_ns() >= until_ns:
                return {"left": left}
            sleep(LEFT_EVERY_S)

    def _outcome(self, job: Mapping[str, Any]) -> dict[str, Any]:
        state = str(job["state"])
        held = self._queued(str(job["id"])) if state == "queued" else HELD.get(state)
        outcome: dict[str, Any] = {"state": state, "held": held}
        if job["state"] == "succeeded":
            outcome["result"] = self._result(job)
        return outcome

    def _queued(self, job: str) -> str | None:
        """Workers hear of a job by its event alone: one that waits for none is held by nobody."""
        return "queue" if self._has_event(job) else None

    def _result(self, job: Mapping[str, Any]) -> dict[str, Any]:
        """Whether the published video is there, decodes, and is as long as what was uploaded."""
        source = self._source_of(str(job["id"]))
        expected = self._expected_of(source) if source else {}
        facts: dict[str, Any] = {
            "exists": False,
            "decodes": False,
            "expected_duration_s": expected.get("duration_s"),
            "expected_streams": _types(expected),
            "expected_pictures": pictures(expected) if expected.get("decodes") else None,
        }
        prefix = str(job["result_prefix"] or "").rstrip("/")
        with tempfile.TemporaryDirectory(prefix="look-", dir=self._scratch) as folder:
            path = Path(folder) / RESULT_FILE
            if not prefix or not self._fetch(f"{prefix}/{RESULT_FILE}", path):
                return facts | {"problem": f"no object {prefix}/{RESULT_FILE}"}
            found = examine(path)
        return facts | {
            "exists": True,
            "decodes": found["decodes"],
            "duration_s": found["duration_s"],
            "streams": _types(found),
            "pictures": pictures(found),
            "sound_behind_s": sound_behind_s(found, expected) if source and found["decodes"] else None,
            "problem": found["problem"],
        }

    def _expected_of(self, source: Path) -> dict[str, Any]:
        if source not in self._expected:
            self._expected[source] = examine(source)
        return self._expected[source]


def _known(row: Mapping[str, Any], keys: tuple[str, ...]) -> dict[str, Any]:
    return {key: row[key] for key in keys if row.get(key) is not None}


def _types(found: Mapping[str, Any]) -> list[str]:
    return [str(stream["type"]) for stream in found.get("streams", ())]


def _job_of(shown: Mapping[str, Any]) -> Mapping[str, Any]:
    inner = shown.get("job")
    return inner if isinstance(inner, Mapping) else shown
