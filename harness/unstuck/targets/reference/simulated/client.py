"""What a client of the service does, as `targets.reference.client` does it over HTTP."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from reference_service.fakes import MemoryObjects
from unstuck.targets.port import Emit, Reply
from unstuck.targets.reference.client import BUSY, TRY_EVERY_S, how_long_s
from unstuck.targets.reference.places import TENANT
from unstuck.targets.reference.simulated import api
from unstuck.targets.reference.simulated.stages import video
from unstuck.worlds.sim.scheduler import NS, GreenScheduler


class SimClient:
    """Calls whichever API process listens; one for all clients of a run."""

    def __init__(
        self,
        *,
        scheduler: GreenScheduler,
        apis: Callable[[], Sequence[api.SimApi]],
        objects: MemoryObjects,
        publish: Callable[[str], None],
        travel: Callable[[], None],
        emit: Emit,
    ) -> None:
        """`apis` are the processes that listen, newest first."""
        self._scheduler = scheduler
        self._apis = apis
        self._objects = objects
        self._publish = publish
        self._travel = travel
        self._emit = emit
        self._tenants: dict[str, str] = {}  # job -> its tenant

    def call(self, action: str, values: Mapping[str, Any]) -> Reply:
        """One op. Raises KeyError for an action that does not exist: a bug of the plan."""
        perform = {
            "initiate_upload": self._initiate,
            "put_object": lambda values: self._put(values, video(str(values["video"]))),
            "put_part": self._put_part,
            "complete_upload": lambda values: self._on_job(api.complete, str(values["job"])),
            "cancel": lambda values: self._on_job(api.cancel, str(values["job"])),
            "publish_event": self._publish_event,
        }[action]
        return perform(values)

    def get_job(self, job: str) -> Mapping[str, Any] | None:
        """The job as the API shows it; None when it shows none."""
        reply = self._on_job(api.get_job, job, reads=True)
        return reply.data if reply.phase == "ok" else None

    def operate(self, path: str) -> Reply:
        """What an operator asks of the service, by one of its internal routes."""
        return self._ask(api.INTERNAL[path])

    def _on_job(self, route: Callable[[str, str], api.Route], job: str, *, reads: bool = False) -> Reply:
        return self._ask(route(job, self._tenants.get(job, TENANT)), reads=reads)

    def _initiate(self, values: Mapping[str, Any]) -> Reply:
        size_bytes = len(video(str(values["video"])))
        name = f"{values['tag']}/{values['client']}"
        tenant = str(values.get("tenant") or TENANT)
        route = api.initiate(name, size_bytes, values.get("parts") or None, tenant)
        reply = self._ask(route, patience_s=values.get("patience_s"))
        if reply.phase != "ok":
            return reply
        upload = reply.data["upload"]
        self._tenants[str(reply.data["job"]["id"])] = tenant
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

    def _put_part(self, values: Mapping[str, Any]) -> Reply:
        whole = video(str(values["video"]))
        size = -(-len(whole) // int(values["of"]))
        first = (int(values["number"]) - 1) * size
        return self._put(values, whole[first : first + size])

    def _put(self, values: Mapping[str, Any], body: bytes) -> Reply:
        self._travel()
        try:
            self._objects.client_put(str(values["url"]), body)
            status = 200
        except PermissionError:
            status = 403
        except KeyError:  # a part of a multipart upload that was aborted
            status = 404
        self._travel()
        if status == 200:
            return Reply(phase="ok", data={"status": status})
        return Reply(phase="fail", data={"status": status}, error=f"PUT answered {status}")

    def _publish_event(self, values: Mapping[str, Any]) -> Reply:
        self._publish(str(values["job"]))
        return Reply(phase="ok")

    def _ask(self, route: api.Route, *, reads: bool = False, patience_s: float | None = None) -> Reply:
        """Tries every process until one takes the request, for `patience_s`; None: as over HTTP."""
        began_ns = self._scheduler.now_ns()
        while True:
            last = Reply(phase="fail", error="no API process is running")
            for process in self._apis():
                reply, refused = self._ask_one(process, route, reads=reads)
                if not refused:
                    return reply
                last = reply
            after_s = last.data.get("retry_after_s")
            if self._scheduler.now_ns() - began_ns >= how_long_s(patience_s, after_s) * NS:
                return last
            self._scheduler.sleep(TRY_EVERY_S if after_s is None else after_s)

    def _ask_one(self, process: api.SimApi, route: api.Route, *, reads: bool) -> tuple[Reply, bool]:
        """The reply, and whether it is a definite refusal that another process may not give."""
        self._travel()
        if not process.listening:
            return Reply(phase="fail", error="connection refused"), True
        found = process.ask(route, reads=reads)
        self._travel()
        if found is None:
            return Reply(phase="info", error="no answer"), False
        status, answer = found
        data: dict[str, Any] = {"status": status}
        if status in BUSY:
            method = "GET" if reads else "POST"
            self._emit("process", "refused", process=process.name, role="api", status=status, method=method)
            told = {**data, "retry_after_s": answer.get("retry_after_s")}
            return Reply(phase="fail", data=told, error=str(status)), True
        if status >= 500:
            return Reply(phase="info", data=data, error=str(answer["error"])), False
        if status >= 400:
            return Reply(phase="fail", data=data, error=str(answer["error"])), False
        return Reply(phase="ok", data={**answer, **data}), False
