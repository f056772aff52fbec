"""The client of the vision API."""

from __future__ import annotations

import json

import urllib3

from reference_service import trace
from reference_service.http_pool import CONNECT_S, READ_S, OwnPool, is_refusal
from reference_service.ports import InvalidMedia, Rejected, Unavailable

ANSWER_BYTES_MAX = 64 * 1024
# Statuses that say: no other asker would fare better with it.
OF_THE_PICTURE = frozenset({400, 413, 415, 422})


class HttpVision:
    """`ports.Vision` over HTTP. May be made before a fork: each process makes connections of its own."""

    def __init__(self, url: str, *, connect_s: float = CONNECT_S, answer_s: float = READ_S) -> None:
        self._url = url.rstrip("/") + "/caption"
        self._pool = OwnPool()
        self._timeout = urllib3.Timeout(connect=connect_s, read=answer_s)

    def caption(self, jpeg: bytes) -> str:
        """One sentence for one picture; asks once, never retries.

        Raises `InvalidMedia` when the API has looked at the picture and will have none of it, `Rejected` when
        it refuses us, and `Unavailable` when it gives no answer, or none that can be read.
        """
        try:
            answer = self._pool.own().request(
                "POST",
                self._url,
                body=jpeg,
                headers={"Content-Type": "image/jpeg", **trace.headers()},
                timeout=self._timeout,
                preload_content=False,
            )
            body = answer.read(ANSWER_BYTES_MAX)
            if answer.read(1):  # more than any caption: what is left is not worth the connection
                answer.close()
                raise Unavailable(f"vision: {self._url}: answer of more than {ANSWER_BYTES_MAX} bytes")
            answer.release_conn()
        except urllib3.exceptions.HTTPError as error:
            raise Unavailable(f"vision: {self._url}: {error}") from error
        self._check(answer.status, body)
        try:
            caption = json.loads(body)["caption"]
        except (ValueError, KeyError, TypeError) as error:
            raise Unavailable(f"vision: {self._url}: answer {body[:80]!r} has no caption") from error
        if not isinstance(caption, str):
            raise Unavailable(f"vision: {self._url}: caption={caption!r} is no text")
        return caption

    def _check(self, status: int, body: bytes) -> None:
        if status == 200:
            return
        text = f"vision: {self._url}: status {status}"
        if status in OF_THE_PICTURE:
            raise InvalidMedia(f"{text}: {body[:80]!r}")
        raise Rejected(text) if is_refusal(status) else Unavailable(text)

    def ping(self) -> str | None:
        """What is wrong with the API, in words; None: it answers."""
        url = self._url.removesuffix("/caption") + "/livez"
        try:
            answer = self._pool.own().request("GET", url, timeout=self._timeout)
        except urllib3.exceptions.HTTPError as error:
            return f"vision: {url}: {error}"
        return None if answer.status < 500 else f"vision: {url}: status {answer.status}"

    def close(self) -> None:
        """Drops this process's connections; a later caption opens a new one."""
        self._pool.own().clear()
