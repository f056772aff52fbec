"""Since when a dependency has been left alone."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    """Null where the version before opened it: then its last failure counts as the first."""
    op.add_column("breakers", sa.Column("opened_at", sa.Double()))


def downgrade() -> None:
    """Which are open stays."""
    op.drop_column("breakers", "opened_at")
