"""Recovery sweeps: who may run, what they did, and which jobs they set going."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"

BIG_ID = sa.BigInteger().with_variant(
    sa.Integer(), "sqlite"
)  # SQLite numbers rows only when they are INTEGER


def upgrade() -> None:
    """Versions before write jobs without the new column: it is null then."""
    op.add_column("jobs", sa.Column("triggered_by", sa.String(32)))
    op.create_table(
        "recovery_control",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("token", sa.BigInteger(), nullable=False),
        sa.Column("holder", sa.String(255)),
        sa.Column("lease_expires_at", sa.Double()),
        sa.Column("paused_at", sa.Double()),
        sa.Column("paused_by", sa.String(255)),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_table(
        "recovery_runs",
        sa.Column("id", BIG_ID, autoincrement=True, nullable=False),
        sa.Column("trigger", sa.String(32), nullable=False),
        sa.Column("actor", sa.String(255), nullable=False),
        sa.Column("state", sa.String(32), nullable=False),
        sa.Column("started_at", sa.Double(), nullable=False),
        sa.Column("ended_at", sa.Double()),
        sa.Column("found", sa.Integer(), nullable=False),
        sa.Column("triggered", sa.Integer(), nullable=False),
        sa.Column("skipped", sa.Integer(), nullable=False),
        sa.Column("failed", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("recovery_runs_by_start", "recovery_runs", ["started_at"])
    op.create_table(
        "recovery_items",
        sa.Column("run", sa.BigInteger(), nullable=False),
        sa.Column("job", sa.String(64), nullable=False),
        sa.Column("decision", sa.String(32), nullable=False),
        sa.Column("reason", sa.Text()),
        sa.Column("state", sa.String(32), nullable=False),
        sa.Column("age_s", sa.Double(), nullable=False),
        sa.Column("at", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("run", "job"),
    )
    op.create_index("recovery_items_by_job", "recovery_items", ["job"])


def downgrade() -> None:
    """The records of recovery go; jobs stay as they are."""
    for table in ("recovery_items", "recovery_runs", "recovery_control"):
        op.drop_table(table)
    op.drop_column("jobs", "triggered_by")
