"""Whose a bearer token is."""

from __future__ import annotations

import secrets

from reference_service.settings import Settings


def tenant_of(settings: Settings, token: str) -> str | None:
    """The tenant; None: nobody's. Takes as long for a wrong token as for a right one."""
    found = None
    for known, tenant in settings.tokens.items():
        if secrets.compare_digest(known.encode(), token.encode()):
            found = tenant
    return found
