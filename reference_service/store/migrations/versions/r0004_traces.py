"""The trace of a job, for logs and calls. Versions before leave it empty."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """One nullable column."""
    op.add_column("jobs", sa.Column("trace", sa.String(32)))


def downgrade() -> None:
    """Forgets the traces, and gives jobs that filled the disk the word that versions before have for it."""
    op.execute("UPDATE jobs SET reason = 'crashed' WHERE reason = 'disk_exceeded'")
    op.execute("UPDATE attempts SET reason = 'crashed' WHERE reason = 'disk_exceeded'")
    with op.batch_alter_table("jobs") as jobs:
        jobs.drop_column("trace")
