"""Dramatiq on Redis: one actor."""

from __future__ import annotations

import json
import os
import signal
import time
import urllib.request

import dramatiq
from dramatiq.brokers.redis import RedisBroker
from dramatiq.middleware import CurrentMessage

heartbeat_timeout_ms = int(float(os.environ["HEARTBEAT_TIMEOUT_S"]) * 1000)
options = {"url": os.environ["REDIS_URL"], "heartbeat_timeout": heartbeat_timeout_ms}
if os.environ.get("RELIABLE") == "1":
    # https://dramatiq.io/reference.html#dramatiq.brokers.redis.RedisBroker: of a million commands so many
    # look for the messages of dead workers. The usual thousand are one in a thousand: a service with little
    # to do gets round to it late.
    options["maintenance_chance"] = 1_000_000
broker = RedisBroker(**options)
broker.add_middleware(CurrentMessage())
dramatiq.set_broker(broker)


def report(event: str, job: str) -> None:
    """Tells the ledger; a program of your own says it where its effect is applied."""
    said = {"event": event, "job": job, "pid": os.getpid(), "process": os.environ["UNSTUCK_PROCESS"]}
    request = urllib.request.Request(os.environ["UNSTUCK_LEDGER_URL"], json.dumps(said).encode())
    urllib.request.urlopen(request, timeout=600).read()


@dramatiq.actor
def work(seconds: float = 0.2, poison: bool = False) -> None:
    job = CurrentMessage.get_current_message().message_id
    report("begin", job)
    if poison:
        os.kill(os.getpid(), signal.SIGKILL)
    time.sleep(seconds)
    report("end", job)


def submit(seconds: float, poison: bool) -> str:
    """What a client does. Redis knows a message by another id, which changes when it is retried."""
    return str(work.send(seconds, poison).message_id)
