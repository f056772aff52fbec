"""A Celery application with RabbitMQ as its broker and Redis as its result backend: one task."""

from __future__ import annotations

import json
import os
import signal
import time
import urllib.request

from celery import Celery

app = Celery("tasks", broker=os.environ["BROKER_URL"], backend=os.environ["RESULT_URL"])
if os.environ.get("RELIABLE") == "1":
    # https://docs.celeryq.dev/en/stable/userguide/optimizing.html#prefork-pool-prefetch-settings and
    # https://docs.celeryq.dev/en/stable/faq.html#should-i-use-retry-or-acks-late
    app.conf.task_acks_late = True
    app.conf.task_reject_on_worker_lost = True
    app.conf.worker_prefetch_multiplier = 1
    # https://docs.celeryq.dev/en/stable/userguide/configuration.html#result-backend-always-retry: without it,
    # a task that is done while its result cannot be stored has failed.
    app.conf.result_backend_always_retry = True
    # https://docs.celeryq.dev/en/stable/userguide/configuration.html#std-setting-broker_transport_options: a
    # client goes on when the broker has the message, not before.
    app.conf.broker_transport_options = {"confirm_publish": True}
app.conf.task_track_started = True
app.conf.broker_connection_retry_on_startup = True


def report(event: str, job: str) -> None:
    """Tells the ledger; a program of your own says it where its effect is applied."""
    said = {"event": event, "job": job, "pid": os.getpid(), "process": os.environ["UNSTUCK_PROCESS"]}
    request = urllib.request.Request(os.environ["UNSTUCK_LEDGER_URL"], json.dumps(said).encode())
    urllib.request.urlopen(request, timeout=600).read()


@app.task(bind=True)
def work(self, seconds: float = 0.2, poison: bool = False) -> str:
    report("begin", self.request.id)
    if poison:
        os.kill(os.getpid(), signal.SIGKILL)
    time.sleep(seconds)
    report("end", self.request.id)
    return "done"


def submit(seconds: float, poison: bool) -> str:
    """What a client does; its id is how the job is known."""
    return str(work.apply_async(kwargs={"seconds": seconds, "poison": poison}).id)
