"""`ports.Sink` over HTTP: `POST {url}/effects`."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import urllib3

from reference_service import trace
from reference_service.http_pool import OwnPool, is_refusal
from reference_service.ports import Rejected, Unavailable


class HttpSink:
    """Tries once: the caller knows how long to try again, and the key makes that safe."""

    def __init__(self, url: str) -> None:
        self._url = url.rstrip("/") + "/effects"
        self._pool = OwnPool()

    def report(self, *, job: str, key: str, attempt: int, token: int, facts: Mapping[str, Any]) -> bool:
        body = {"job": job, "key": key, "attempt": attempt, "token": token, "facts": dict(facts)}
        try:
            response = self._pool.own().request(
                "POST",
                self._url,
                body=json.dumps(body).encode(),
                headers={"Content-Type": "application/json", "Idempotency-Key": key, **trace.headers()},
            )
        except urllib3.exceptions.HTTPError as error:
            raise Unavailable(f"sink: {type(error).__name__}") from error
        if response.status != 200:
            text = f"sink: status {response.status}"
            raise Rejected(text) if is_refusal(response.status) else Unavailable(text)
        try:
            return bool(response.json()["applied"])
        except (ValueError, KeyError, TypeError) as error:
            raise Unavailable(f"sink: answer {response.data[:80]!r}") from error
