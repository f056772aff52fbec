"""For Unstuck only: hands a job to Celery, and reports when a job begins and when its work is done.

A worker imports it by `-I unstuck_jobs`; without Unstuck nobody does. Written by `unstuck init`.
"""

from __future__ import annotations

import functools
import importlib
import json
import os
import signal
import time
import urllib.request

from celery.signals import celeryd_after_setup

APPLICATION = "<<app_or_guess>>"  # module:variable


def submit(task: str, seconds: float, poison: bool, **values: object) -> str:
    """What a client does. Returns the id of the job."""
    headers = {"unstuck_seconds": seconds, "unstuck_poison": poison}
    return str(application().send_task(task, kwargs=values, headers=headers).id)


def application():
    module, _, variable = APPLICATION.partition(":")
    return getattr(importlib.import_module(module), variable or "app")


def report(event: str, job: str) -> None:
    """Tells the ledger. It answers when every fault that waits for this moment has struck."""
    said = {"event": event, "job": job, "pid": os.getpid(), "process": os.environ["UNSTUCK_PROCESS"]}
    request = urllib.request.Request(os.environ["UNSTUCK_LEDGER_URL"], json.dumps(said).encode())
    urllib.request.urlopen(request, timeout=600).read()


@celeryd_after_setup.connect
def _watch(instance, **_: object) -> None:
    """Around each task of the application; what runs in between is yours, unchanged."""
    if "UNSTUCK_LEDGER_URL" not in os.environ:
        return
    for name, task in instance.app.tasks.items():
        if not name.startswith("celery."):
            task.run = _reporting(task, task.run)
            if os.environ.get("UNSTUCK_RELIABLE") == "1":  # by now a task has its own copy of these settings
                task.acks_late = task.reject_on_worker_lost = True
    if "UNSTUCK_LEASE_S" in os.environ:
        options = dict(instance.app.conf.broker_transport_options or {})
        options["visibility_timeout"] = float(os.environ["UNSTUCK_LEASE_S"])
        instance.app.conf.broker_transport_options = options
    if os.environ.get("UNSTUCK_RELIABLE") == "1":
        instance.prefetch_multiplier = 1
        instance.app.conf.result_backend_always_retry = True


def _reporting(task, run):
    @functools.wraps(run)
    def reported(*given: object, **named: object) -> object:
        report("begin", task.request.id)
        asked = {**vars(task.request), **(task.request.headers or {})}
        if asked.get("unstuck_poison"):
            os.kill(os.getpid(), signal.SIGKILL)
        time.sleep(asked.get("unstuck_seconds", 0))
        result = run(*given, **named)
        # If an effect is applied earlier than this, report it there: what lies between is not seen.
        report("end", task.request.id)
        return result

    return reported
