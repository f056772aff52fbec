"""What attempts needed by stage, and what instances use of their memory. Older code leaves them null."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    """Three columns that may be null: a worker of the version before goes on without them."""
    op.add_column("attempts", sa.Column("stage_peaks", sa.Text()))
    op.add_column("instances", sa.Column("memory_bytes", sa.BigInteger()))
    op.add_column("instances", sa.Column("memory_budget_bytes", sa.BigInteger()))


def downgrade() -> None:
    """What is lost are figures of the past."""
    for table, column in (
        ("instances", "memory_budget_bytes"),
        ("instances", "memory_bytes"),
        ("attempts", "stage_peaks"),
    ):
        with op.batch_alter_table(table) as batch:
            batch.drop_column(column)
