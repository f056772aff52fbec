"""`ports.Endpoints` over HTTP: `POST {address}/events`."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import urllib3

from reference_service.http_pool import CONNECT_S, OwnPool
from reference_service.ports import Unavailable


class HttpEndpoints:
    """Tries once: the role `push` knows whom to ask next."""

    def __init__(self, token: str | None) -> None:
        """`token`: the internal one, which the workers want to see if they know it."""
        self._pool = OwnPool()
        self._headers = {"Content-Type": "application/json"}
        if token is not None:
            self._headers["Authorization"] = f"Bearer {token}"

    def post(self, address: str, body: Mapping[str, Any], *, within_s: float | None) -> bool:
        connect_s = CONNECT_S if within_s is None else min(CONNECT_S, within_s)
        try:
            answer = self._pool.own().request(
                "POST",
                f"{address}/events",
                body=json.dumps(dict(body)).encode(),
                headers=self._headers,
                timeout=urllib3.Timeout(connect=connect_s, read=within_s),
            )
        except urllib3.exceptions.HTTPError as error:
            raise Unavailable(f"{address}: {type(error).__name__}") from error
        if answer.status == 503:
            return False
        if answer.status // 100 != 2:
            raise Unavailable(f"{address}: status {answer.status}")
        return True
