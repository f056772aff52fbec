"""Where events are pushed to an instance."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    """Null for instances that ask the queue, as all of the version before do."""
    op.add_column("instances", sa.Column("address", sa.String(1024)))


def downgrade() -> None:
    """Who is pushed to is forgotten; each registers again."""
    op.drop_column("instances", "address")
