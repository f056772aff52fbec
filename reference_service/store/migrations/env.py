"""What Alembic runs for each of its commands; the connection, and its transaction, are the caller's."""

from __future__ import annotations

from alembic import context

from reference_service.store.tables import metadata

context.configure(
    connection=context.config.attributes["connection"], target_metadata=metadata, compare_server_default=True
)
context.run_migrations()
