"""The database: the source of truth about jobs, their attempts, checkpoints, events and moves."""

from reference_service.store.core import AttemptEnd, Store
from reference_service.store.database import SqlDatabase

__all__ = ["AttemptEnd", "SqlDatabase", "Store"]
