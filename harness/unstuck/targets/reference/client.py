"""What a client of the reference service does, over HTTP, as any client would.

A definite refusal (503 while draining, connection refused) is tried again elsewhere for a while; an
answer that never came is `info`: the service may have done it.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import urllib3

from unstuck.clock import monotonic_ns, sleep
from unstuck.targets.port import Emit, Reply
from unstuck.targets.reference.places import TOKEN

TRY_AGAIN_S = 10.0
TRY_EVERY_S = 0.05
TIMEOUT = urllib3.Timeout(connect=2.0, read=15.0)


class Client:
    """Calls the API at whichever address is up; one for all clients of a run, used from many threads."""

    def __init__(
        self,
        *,
        addresses: Callable[[], Sequence[tuple[str, str]]],
        video: Callable[[str], Path],
        publish: Callable[[str], None],
        emit: Emit,
    ) -> None:
        """`addresses` gives (process, base URL) of the running API processes, newest first."""
        self._addresses = addresses
        self._video = video
        self._publish = publish
        self._emit = emit
        self._http = urllib3.PoolManager(num_pools=32, maxsize=16, retries=False, timeout=TIMEOUT)

    def call(self, action: str, values: Mapping[str, Any]) -> Reply:
        """One op. Raises KeyError for an action that does not exist: a bug of the plan."""
        perform = {
            "initiate_upload": self._initiate,
            "put_object": self._put,
            "put_part": self._put_part,
            "complete_upload": self._complete,
            "cancel": self._cancel,
            "publish_event": self._publish_event,
        }[action]
        return perform(values)

    def get_job(self, job: str) -> Mapping[str, Any] | None:
        """The job as the API shows it; None when it shows none."""
        reply = self._ask("GET", f"/jobs/{job}")
        return reply.data if reply.phase == "ok" else None

    def close(self) -> None:
        self._http.clear()

    def _initiate(self, values: Mapping[str, Any]) -> Reply:
        path = self._video(str(values["video"]))
        body: dict[str, Any] = {
            "name": f"{values['tag']}/{values['client']}",
            "size_bytes": path.stat().st_size,
        }
        if values.get("parts"):
            body["multipart_parts"] = values["parts"]
        reply = self._ask("POST", "/jobs", body)
        if reply.phase != "ok":
            return reply
        upload = reply.data["upload"]
        return Reply(
            phase="ok",
            data={
                "status": reply.data["status"],
                "job": reply.data["job"]["id"],
                "url": upload.get("url"),
                "part_urls": [part["url"] for part in upload.get("parts", ())],
                "deadline_in_s": float(upload["expires_in_s"]),
            },
        )

    def _put(self, values: Mapping[str, Any]) -> Reply:
        return self._send(str(values["url"]), self._video(str(values["video"])).read_bytes())

    def _put_part(self, values: Mapping[str, Any]) -> Reply:
        whole = self._video(str(values["video"])).read_bytes()
        size = -(-len(whole) // int(values["of"]))
        first = (int(values["number"]) - 1) * size
        return self._send(str(values["url"]), whole[first : first + size])

    def _send(self, url: str, body: bytes) -> Reply:
        try:
            response = self._http.request("PUT", url, body=body)
        except urllib3.exceptions.NewConnectionError as error:
            return Reply(phase="fail", error=str(error))
        except urllib3.exceptions.HTTPError as error:
            return Reply(phase="info", error=str(error))
        data = {"status": response.status}
        if response.status == 200:
            return Reply(phase="ok", data=data)
        return Reply(phase="fail", data=data, error=f"PUT answered {response.status}")

    def _complete(self, values: Mapping[str, Any]) -> Reply:
        return self._ask("POST", f"/jobs/{values['job']}/complete", {})

    def _cancel(self, values: Mapping[str, Any]) -> Reply:
        return self._ask("POST", f"/jobs/{values['job']}/cancel", {})

    def _publish_event(self, values: Mapping[str, Any]) -> Reply:
        self._publish(str(values["job"]))
        return Reply(phase="ok")

    def _ask(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> Reply:
        """Tries every address until one takes the request, for `TRY_AGAIN_S`."""
        deadline_ns = monotonic_ns() + int(TRY_AGAIN_S * 1e9)
        while True:
            last = Reply(phase="fail", error="no API process is running")
            for process, base in self._addresses():
                reply, refused = self._ask_one(process, method, base + path, body)
                if not refused:
                    return reply
                last = reply
            if monotonic_ns() > deadline_ns:
                return last
            sleep(TRY_EVERY_S)

    def _ask_one(
        self, process: str, method: str, url: str, body: Mapping[str, Any] | None
    ) -> tuple[Reply, bool]:
        """The reply, and whether it is a definite refusal that another address may not give."""
        try:
            response = self._http.request(
                method,
                url,
                body=None if body is None else json.dumps(body).encode(),
                headers={"Authorization": f"Bearer {TOKEN}", "Content-Type": "application/json"},
            )
        except urllib3.exceptions.NewConnectionError as error:
            return Reply(phase="fail", error=str(error)), True
        except urllib3.exceptions.HTTPError as error:
            return Reply(phase="info", error=str(error)), False
        if response.status == 503:
            self._emit("process", "refused", process=process, role="api", status=503, method=method)
            return Reply(phase="fail", data={"status": 503}, error="503"), True
        return _reply(response.status, response.data), False


def _reply(status: int, body: bytes) -> Reply:
    """An answer in the harness's words: 5xx and what cannot be read leave it open whether it was done."""
    data: dict[str, Any] = {"status": status}
    try:
        answer = json.loads(body or b"{}")
    except ValueError:
        return Reply(phase="info", data=data, error="the answer is not JSON")
    if status >= 400:
        return Reply(phase="info" if status >= 500 else "fail", data=data, error=_message(answer))
    return Reply(phase="ok", data={**answer, **data})


def _message(answer: Any) -> str:
    """The service's own words, wherever it puts them."""
    if isinstance(answer, dict):
        return str(answer.get("error") or answer.get("detail") or answer)
    return str(answer)
