"""One act of a life on a SQLite file, played by whichever version of the service is found first.

Run as a program, `python -P sqlite_life.py ACT FILE STORE`, with a version of the service on PYTHONPATH: it
uses only what every version has. Objects, time, and what the downstream system has heard are kept in STORE
between acts; the queue is not, so that each act begins without any event.

    begin     jobs as a worker leaves them that is gone: ended, held, queued, awaiting their upload
    go-on     one more job, and all of them to their ends
    read      every row as the API shows it, and one sweep
    cope      as `read`; and each job that carries a planted word is shown, and retried to its end
    words     what this version may write into a row (states, reasons, outcomes), and what an older one can
              be given instead
"""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

from sqlalchemy import text

from reference_service import domain, relay, sweeper, uploads, worker
from reference_service.fakes import FakeRuntime, MemoryWorld, memory_world
from reference_service.service import Service
from reference_service.store import SqlDatabase, Store, lifecycle, schema
from reference_service.views import job_view

BODY = b"video"
STEPS = 40
STORY = "SELECT name, state FROM jobs ORDER BY created_at, id"


PLANTED = "SELECT id FROM jobs WHERE name LIKE '%=%' ORDER BY id"
RETRIED = "SELECT state FROM jobs WHERE retry_of IN (SELECT id FROM jobs WHERE name LIKE '%=%')"


def words() -> dict[str, Any]:
    known = {
        name: [one.value for one in getattr(domain, name.capitalize())]
        for name in ("state", "reason", "outcome")
    }
    older = getattr(domain, "OLDER_WORDS", {})  # newer than the first release
    return {**known, "instead": {word.value: instead.value for word, instead in older.items()}}


class Act:
    """One version's turn on the file."""

    def __init__(self, file: str, store: Path) -> None:
        self._path = store
        self._kept: dict[str, Any] = {"acts": 0, "bodies": {}, "heard": []}
        if store.exists():
            self._kept = json.loads(store.read_text(encoding="utf-8"))
        self._number = self._kept["acts"] + 1
        self.world: MemoryWorld = memory_world(seed=self._number)
        self.database = SqlDatabase(f"sqlite:///{file}", self.world.clock)
        self.revision = self.database.run(schema.require)
        self.service: Service = replace(
            self.world.service, store=Store.of(self.world.service.settings, self.database)
        )
        if "now" in self._kept:
            self.world.clock.sleep(self._kept["now"] - self.world.clock.now())
        self.world.objects.bodies.update(
            {key: bytes.fromhex(body) for key, body in self._kept["bodies"].items()}
        )
        self.world.sink.applied.update({key: {} for key in self._kept["heard"]})
        self._runtime = FakeRuntime(self.world.clock, f"boot-{self._number}")

    def begin(self) -> None:
        self._upload("ended")
        self._work()
        self._upload("held")
        self._runtime.held = True  # it is claimed, and nobody hears of its worker again
        self._work(3)
        self._upload("queued")
        uploads.initiate(self.service, tenant="t", name="awaiting", size_bytes=len(BODY))

    def go_on(self) -> None:
        self._upload(f"later-{self._number}")
        self.world.clock.sleep(self.service.settings.upload_deadline_s + 1)  # leases are over by then, too
        self._work()

    def read(self) -> None:
        sweeper.run_once(self.service)

    def cope(self) -> None:
        for job_id in self.database.run(lambda c: [row[0] for row in c.execute(text(PLANTED))]):
            job = uploads.find(self.service, "t", job_id)
            job_view(job)
            if job.state in domain.RETRYABLE:
                uploads.retry(self.service, job)
        self._work()

    def close(self) -> dict[str, Any]:
        """What the act came to; kept for the next one."""
        shown = [job_view(job) for job in lifecycle.list_jobs(self.service.store, "t", limit=100)]
        states = self.database.run(lambda c: {row[0]: row[1] for row in c.execute(text(STORY))})
        retried = self.database.run(lambda c: [row[0] for row in c.execute(text(RETRIED))])
        self.database.close()
        sink = self.world.sink
        kept = {
            "acts": self._number,
            "now": self.world.clock.now(),
            "bodies": {key: body.hex() for key, body in self.world.objects.bodies.items()},
            "heard": sorted(sink.applied),
        }
        self._path.write_text(json.dumps(kept), encoding="utf-8")
        fresh = len(sink.applied) - len(self._kept["heard"])
        return {
            "revision": self.revision, "states": states, "shown": len(shown),
            "applied": fresh, "repeats": len(sink.reports) - fresh, "retried": retried,
        }  # fmt: skip

    def _upload(self, name: str) -> None:
        job, target = uploads.initiate(self.service, tenant="t", name=name, size_bytes=len(BODY))
        assert target.url is not None, "an upload of one part has one URL"
        self.world.objects.client_put(target.url, BODY)
        uploads.complete(self.service, job)

    def _work(self, steps: int = STEPS) -> None:
        one = worker.Worker(self.service, self._runtime)
        one.start()
        for _ in range(steps):
            sweeper.run_once(self.service)
            relay.publish(self.service)
            one.step()


def play(name: str, file: str, store: Path) -> dict[str, Any]:
    """What came of the act. Whatever the version raises goes through."""
    if name == "words":
        return words()
    act = Act(file, store)
    {"begin": act.begin, "go-on": act.go_on, "read": act.read, "cope": act.cope}[name]()
    return act.close()


if __name__ == "__main__":
    json.dump(play(sys.argv[1], sys.argv[2], Path(sys.argv[3])), sys.stdout)
