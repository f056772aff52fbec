"""Who looks at the page: the bearer token, in a cookie that no script can read.

The cookie holds the token itself, so that a session survives a restart, is good at every instance, and ends
when the token does. It goes to `/web` only, never along with what another site sends (`SameSite`), and over
TLS only where the page came over TLS.
"""

from __future__ import annotations

import base64
import binascii

from fastapi import Request
from starlette.responses import Response

from reference_service import tenants
from reference_service.admission import Refused
from reference_service.service import Service

COOKIE = "reference_session"
PATH = "/web"
LASTS_S = 12 * 3600


def tenant_of(service: Service, request: Request) -> str | None:
    """None: nobody that we know."""
    try:
        token = base64.urlsafe_b64decode(request.cookies.get(COOKIE, "").encode()).decode()
    except (binascii.Error, ValueError):
        return None
    return tenants.tenant_of(service.settings, token)


def begin(request: Request, response: Response, token: str) -> None:
    """A token may have any character, a cookie may not."""
    value = base64.urlsafe_b64encode(token.encode()).decode()
    secure = request.url.scheme == "https"
    response.set_cookie(
        COOKIE, value, max_age=LASTS_S, path=PATH, httponly=True, samesite="lax", secure=secure
    )


def end(response: Response) -> None:
    response.delete_cookie(COOKIE, path=PATH, httponly=True, samesite="lax")


def check_origin(request: Request) -> None:
    """Raises `Refused` (403) for what another site's page had the browser send.

    The cookie does not come along with it in the first place; but signing somebody in needs no cookie.
    """
    site = request.headers.get("sec-fetch-site")
    origin, host = request.headers.get("origin"), request.headers.get("host")
    elsewhere = site not in {None, "same-origin", "none"}
    if elsewhere or (origin is not None and origin.partition("://")[2] != host):
        raise Refused(status=403, message="this came from another site's page")
