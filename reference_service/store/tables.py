"""The tables, and the one expression for the database's time.

Every time in a row is seconds since 1970. On PostgreSQL `database_now()` is the server's own clock, so
that all instances agree on leases; SQLite has one file and one machine, and asks the `Clock` port.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import (
    BigInteger,
    Column,
    Double,
    Index,
    Integer,
    MetaData,
    PrimaryKeyConstraint,
    String,
    Table,
    Text,
)
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.functions import FunctionElement

metadata = MetaData()
BigId = BigInteger().with_variant(Integer, "sqlite")  # SQLite numbers rows only when they are INTEGER


class database_now(FunctionElement[float]):  # noqa: N801  reads as the SQL function that it is
    """Seconds since 1970 when the statement runs (not when its transaction began)."""

    type = Double()
    inherit_cache = True


@compiles(database_now, "postgresql")
def _now_postgresql(_element: object, _compiler: object, **_: Any) -> str:
    return "extract(epoch from clock_timestamp())::double precision"


@compiles(database_now, "sqlite")
def _now_sqlite(_element: object, _compiler: object, **_: Any) -> str:
    return "reference_now()"  # registered on each connection by the adapter


jobs = Table(
    "jobs",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("tenant", String(255), nullable=False),
    Column("name", String(255), nullable=False),
    Column("state", String(32), nullable=False),
    Column("stage", String(32)),
    Column("attempt", Integer, nullable=False),
    Column("charged", Integer, nullable=False),
    Column("token", BigInteger, nullable=False),
    Column("worker", String(255)),
    Column("lease_expires_at", Double),
    Column("upload_key", String(1024), nullable=False),
    Column("upload_deadline", Double, nullable=False),
    Column("upload_id", String(1024)),
    Column("expected_bytes", BigInteger),
    Column("etag", String(255)),
    Column("size_bytes", BigInteger),
    Column("retry_of", String(64)),
    Column("reason", String(64)),
    Column("result_prefix", String(1024)),
    Column("effect_at", Double),
    Column("rss_bytes", BigInteger),
    Column("created_at", Double, nullable=False),
    Column("updated_at", Double, nullable=False),
    Column("published_at", Double),
    Column("triggered_by", String(32)),  # recovery: a recovery sweep last set it going
    Column("trace", String(32)),
    Column("not_before", Double),
    Index("jobs_by_state", "state", "updated_at"),
    Index("jobs_by_tenant", "tenant", "created_at", "id"),
    Index("jobs_by_retry", "retry_of"),
)

attempts = Table(
    "attempts",
    metadata,
    Column("job", String(64), nullable=False),
    Column("attempt", Integer, nullable=False),
    Column("token", BigInteger, nullable=False),
    Column("instance", String(255), nullable=False),
    Column("boot_id", String(64), nullable=False),
    Column("pid", Integer, nullable=False),
    Column("started_at", Double, nullable=False),
    Column("ended_at", Double),
    Column("outcome", String(32)),
    Column("reason", String(64)),
    Column("peak_rss_bytes", BigInteger),
    Column("units", BigInteger),  # frames and items that it has done, as far as it has said so
    Column("stage_peaks", Text),  # JSON: stage -> the most bytes that were resident in it
    PrimaryKeyConstraint("job", "attempt"),
    Index("attempts_by_end", "ended_at"),
)

instances = Table(
    "instances",
    metadata,
    Column("id", String(255), nullable=False),
    Column("role", String(32), nullable=False),
    Column("boot_id", String(64), nullable=False),
    Column("pid", Integer, nullable=False),
    Column("started_at", Double, nullable=False),
    Column("heartbeat_at", Double, nullable=False),
    Column("stopped_at", Double),
    Column("memory_bytes", BigInteger),  # lately at most, of the process and its children
    Column("memory_budget_bytes", BigInteger),  # the most that they may use; null: nobody limits them
    Column("address", String(1024)),  # where events are pushed to it; null: it asks the queue
    PrimaryKeyConstraint("id", "boot_id"),
)

checkpoints = Table(
    "checkpoints",
    metadata,
    Column("job", String(64), nullable=False),
    Column("stage", String(32), nullable=False),
    Column("artefacts", Text, nullable=False),  # JSON: file name -> {"key", "sha256", "bytes"}
    Column("facts", Text, nullable=False),  # JSON: what the stage wants on record
    Column("position", BigInteger, nullable=False),  # units done of `<stage>:part`; 0: the stage is complete
    Column("token", BigInteger, nullable=False),
    Column("at", Double, nullable=False),
    PrimaryKeyConstraint("job", "stage"),
)

breakers = Table(
    "breakers",
    metadata,
    Column("dependency", String(32), primary_key=True),
    Column("failures", Integer, nullable=False),  # in a row
    Column("failed_at", Double),  # the last of them
    Column("retry_at", Double),  # null: closed
    Column("opened_at", Double),  # of no meaning while it is closed
)

transitions = Table(
    "transitions",
    metadata,
    Column("id", BigId, primary_key=True, autoincrement=True),
    Column("job", String(64), nullable=False),
    Column("from_state", String(32)),
    Column("to_state", String(32), nullable=False),
    Column("attempt", Integer, nullable=False),
    Column("token", BigInteger, nullable=False),
    Column("actor", String(255), nullable=False),
    Column("at", Double, nullable=False),
    Index("transitions_by_job", "job", "id"),
)

outbox = Table(
    "outbox",
    metadata,
    Column("id", BigId, primary_key=True, autoincrement=True),
    Column("job", String(64), nullable=False),
    Column("body", Text, nullable=False),
    Column("created_at", Double, nullable=False),
    Column("published_at", Double),
    Column("not_before", Double),  # not handed to the queue sooner; None: at once
    Index("outbox_by_publication", "published_at", "id"),
    Index("outbox_by_job", "job"),
)

# What is to be removed from the object store, written in the transaction that made it superfluous, so
# that a crash between the two loses neither: whoever comes next removes it, as often as it takes.
discards = Table(
    "discards",
    metadata,
    Column("id", BigId, primary_key=True, autoincrement=True),
    Column("job", String(64), nullable=False),
    Column("kind", String(16), nullable=False),  # prefix | object | multipart
    Column("key", String(1024), nullable=False),
    Column("upload_id", String(1024)),
    Column("created_at", Double, nullable=False),  # or when it was put off, less what makes it overdue
    Index("discards_by_job", "job"),
)

# One row: who may sweep, until when, and whether anybody may.
recovery_control = Table(
    "recovery_control",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("token", BigInteger, nullable=False),  # grows with each run
    Column("holder", String(255)),
    Column("lease_expires_at", Double),
    Column("paused_at", Double),
    Column("paused_by", String(255)),
)

recovery_runs = Table(
    "recovery_runs",
    metadata,
    Column("id", BigId, primary_key=True, autoincrement=True),
    Column("trigger", String(32), nullable=False),  # schedule | http | cli
    Column("actor", String(255), nullable=False),
    Column("state", String(32), nullable=False),  # running | done | stopped | lost | abandoned
    Column("started_at", Double, nullable=False),
    Column("ended_at", Double),
    Column("found", Integer, nullable=False),
    Column("triggered", Integer, nullable=False),
    Column("skipped", Integer, nullable=False),
    Column("failed", Integer, nullable=False),
    Index("recovery_runs_by_start", "started_at"),
)

recovery_items = Table(
    "recovery_items",
    metadata,
    Column("run", BigInteger, nullable=False),
    Column("job", String(64), nullable=False),
    Column("decision", String(32), nullable=False),  # triggered | skipped | failed
    Column("reason", Text),  # why it was not triggered
    Column("state", String(32), nullable=False),  # when it was found
    Column("age_s", Double, nullable=False),  # from the job's creation
    Column("at", Double, nullable=False),
    PrimaryKeyConstraint("run", "job"),
    Index("recovery_items_by_job", "job"),
)

# When each alert fired, and when it was quiet again: the newest number of a name is in force.
alerts = Table(
    "alerts",
    metadata,
    Column("name", String(64), nullable=False),
    Column("number", Integer, nullable=False),
    Column("state", String(16), nullable=False),  # firing | quiet
    Column("value", Double, nullable=False),
    Column("threshold", Double, nullable=False),
    Column("since", Double, nullable=False),
    Column("evaluated_at", Double, nullable=False),
    PrimaryKeyConstraint("name", "number"),
)
