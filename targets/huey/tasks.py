"""Huey on Redis as its first steps have it: one task."""

from __future__ import annotations

import json
import os
import signal
import time
import urllib.request

from huey import RedisHuey
from huey.exceptions import HueyException
from huey.signals import SIGNAL_INTERRUPTED

huey = RedisHuey("jobs", url=os.environ["REDIS_URL"])


def report(event: str, job: str) -> None:
    """Tells the ledger; a program of your own says it where its effect is applied."""
    said = {"event": event, "job": job, "pid": os.getpid(), "process": os.environ["UNSTUCK_PROCESS"]}
    request = urllib.request.Request(os.environ["UNSTUCK_LEDGER_URL"], json.dumps(said).encode())
    urllib.request.urlopen(request, timeout=600).read()


@huey.task(context=True)
def work(seconds: float = 0.2, poison: bool = False, task=None) -> str:
    report("begin", task.id)
    if poison:
        os.kill(os.getpid(), signal.SIGKILL)
    time.sleep(seconds)
    report("end", task.id)
    return "done"


if os.environ.get("RELIABLE") == "1":
    # https://huey.readthedocs.io/en/latest/guide.html#consumer-shutdown-and-interrupted-tasks
    @huey.signal(SIGNAL_INTERRUPTED)
    def put_back(_, task, *args, **kwargs) -> None:
        huey.enqueue(task)


def submit(seconds: float, poison: bool) -> str:
    """What a client does; the id of the task is how it is known."""
    return str(work(seconds, poison).id)


def states() -> dict[str, str]:
    """Job -> done or failed: a result is pickled, so that only Huey can tell one from the other."""
    found = {}
    for key in huey.storage.conn.hkeys(huey.storage.result_key):
        job = key.decode()
        try:
            huey.result(job, preserve=True)
            found[job] = "done"
        except HueyException:
            found[job] = "failed"
    return found
