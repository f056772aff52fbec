"""The tables of the first release."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

BIG_ID = sa.BigInteger().with_variant(
    sa.Integer(), "sqlite"
)  # SQLite numbers rows only when they are INTEGER


def upgrade() -> None:
    """From an empty database."""
    _jobs()
    _lives()
    _checkpoints()
    _records()


def downgrade() -> None:
    """To an empty database: with the tables goes what is in them."""
    for table in ("discards", "outbox", "transitions", "checkpoints", "instances", "attempts", "jobs"):
        op.drop_table(table)


def _jobs() -> None:
    op.create_table(
        "jobs",
        sa.Column("id", sa.String(64), nullable=False),
        sa.Column("tenant", sa.String(255), nullable=False),
        sa.Column("name", sa.String(255), nullable=False),
        sa.Column("state", sa.String(32), nullable=False),
        sa.Column("stage", sa.String(32)),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("charged", sa.Integer(), nullable=False),
        sa.Column("token", sa.BigInteger(), nullable=False),
        sa.Column("worker", sa.String(255)),
        sa.Column("lease_expires_at", sa.Double()),
        sa.Column("upload_key", sa.String(1024), nullable=False),
        sa.Column("upload_deadline", sa.Double(), nullable=False),
        sa.Column("upload_id", sa.String(1024)),
        sa.Column("expected_bytes", sa.BigInteger()),
        sa.Column("etag", sa.String(255)),
        sa.Column("size_bytes", sa.BigInteger()),
        sa.Column("retry_of", sa.String(64)),
        sa.Column("reason", sa.String(64)),
        sa.Column("result_prefix", sa.String(1024)),
        sa.Column("effect_at", sa.Double()),
        sa.Column("rss_bytes", sa.BigInteger()),
        sa.Column("created_at", sa.Double(), nullable=False),
        sa.Column("updated_at", sa.Double(), nullable=False),
        sa.Column("published_at", sa.Double()),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("jobs_by_state", "jobs", ["state", "updated_at"])
    op.create_index("jobs_by_tenant", "jobs", ["tenant", "created_at", "id"])
    op.create_index("jobs_by_retry", "jobs", ["retry_of"])


def _lives() -> None:
    op.create_table(
        "attempts",
        sa.Column("job", sa.String(64), nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("token", sa.BigInteger(), nullable=False),
        sa.Column("instance", sa.String(255), nullable=False),
        sa.Column("boot_id", sa.String(64), nullable=False),
        sa.Column("pid", sa.Integer(), nullable=False),
        sa.Column("started_at", sa.Double(), nullable=False),
        sa.Column("ended_at", sa.Double()),
        sa.Column("outcome", sa.String(32)),
        sa.Column("reason", sa.String(64)),
        sa.Column("peak_rss_bytes", sa.BigInteger()),
        sa.PrimaryKeyConstraint("job", "attempt"),
    )
    op.create_index("attempts_by_end", "attempts", ["ended_at"])
    op.create_table(
        "instances",
        sa.Column("id", sa.String(255), nullable=False),
        sa.Column("role", sa.String(32), nullable=False),
        sa.Column("boot_id", sa.String(64), nullable=False),
        sa.Column("pid", sa.Integer(), nullable=False),
        sa.Column("started_at", sa.Double(), nullable=False),
        sa.Column("heartbeat_at", sa.Double(), nullable=False),
        sa.Column("stopped_at", sa.Double()),
        sa.PrimaryKeyConstraint("id", "boot_id"),
    )


def _checkpoints() -> None:
    op.create_table(
        "checkpoints",
        sa.Column("job", sa.String(64), nullable=False),
        sa.Column("stage", sa.String(32), nullable=False),
        sa.Column("artefacts", sa.Text(), nullable=False),
        sa.Column("facts", sa.Text(), nullable=False),
        sa.Column("position", sa.BigInteger(), nullable=False),
        sa.Column("token", sa.BigInteger(), nullable=False),
        sa.Column("at", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("job", "stage"),
    )


def _records() -> None:
    op.create_table(
        "transitions",
        sa.Column("id", BIG_ID, autoincrement=True, nullable=False),
        sa.Column("job", sa.String(64), nullable=False),
        sa.Column("from_state", sa.String(32)),
        sa.Column("to_state", sa.String(32), nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("token", sa.BigInteger(), nullable=False),
        sa.Column("actor", sa.String(255), nullable=False),
        sa.Column("at", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("transitions_by_job", "transitions", ["job", "id"])
    op.create_table(
        "outbox",
        sa.Column("id", BIG_ID, autoincrement=True, nullable=False),
        sa.Column("job", sa.String(64), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("created_at", sa.Double(), nullable=False),
        sa.Column("published_at", sa.Double()),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("outbox_by_publication", "outbox", ["published_at", "id"])
    op.create_index("outbox_by_job", "outbox", ["job"])
    op.create_table(
        "discards",
        sa.Column("id", BIG_ID, autoincrement=True, nullable=False),
        sa.Column("job", sa.String(64), nullable=False),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("key", sa.String(1024), nullable=False),
        sa.Column("upload_id", sa.String(1024)),
        sa.Column("created_at", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("discards_by_job", "discards", ["job"])
