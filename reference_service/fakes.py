"""Every port in memory, for tests and for simulation: no thread, no socket, no clock but the one given.

They keep the real adapters' promises (one conformance suite runs against both), deliver at least once,
and can be told to fail.
"""

from __future__ import annotations

import hashlib
import itertools
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import quote_plus

from reference_service.fake_runtime import FakeChild as FakeChild  # noqa: PLC0414  also found here
from reference_service.fake_runtime import FakeRuntime as FakeRuntime  # noqa: PLC0414  same
from reference_service.logs import StandardLog
from reference_service.metrics import Metrics
from reference_service.ports import (
    Clock,
    Message,
    ObjectChanged,
    ObjectFacts,
    ObjectMissing,
    StageInput,
    StageOutput,
    Unavailable,
    UploadPart,
)
from reference_service.pulled import Pulled
from reference_service.rates import Rates
from reference_service.service import Service
from reference_service.settings import Settings
from reference_service.store import SqlDatabase, Store, schema

EPOCH_S = 1_700_000_000.0


class ManualClock:
    """Time passes only when somebody sleeps, or by `advance`."""

    def __init__(self, start: float = EPOCH_S) -> None:
        self._now = start

    def now(self) -> float:
        return self._now

    def monotonic(self) -> float:
        return self._now

    def sleep(self, seconds: float) -> None:
        self._now += max(0.0, seconds)

    def advance(self, seconds: float) -> None:
        self._now += seconds


class SeededRandomness:
    """The same seed, the same names."""

    def __init__(self, seed: int = 0) -> None:
        self._random = random.Random(seed)  # noqa: S311  replayable on purpose

    def token_hex(self, nbytes: int) -> str:
        return self._random.randbytes(nbytes).hex()

    def uniform(self, low: float, high: float) -> float:
        return self._random.uniform(low, high)


@dataclass(slots=True)
class _Multipart:
    key: str
    parts: dict[int, tuple[bytes, float]] = field(default_factory=dict)


class MemoryObjects:
    """`on_created` is called with the key of each object that appears (the bucket's notification)."""

    def __init__(self, clock: Clock, on_created: Callable[[str], None] = lambda _: None) -> None:
        self._clock = clock
        self._on_created = on_created
        self._multiparts: dict[str, _Multipart] = {}
        self._numbers = itertools.count(1)
        self.bodies: dict[str, bytes] = {}

    def presign_put(self, key: str, *, expires_s: int) -> str:
        return f"memory:{self._clock.now() + expires_s}:put:{key}"

    def presign_part(self, key: str, upload_id: str, number: int, *, expires_s: int) -> str:
        return f"memory:{self._clock.now() + expires_s}:part:{upload_id}:{number}:{key}"

    def client_put(self, url: str, body: bytes) -> None:
        """What a client does with a presigned URL. Raises `PermissionError` when it has expired."""
        _, expires, kind, rest = url.split(":", 3)
        if self._clock.now() > float(expires):
            raise PermissionError(url)
        if kind == "put":
            self._appear(rest, body)
        else:
            upload_id, number, _ = rest.split(":", 2)
            self._multiparts[upload_id].parts[int(number)] = (body, self._clock.now())

    def create_multipart(self, key: str) -> str:
        upload_id = f"upload-{next(self._numbers)}"
        self._multiparts[upload_id] = _Multipart(key)
        return upload_id

    def parts(self, key: str, upload_id: str) -> Sequence[UploadPart]:
        found = self._multiparts.get(upload_id, _Multipart(key)).parts
        return [
            UploadPart(number=number, size_bytes=len(body), last_modified=at)
            for number, (body, at) in sorted(found.items())
        ]

    def complete_multipart(self, key: str, upload_id: str) -> None:
        upload = self._multiparts.get(upload_id)
        if upload is not None and upload.parts:
            del self._multiparts[upload_id]
            self._appear(key, b"".join(body for _, (body, _) in sorted(upload.parts.items())))

    def abort_multipart(self, key: str, upload_id: str) -> None:
        del key
        self._multiparts.pop(upload_id, None)

    def head(self, key: str) -> ObjectFacts | None:
        body = self.bodies.get(key)
        return None if body is None else ObjectFacts(size_bytes=len(body), etag=_etag(body))

    def put_file(self, key: str, path: Path, content_type: str) -> None:
        self.put_bytes(key, path.read_bytes(), content_type)

    def put_bytes(self, key: str, body: bytes, content_type: str) -> None:
        del content_type
        self._appear(key, body)

    def get_file(self, key: str, path: Path, *, etag: str | None = None) -> None:
        body = self.get_bytes(key)
        if etag is not None and _etag(body) != etag:
            raise ObjectChanged(f"etag={etag!r}: the object's is {_etag(body)!r}")
        path.write_bytes(body)

    def get_bytes(self, key: str) -> bytes:
        if key not in self.bodies:
            raise ObjectMissing(key)
        return self.bodies[key]

    def delete_prefix(self, prefix: str) -> None:
        for key in [key for key in self.bodies if key.startswith(prefix)]:
            del self.bodies[key]

    def delete(self, key: str) -> None:
        self.bodies.pop(key, None)

    def _appear(self, key: str, body: bytes) -> None:
        self.bodies[key] = body
        self._on_created(key)


def _etag(body: bytes) -> str:
    return hashlib.md5(body, usedforsecurity=False).hexdigest()


@dataclass(slots=True)
class _Held:
    message: Message
    visible_at: float


