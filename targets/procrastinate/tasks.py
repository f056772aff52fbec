"""Procrastinate on PostgreSQL: one task, and the rescue of stalled jobs where it is asked for."""

from __future__ import annotations

import json
import os
import signal
import threading
import time
import urllib.request

import procrastinate

LEASE_S = float(os.environ["STALLED_AFTER_S"])
app = procrastinate.App(connector=procrastinate.PsycopgConnector(conninfo=os.environ["DATABASE_URL"]))
_opening = threading.Lock()


def report(event: str, job: str) -> None:
    """Tells the ledger; a program of your own says it where its effect is applied."""
    said = {"event": event, "job": job, "pid": os.getpid(), "process": os.environ["UNSTUCK_PROCESS"]}
    request = urllib.request.Request(os.environ["UNSTUCK_LEDGER_URL"], json.dumps(said).encode())
    urllib.request.urlopen(request, timeout=600).read()


@app.task(name="work", pass_context=True)
def work(context, seconds: float = 0.2, poison: bool = False) -> None:
    job = str(context.job.id)
    report("begin", job)
    if poison:
        os.kill(os.getpid(), signal.SIGKILL)
    time.sleep(seconds)
    report("end", job)


if os.environ.get("RESCUE") == "1":
    # https://procrastinate.readthedocs.io/en/stable/howto/production/retry_stalled_jobs.html: without it,
    # jobs of a worker that was killed stay `doing` for ever. The page schedules it every ten minutes.
    @app.periodic(cron="* * * * * */5")
    @app.task(queueing_lock="retry_stalled_jobs", pass_context=True)
    async def retry_stalled_jobs(context, timestamp: int) -> None:
        for job in await app.job_manager.get_stalled_jobs(seconds_since_heartbeat=LEASE_S):
            await app.job_manager.retry_job(job)


def submit(seconds: float, poison: bool) -> str:
    """What a client does; the id of the job is how it is known."""
    with _opening, app.open():
        return str(work.defer(seconds=seconds, poison=poison))
