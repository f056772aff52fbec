"""For Unstuck only: hands a job to RQ, and reports when a job begins and when its work is done.

A worker uses its class by `-j`; without Unstuck nobody does. Written by `unstuck init`.
"""

from __future__ import annotations

import json
import os
import signal
import time
import urllib.request

from redis import Redis
from rq import Queue
from rq.job import Job

QUEUE = "default"


def submit(task: str, seconds: float, poison: bool, **values: object) -> str:
    """What a client does. Returns the id of the job."""
    queue = Queue(QUEUE, connection=Redis.from_url(os.environ["REDIS_URL"]))
    meta = {"unstuck_seconds": seconds, "unstuck_poison": poison}
    return str(queue.enqueue(task, kwargs=values, meta=meta).id)


def report(event: str, job: str) -> None:
    """Tells the ledger. It answers when every fault that waits for this moment has struck."""
    said = {"event": event, "job": job, "pid": os.getpid(), "process": os.environ["UNSTUCK_PROCESS"]}
    request = urllib.request.Request(os.environ["UNSTUCK_LEDGER_URL"], json.dumps(said).encode())
    urllib.request.urlopen(request, timeout=600).read()


class ReportingJob(Job):
    """A job that reports around its function; what runs in between is yours, unchanged."""

    def perform(self) -> object:
        report("begin", self.id)
        if self.meta.get("unstuck_poison"):
            os.kill(os.getpid(), signal.SIGKILL)
        time.sleep(self.meta.get("unstuck_seconds", 0))
        result = super().perform()
        # If an effect is applied earlier than this, report it there: what lies between is not seen.
        report("end", self.id)
        return result
