"""The client of the vision API."""

from __future__ import annotations

import json

import urllib3

from reference_service.ports import Unavailable

ANSWER_BYTES_MAX = 64 * 1024


class HttpVision:
    """`ports.Vision` over HTTP. Make it in the process that uses it; `close` drops its connections."""

    def __init__(self, url: str, *, connect_s: float = 2.0, answer_s: float = 10.0) -> None:
        self._url = url.rstrip("/") + "/caption"
        self._pool = urllib3.PoolManager(
            retries=False, timeout=urllib3.Timeout(connect=connect_s, read=answer_s)
        )

    def caption(self, jpeg: bytes) -> str:
        """One sentence for one picture. Raises `Unavailable`; asks once, never retries."""
        try:
            answer = self._pool.request(
                "POST",
                self._url,
                body=jpeg,
                headers={"Content-Type": "image/jpeg"},
                preload_content=False,
            )
            try:
                body = answer.read(ANSWER_BYTES_MAX, decode_content=True)
                answer.drain_conn()
            finally:
                answer.release_conn()
        except urllib3.exceptions.HTTPError as error:
            raise Unavailable(f"vision: {self._url}: {error}") from error
        if answer.status != 200:
            raise Unavailable(f"vision: {self._url}: status {answer.status}")
        try:
            caption = json.loads(body)["caption"]
        except (ValueError, KeyError, TypeError) as error:
            raise Unavailable(f"vision: {self._url}: answer {body[:80]!r} has no caption") from error
        if not isinstance(caption, str):
            raise Unavailable(f"vision: {self._url}: caption={caption!r} is no text")
        return caption

    def close(self) -> None:
        self._pool.clear()
