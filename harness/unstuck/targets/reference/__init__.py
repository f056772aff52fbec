"""The bundled reference service as a target: real PostgreSQL, S3, SQS, and a link for each connection."""

from __future__ import annotations

from unstuck.targets.reference.catalogue import catalogue
from unstuck.targets.reference.target import ReferenceTarget

__all__ = ["ReferenceTarget", "catalogue"]