class MemoryQueue(Pulled):
    """In order, unlike the real ones; a received message comes again unless deleted in `visibility_s`."""

    def __init__(self, clock: Clock, visibility_s: float = 10.0) -> None:
        self._clock = clock
        self._visibility_s = visibility_s
        self._numbers = itertools.count(1)
        self._held: dict[str, _Held] = {}
        self.away = False  # True: every call raises `Unavailable`

    def send(self, body: Mapping[str, Any]) -> str:
        self._check()
        name = f"m-{next(self._numbers)}"
        self._held[name] = _Held(Message(id=name, receipt=name, body=dict(body)), self._clock.now())
        return name

    def receive(self, *, wait_s: float, most: int) -> Sequence[Message]:
        self._check()
        found = self._visible(most)
        if not found and wait_s > 0:
            self._clock.sleep(wait_s)
            found = self._visible(most)
        for held in found:
            held.visible_at = self._clock.now() + self._visibility_s
        return [held.message for held in found]

    def delete(self, message: Message) -> None:
        self._check()
        self._held.pop(message.receipt, None)

    def depth(self) -> int:
        self._check()
        return len(self._held)

    def bodies(self) -> list[Mapping[str, Any]]:
        """What is in it, visible or not."""
        return [held.message.body for held in self._held.values()]

    def _visible(self, most: int) -> list[_Held]:
        now = self._clock.now()
        return [held for held in self._held.values() if held.visible_at <= now][:most]

    def _check(self) -> None:
        if self.away:
            raise Unavailable("queue: away")


def created_notification(key: str) -> dict[str, Any]:
    """What S3 sends when an object was created, as far as anybody here reads it."""
    return {"Records": [{"eventName": "ObjectCreated:Put", "s3": {"object": {"key": quote_plus(key)}}}]}


class MemorySink:
    """Keeps every report; the first of a key is applied."""

    def __init__(self) -> None:
        self.reports: list[dict[str, Any]] = []
        self.applied: dict[str, dict[str, Any]] = {}

    def report(self, *, job: str, key: str, attempt: int, token: int, facts: Mapping[str, Any]) -> bool:
        one = {"job": job, "key": key, "attempt": attempt, "token": token, "facts": dict(facts)}
        self.reports.append(one)
        new = key not in self.applied
        self.applied.setdefault(key, one)
        return new


class FixedVision:
    def caption(self, jpeg: bytes) -> str:
        return f"{len(jpeg)} bytes of something"


class FakeStages:
    """Each stage takes `frames` interruption points and leaves one file that depends on its input only.
    `failures` maps a stage to what it raises instead of working.
    """

    def __init__(self, frames: int = 3) -> None:
        self._frames = frames
        self.failures: dict[str, BaseException] = {}
        self.ran: list[tuple[str, str]] = []

    def run(self, stage: str, given: StageInput) -> StageOutput:
        self.ran.append((given.job, stage))
        for number in range(given.position, self._frames):
            given.interrupt()
            given.unit_done(number + 1, partial(_leave_part, given.folder))
        if stage in self.failures:
            raise self.failures[stage]
        name = "stitched.mp4" if stage == "stitch" else f"{stage}.json"
        text = f"{stage} of {hashlib.sha256(given.source.read_bytes()).hexdigest()}"
        (given.folder / name).write_text(text)
        return StageOutput(files=[name], facts={"frames": self._frames})


def _leave_part(folder: Path) -> Sequence[str]:
    (folder / "part").write_text("as far as it came")
    return ["part"]


class ScriptedPoints:
    """Remembers what was reached; `actions` maps a point to what happens there, once each time."""

    def __init__(self) -> None:
        self.reached: list[tuple[str, str | None]] = []
        self.actions: dict[str, Callable[[], None]] = {}

    def reach(self, name: str, *, job: str | None = None, **facts: str | int) -> None:
        del facts
        self.reached.append((name, job))
        action = self.actions.get(name)
        if action is not None:
            action()


@dataclass(frozen=True, slots=True, kw_only=True)
class MemoryWorld:
    """A whole service in memory: what to build roles on, and what to look at afterwards."""

    service: Service
    database: SqlDatabase
    clock: ManualClock
    objects: MemoryObjects
    jobs_queue: MemoryQueue
    uploads_queue: MemoryQueue
    sink: MemorySink
    stages: FakeStages
    points: ScriptedPoints


def memory_world(*, notify: bool = False, seed: int = 0, **settings: Any) -> MemoryWorld:
    """A fresh one; `settings` override the defaults by name. `notify`: the bucket tells of uploads."""
    clock = ManualClock()
    values = {"database_url": "sqlite://", "sink_url": "http://sink", "allow_unsafe": True, **settings}
    values.setdefault("retry_first_s", 0.001)  # tests wait for nothing
    given = Settings.model_validate(values)
    database = SqlDatabase(given.database_url, clock, busy_timeout_s=0.0)
    database.run(schema.lay)
    uploads_queue, jobs_queue = MemoryQueue(clock), MemoryQueue(clock)

    def on_created(key: str) -> None:
        if notify:
            uploads_queue.send(created_notification(key))

    objects = MemoryObjects(clock, on_created)
    sink, stages, points = MemorySink(), FakeStages(), ScriptedPoints()
    service = Service(
        settings=given,
        clock=clock,
        randomness=SeededRandomness(seed),
        store=Store.of(given, database),
        objects=objects,
        jobs_queue=jobs_queue,
        uploads_queue=uploads_queue,
        vision=FixedVision(),
        sink=sink,
        stages=stages,
        points=points,
        log=StandardLog(),
        metrics=Metrics(),
        rates=Rates.of(given),
    )
    return MemoryWorld(
        service=service,
        database=database,
        clock=clock,
        objects=objects,
        jobs_queue=jobs_queue,
        uploads_queue=uploads_queue,
        sink=sink,
        stages=stages,
        points=points,
    )
