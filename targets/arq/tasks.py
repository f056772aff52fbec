"""arq as its first steps have it: a coroutine and the settings of its worker."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import urllib.request

from arq import create_pool
from arq.connections import RedisSettings
from arq.constants import result_key_prefix
from arq.jobs import deserialize_result
from redis import Redis

REDIS = RedisSettings.from_dsn(os.environ["REDIS_URL"])


def report(event: str, job: str) -> None:
    """Tells the ledger; a program of your own says it where its effect is applied."""
    said = {"event": event, "job": job, "pid": os.getpid(), "process": os.environ["UNSTUCK_PROCESS"]}
    request = urllib.request.Request(os.environ["UNSTUCK_LEDGER_URL"], json.dumps(said).encode())
    urllib.request.urlopen(request, timeout=600).read()


async def work(ctx: dict, seconds: float = 0.2, poison: bool = False) -> str:
    await asyncio.to_thread(report, "begin", ctx["job_id"])
    if poison:
        os.kill(os.getpid(), signal.SIGKILL)
    await asyncio.sleep(seconds)
    await asyncio.to_thread(report, "end", ctx["job_id"])
    return "done"


class WorkerSettings:
    functions = (work,)
    redis_settings = REDIS
    job_timeout = float(os.environ["JOB_TIMEOUT"])
    # https://arq-docs.helpmanual.io/#arq.worker.Worker: how long running jobs may take to end after a signal.
    job_completion_wait = int(os.environ["COMPLETION_WAIT_S"])


def submit(seconds: float, poison: bool) -> str:
    """What a client does; the id of the job is how it is known."""

    async def enqueue() -> str:
        pool = await create_pool(REDIS)
        try:
            return (await pool.enqueue_job("work", seconds, poison)).job_id
        finally:
            await pool.close()

    return asyncio.run(enqueue())


def states() -> dict[str, str]:
    """Job -> done or failed: a result is pickled, so that only arq can tell one from the other."""
    found = {}
    with Redis.from_url(os.environ["REDIS_URL"]) as redis:
        for key in redis.scan_iter(f"{result_key_prefix}*", count=1000):
            value = redis.get(key)
            if value is not None:
                job = key.decode().removeprefix(result_key_prefix)
                found[job] = "done" if deserialize_result(value).success else "failed"
    return found
