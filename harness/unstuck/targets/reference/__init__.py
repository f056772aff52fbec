"""The bundled reference service as a target: real PostgreSQL, S3, SQS, and a link for each connection.

Only the names are imported here: what runs the service is heavy, and is imported by whoever runs it
(`unstuck.targets.reference.target`).
"""

from __future__ import annotations

from unstuck.targets.reference.names import catalogue

__all__ = ["catalogue"]
