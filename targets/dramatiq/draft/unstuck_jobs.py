"""For Unstuck only: hands a job to Dramatiq, and reports when a job begins and when its work is done.

Workers import it beside your own modules; without Unstuck nobody does. Written by `unstuck init`.
"""

from __future__ import annotations

import importlib
import json
import os
import signal
import time
import urllib.request

import dramatiq

MODULES = "<<modules>>"  # where your actors and your broker are


def submit(task: str, seconds: float, poison: bool, **values: object) -> str:
    """What a client does. Redis knows a message by another id, which changes when it is retried."""
    actor = dramatiq.get_broker().get_actor(task)
    options = {"unstuck_seconds": seconds, "unstuck_poison": poison}
    message = actor.message_with_options(kwargs=values, **options)
    return str(dramatiq.get_broker().enqueue(message).message_id)


def report(event: str, job: str) -> None:
    """Tells the ledger. It answers when every fault that waits for this moment has struck."""
    said = {"event": event, "job": job, "pid": os.getpid(), "process": os.environ["UNSTUCK_PROCESS"]}
    request = urllib.request.Request(os.environ["UNSTUCK_LEDGER_URL"], json.dumps(said).encode())
    urllib.request.urlopen(request, timeout=600).read()


class Reporting(dramatiq.Middleware):
    """Around each actor; what runs in between is yours, unchanged."""

    def before_process_message(self, _broker, message) -> None:
        report("begin", message.message_id)
        if message.options.get("unstuck_poison"):
            os.kill(os.getpid(), signal.SIGKILL)
        time.sleep(message.options.get("unstuck_seconds", 0))

    def after_process_message(self, _broker, message, **ended) -> None:
        if ended.get("exception") is None:
            # If an effect is applied earlier than this, report it there: what lies between is not seen.
            report("end", message.message_id)


for module in MODULES.split():
    importlib.import_module(module)
if "UNSTUCK_LEDGER_URL" in os.environ:
    dramatiq.get_broker().add_middleware(Reporting())
