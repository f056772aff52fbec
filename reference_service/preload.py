"""Importing this imports all that any role needs, and does what each does at its start: a process that forks
roles pays once for it.

Opens no socket and starts no thread: neither survives a fork.
"""

from __future__ import annotations

import reference_service.all_roles
from reference_service.app import warm_up

__all__ = ["reference_service"]

warm_up()
