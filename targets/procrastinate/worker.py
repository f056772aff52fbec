"""Applies Procrastinate's schema where it is not there yet, then becomes a worker."""

from __future__ import annotations

import asyncio
import logging
import os

import psycopg
from procrastinate.schema import SchemaManager
from tasks import LEASE_S, app

ONE_AT_A_TIME = 1  # the number of an advisory lock: workers may start side by side


def prepare() -> None:
    with psycopg.connect(os.environ["DATABASE_URL"], autocommit=True) as connection:
        connection.execute("select pg_advisory_lock(%s)", (ONE_AT_A_TIME,))
        if connection.execute("select to_regclass('procrastinate_jobs')").fetchone() == (None,):
            connection.execute(SchemaManager.get_schema())


async def main() -> None:
    async with app.open_async():
        await app.run_worker_async(
            name=os.environ["UNSTUCK_PROCESS"],
            concurrency=2,
            # Both have to fit what counts as stalled; the usual values are 10 and 30 s.
            update_heartbeat_interval=LEASE_S / 3,
            stalled_worker_timeout=LEASE_S,
            delete_jobs="never",
        )


logging.basicConfig(level=logging.INFO)
prepare()
asyncio.run(main())
