"""What a client of the reference service does, over HTTP, as any client would.

A definite refusal (503 while draining, no connection) is tried again elsewhere for a while; an
answer that never came is `info`: the service may have done it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import urllib3

from unstuck.clock import monotonic_ns, sleep
from unstuck.targets.port import Emit, Reply
from unstuck.targets.reference.places import INTERNAL_TOKEN, token_of

TRY_AGAIN_S = 10.0
TRY_EVERY_S = 0.05
PATIENT_S = 60.0  # for whoever is told when to come again
BUSY = frozenset({429, 503})
TIMEOUT = urllib3.Timeout(connect=2.0, read=15.0)
# Nothing of the request went out: it was definitely not done.
NEVER_SENT = (urllib3.exceptions.NewConnectionError, urllib3.exceptions.ConnectTimeoutError)
NO_HEADERS: Mapping[str, str] = {}
CLOSED = Reply(phase="fail", error="the run is being taken down")


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
        self._closed = False
        self._tokens: dict[str, str] = {}  # job -> of its tenant

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
        reply = self._ask("GET", f"/jobs/{job}", token=self._token(job))
        return reply.data if reply.phase == "ok" else None

    def operate(self, path: str) -> Reply:
        """What an operator asks of the service, by one of its internal routes."""
        return self._ask("POST", f"/internal/{path}", {}, token=INTERNAL_TOKEN)

    def close(self) -> None:
        """From now on nothing goes out: a port of this run may soon be another run's."""
        self._closed = True
        self._http.clear()

    def _initiate(self, values: Mapping[str, Any]) -> Reply:
        path = self._video(str(values["video"]))
        body: dict[str, Any] = {
            "name": f"{values['tag']}/{values['client']}",
            "size_bytes": path.stat().st_size,
        }
        if values.get("parts"):
            body["multipart_parts"] = values["parts"]
        token = token_of(str(values.get("tenant", "")))
        reply = self._ask(
            "POST",
            "/jobs",
            body,
            token=token,
            headers=_traced(body["name"]),
            patience_s=values.get("patience_s"),
        )
        if reply.phase != "ok":
            return reply
        try:
            announced = _announced(reply.data)
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            said = f"the answer does not tell of an upload ({type(error).__name__}: {error})"
            return Reply(phase="info", data={"status": reply.data["status"]}, error=said)
        self._tokens[announced["job"]] = token
        return Reply(phase="ok", data=announced)

    def _put(self, values: Mapping[str, Any]) -> Reply:
        return self._send(str(values["url"]), self._video(str(values["video"])).read_bytes())

    def _put_part(self, values: Mapping[str, Any]) -> Reply:
        whole = self._video(str(values["video"])).read_bytes()
        size = -(-len(whole) // int(values["of"]))
        first = (int(values["number"]) - 1) * size
        return self._send(str(values["url"]), whole[first : first + size])

    def _send(self, url: str, body: bytes) -> Reply:
        if self._closed:
            return CLOSED
        try:
            response = self._http.request("PUT", url, body=body)
        except NEVER_SENT as error:
            return Reply(phase="fail", error=str(error))
        except urllib3.exceptions.HTTPError as error:
            return Reply(phase="info", error=str(error))
        phase = _phase(response.status)
        said = None if phase == "ok" else f"PUT answered {response.status}"
        return Reply(phase=phase, data={"status": response.status}, error=said)

    def _complete(self, values: Mapping[str, Any]) -> Reply:
        return self._on_job(values, "complete")

    def _cancel(self, values: Mapping[str, Any]) -> Reply:
        return self._on_job(values, "cancel")

    def _on_job(self, values: Mapping[str, Any], what: str) -> Reply:
        job = str(values["job"])
        return self._ask("POST", f"/jobs/{job}/{what}", {}, token=self._token(job))

    def _token(self, job: str) -> str:
        return self._tokens.get(job, token_of(""))

    def _publish_event(self, values: Mapping[str, Any]) -> Reply:
        self._publish(str(values["job"]))
        return Reply(phase="ok")

    def _ask(
        self,
        method: str,
        path: str,
        body: Mapping[str, Any] | None = None,
        *,
        token: str,
        headers: Mapping[str, str] = NO_HEADERS,
        patience_s: float | None = None,
    ) -> Reply:
        """Tries every address until one takes the request, for `patience_s`.

        None: for `TRY_AGAIN_S`; whoever is told when to come again does, and has more patience.
        """
        began_ns = monotonic_ns()
        headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json", **headers}
        while True:
            last = Reply(phase="fail", error="no API process is running")
            for process, base in () if self._closed else self._addresses():
                reply, refused = self._ask_one(process, method, base + path, body, headers)
                if not refused:
                    return reply
                last = reply
            if self._closed:
                return CLOSED
            after_s = last.data.get("retry_after_s")
            if monotonic_ns() - began_ns >= how_long_s(patience_s, after_s) * 1e9:
                return last
            sleep(TRY_EVERY_S if after_s is None else after_s)

    def _ask_one(
        self,
        process: str,
        method: str,
        url: str,
        body: Mapping[str, Any] | None,
        headers: Mapping[str, str],
    ) -> tuple[Reply, bool]:
        """The reply, and whether it is a definite refusal that another address may not give."""
        try:
            response = self._http.request(
                method,
                url,
                body=None if body is None else json.dumps(body).encode(),
                headers=headers,
            )
        except NEVER_SENT as error:
            return Reply(phase="fail", error=str(error)), True
        except urllib3.exceptions.HTTPError as error:
            return Reply(phase="info", error=str(error)), False
        status = response.status
        if status in BUSY:
            self._emit("process", "refused", process=process, role="api", status=status, method=method)
            told = {"status": status, "retry_after_s": _seconds(response.headers.get("Retry-After"))}
            return Reply(phase="fail", data=told, error=str(status)), True
        return _reply(response.status, response.data), False


def how_long_s(patience_s: float | None, retry_after_s: float | None) -> float:
    """How long a client that was refused goes on asking."""
    if patience_s is not None:
        return patience_s
    return TRY_AGAIN_S if retry_after_s is None else PATIENT_S


def _seconds(retry_after: str | None) -> float | None:
    """What a `Retry-After` says, when it is a number of seconds; at most ten are waited at a time."""
    return min(10.0, float(retry_after)) if retry_after and retry_after.isdigit() else None


def _traced(name: str) -> Mapping[str, str]:
    """A trace of its own for each announcement, by W3C Trace Context; replayable."""
    digest = hashlib.sha256(name.encode()).hexdigest()
    return {"traceparent": f"00-{digest[:32]}-{digest[32:48]}-01"}


def _announced(answer: Mapping[str, Any]) -> Mapping[str, Any]:
    """What a client needs of the answer to its announcement. Raises for what does not tell."""
    upload = answer["upload"]
    return {
        "status": answer["status"],
        "job": str(answer["job"]["id"]),
        "url": upload.get("url"),
        "part_urls": [str(part["url"]) for part in upload.get("parts", ())],
        "deadline_in_s": float(upload["expires_in_s"]),
    }


def _phase(status: int) -> Literal["ok", "fail", "info"]:
    """4xx is a definite no; 5xx, and what is no answer to us at all, leave open whether it was done."""
    if 200 <= status < 300:
        return "ok"
    return "fail" if 400 <= status < 500 else "info"


def _reply(status: int, body: bytes) -> Reply:
    """An answer in the harness's words; one that cannot be read leaves it open whether it was done."""
    data: dict[str, Any] = {"status": status}
    try:
        answer = json.loads(body or b"{}")
    except (ValueError, RecursionError):
        return Reply(phase="info", data=data, error="the answer is not JSON")
    phase = _phase(status)
    if phase != "ok":
        return Reply(phase=phase, data=data, error=_message(answer))
    if not isinstance(answer, dict):
        return Reply(phase="info", data=data, error="the answer is no JSON object")
    return Reply(phase="ok", data={**answer, **data})


def _message(answer: Any) -> str:
    """The service's own words, wherever it puts them."""
    if isinstance(answer, dict):
        return str(answer.get("error") or answer.get("detail") or answer)
    return str(answer)
