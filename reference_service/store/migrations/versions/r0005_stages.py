"""When a job may be tried again, what an attempt has done, and which dependencies are left alone."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    """All new columns may be null: a worker of the version before writes rows without them."""
    op.add_column("jobs", sa.Column("not_before", sa.Double()))
    op.add_column("outbox", sa.Column("not_before", sa.Double()))
    op.add_column("attempts", sa.Column("units", sa.BigInteger()))
    op.create_table(
        "breakers",
        sa.Column("dependency", sa.String(32), nullable=False),
        sa.Column("failures", sa.Integer(), nullable=False),
        sa.Column("failed_at", sa.Double()),
        sa.Column("retry_at", sa.Double()),
        sa.PrimaryKeyConstraint("dependency"),
    )


def downgrade() -> None:
    """A job that waits for its next attempt is tried at once."""
    op.drop_table("breakers")
    op.drop_column("attempts", "units")
    op.drop_column("outbox", "not_before")
    op.drop_column("jobs", "not_before")
