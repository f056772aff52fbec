"""RQ as its first steps have it: a function, and a queue on Redis."""

from __future__ import annotations

import json
import os
import signal
import time
import urllib.request

from redis import Redis
from rq import Queue, Retry, get_current_job


def report(event: str, job: str) -> None:
    """Tells the ledger; a program of your own says it where its effect is applied."""
    said = {"event": event, "job": job, "pid": os.getpid(), "process": os.environ["UNSTUCK_PROCESS"]}
    request = urllib.request.Request(os.environ["UNSTUCK_LEDGER_URL"], json.dumps(said).encode())
    urllib.request.urlopen(request, timeout=600).read()


def work(seconds: float = 0.2, poison: bool = False) -> str:
    job = get_current_job().id
    report("begin", job)
    if poison:
        os.kill(os.getpid(), signal.SIGKILL)
    time.sleep(seconds)
    report("end", job)
    return "done"


def submit(seconds: float, poison: bool) -> str:
    """What a client does; the id of the job is how it is known."""
    options = {"job_timeout": float(os.environ["JOB_TIMEOUT"])}
    if os.environ.get("RELIABLE") == "1":
        # https://python-rq.org/docs/exceptions/#retrying-failed-jobs: without it, a job whose worker was lost
        # ends as failed.
        options["retry"] = Retry(max=3)
    queue = Queue(connection=Redis.from_url(os.environ["REDIS_URL"]))
    return str(queue.enqueue(work, seconds, poison, **options).id)
