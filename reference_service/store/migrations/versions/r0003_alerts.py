"""The table of alerts. Nothing that the version before uses is touched."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """A table of its own: what runs meanwhile goes on."""
    op.create_table(
        "alerts",
        sa.Column("name", sa.String(64), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("value", sa.Double(), nullable=False),
        sa.Column("threshold", sa.Double(), nullable=False),
        sa.Column("since", sa.Double(), nullable=False),
        sa.Column("evaluated_at", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("name", "number"),
    )


def downgrade() -> None:
    """What is lost is the record of when alerts fired."""
    op.drop_table("alerts")
