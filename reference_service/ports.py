"""Everything that the service asks of the outside, as small protocols.

A ratchet test bans direct clocks, sleeps, threads, randomness, sockets and clients everywhere else in
`reference_service`, except in the adapters that `app.py` picks. In production the runtime is plain
processes and blocking clients; in the sim each actor is a greenlet and every call below is an I/O point
where the scheduler may switch, delay, fail or crash.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, Protocol, TypeVar

from sqlalchemy.engine import Connection

T = TypeVar("T")


class Clock(Protocol):
    """Time of this process. What other instances must agree on is taken from `Database.now`."""

    def now(self) -> float:
        """Seconds since 1970, for records and logs only."""
        ...

    def monotonic(self) -> float: ...

    def sleep(self, seconds: float) -> None: ...


class Randomness(Protocol):
    def token_hex(self, nbytes: int) -> str: ...

    def uniform(self, low: float, high: float) -> float: ...


class Database(Protocol):
    """Transactions. `run` commits when `work` returns and rolls back when it raises.

    A serialization failure or a lost connection before the commit raises `Unavailable`; the caller may
    run the whole of `work` again, so `work` has no other effects. A connection lost *during* the commit
    raises `CommitUnknown`.

    `single` is for reads, and for one write that may be repeated: each statement is a transaction by
    itself, for a third of the round trips. It may be run again when the connection was lost.
    """

    dialect: Literal["postgresql", "sqlite"]

    def run(self, work: Callable[[Connection], T]) -> T: ...

    def single(self, work: Callable[[Connection], T]) -> T: ...

    def close(self) -> None: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class ObjectFacts:
    size_bytes: int
    etag: str  # without quotes


@dataclass(frozen=True, slots=True, kw_only=True)
class UploadPart:
    number: int
    size_bytes: int
    last_modified: float


class Objects(Protocol):
    """An object store with S3's semantics: no fencing, last writer wins, multipart uploads."""

    def presign_put(self, key: str, *, expires_s: int) -> str: ...

    def presign_part(self, key: str, upload_id: str, number: int, *, expires_s: int) -> str: ...

    def create_multipart(self, key: str) -> str: ...

    def parts(self, key: str, upload_id: str) -> Sequence[UploadPart]:
        """Empty when the upload is unknown, aborted or completed."""
        ...

    def complete_multipart(self, key: str, upload_id: str) -> None:
        """No error when the upload is gone, or when its parts can make no object: ask `head` after."""
        ...

    def abort_multipart(self, key: str, upload_id: str) -> None:
        """Idempotent."""
        ...

    def head(self, key: str) -> ObjectFacts | None: ...

    def put_file(self, key: str, path: Path, content_type: str) -> None: ...

    def put_bytes(self, key: str, body: bytes, content_type: str) -> None: ...

    def get_file(self, key: str, path: Path, *, etag: str | None = None) -> None:
        """Streams into `path`. Raises `ObjectMissing`, and `ObjectChanged` when it is not the one with `etag`
        (None: whichever it is).
        """
        ...

    def get_bytes(self, key: str) -> bytes: ...

    def delete_prefix(self, prefix: str) -> None: ...

    def delete(self, key: str) -> None: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    id: str
    receipt: str
    body: Mapping[str, Any]


class Queue(Protocol):
    """At least once, unordered, may lose: the database decides, events only hurry."""

    def send(self, body: Mapping[str, Any]) -> str:
        """Returns the message id. Raises `Unavailable`."""
        ...

    def receive(self, *, wait_s: float, most: int) -> Sequence[Message]: ...

    def delete(self, message: Message) -> None: ...

    def give_back(self, message: Message) -> None:
        """For one that was received and is not taken: another instance may have it now."""
        ...

    def depth(self) -> int:
        """Messages in it, visible or not, as far as the queue knows. Raises `Unavailable`."""
        ...

    @property
    def address(self) -> str | None:
        """Where its messages are pushed to this process; None: they are pulled."""
        ...

    def fileno(self) -> int:
        """Of what can be read when something was pushed. Raises `OSError` where messages are pulled."""
        ...

    def refuse(self) -> None:
        """Sends what is being pushed to this process on to another one; nothing to do where it is pulled.

        Raises nothing: whoever pushes goes on until it is answered.
        """
        ...


class Endpoints(Protocol):
    """The workers, as the role `push` reaches them."""

    def post(self, address: str, body: Mapping[str, Any], *, within_s: float | None) -> bool:
        """True: it was taken. False: refused, as by one that drains or has no slot free.

        Raises `Unavailable` when no answer came within that time (None: it is waited for without end).
        """
        ...


class Vision(Protocol):
    def caption(self, jpeg: bytes) -> str:
        """One sentence for one picture. Raises `InvalidMedia` when it will have none, `Unavailable`."""
        ...


class Sink(Protocol):
    """The downstream system that learns of a published video."""

    def report(self, *, job: str, key: str, attempt: int, token: int, facts: Mapping[str, Any]) -> bool:
        """True when applied, False when this idempotency key was known. Raises `Unavailable`."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class ChildEnd:
    """How a child of the worker ended.

    `result` is what it reported before it ended (None: nothing); `oom_kills` is by how much the memory
    controller's counter rose while it lived (None: no controller to ask). `stage_peaks` is the most memory
    that was resident in each stage which it ended, in bytes.
    """

    exit_code: int | None
    signal: int | None
    result: Mapping[str, Any] | None
    peak_rss_bytes: int | None
    oom_kills: int | None
    stage_peaks: Mapping[str, int] = field(default_factory=dict)


class Child(Protocol):
    """One executing job. `end` stays None until it has ended and been reaped."""

    @property
    def end(self) -> ChildEnd | None: ...

    def rss_bytes(self) -> int | None: ...

    def ask_to_stop(self) -> None:
        """It checkpoints and ends with result `handed_back` at its next interruption point."""
        ...

    def kill(self) -> None: ...


class Stopper(Protocol):
    """In a child: says whether it was asked to stop."""

    @property
    def asked(self) -> bool: ...

    def measure(self, stage: str) -> None:
        """The stage has ended: what it needed of memory is noted, and the next one is measured anew."""
        ...


class Runtime(Protocol):
    """Processes, signals and memory of this instance."""

    boot_id: str  # new at each start of the process
    pid: int

    @property
    def stopping(self) -> bool:
        """True once SIGTERM or SIGINT has arrived."""
        ...

    def memory(self) -> tuple[int, int] | None:
        """(bytes in use by this process and its children, the most that they may use); None: no limit."""
        ...

    def descriptors(self) -> tuple[int, int] | None:
        """(descriptors that are open, the most that may be); None: no limit."""
        ...

    def wait(self, timeout_s: float) -> None:
        """Returns when a child ended, a signal arrived, or the time passed."""
        ...

    def spawn(self, name: str, work: Callable[[Stopper], Mapping[str, Any]]) -> Child:
        """Runs `work` in a child with connections of its own; its return value is the result."""
        ...

    def run_inline(self, name: str, work: Callable[[Stopper], Mapping[str, Any]]) -> Child:
        """`child_isolation` off: the same in this very process; returns when it has ended."""
        ...


class Points(Protocol):
    """Test points: places with a name where a run can wait or crash. A no-op in production.

    A name says where it is: `worker.claim.committed`, `api.complete.before_commit`,
    `worker.stage.started` (after the commit that names the stage).
    """

    def reach(self, name: str, *, job: str | None = None, **facts: str | int) -> None: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class StageInput:
    """What a stage gets. `artefacts` maps each earlier stage to its folder of files.

    `interrupt` is called at least once a frame or item; it raises `HandBack` when the worker was asked
    to stop, and `LeaseLost` when the token is no longer ours. `bounded=False` (defence off) keeps every
    frame in memory; `timed=False` (the same) counts pictures where it should ask when they are shown.

    `fetch` brings the source, the first time that a stage asks for it; raises what the object store does.

    `unit_done(position, leave)` is called after each unit, or after a few: `position` is how many are done.
    `leave` may be called then, or at any interruption before the next call: it writes what a later attempt
    needs to go on behind them into `folder`, and returns the names of these files.
    """

    job: str
    stage: str
    fetch: Callable[[], Path]
    folder: Path  # the stage writes its files here; it holds what was left at `position`, and is else empty
    artefacts: Mapping[str, Path]
    vision: Vision
    interrupt: Callable[[], None]
    bounded: bool = True
    timed: bool = True
    position: int = 0  # units that an earlier attempt has done; 0: none, begin
    unit_done: Callable[[int, Callable[[], Sequence[str]]], None] = lambda _position, _leave: None

    @property
    def source(self) -> Path:
        """The uploaded video, on the local disk."""
        return self.fetch()


@dataclass(frozen=True, slots=True, kw_only=True)
class StageOutput:
    """Files that the stage left in its folder (names), and small facts for the record."""

    files: Sequence[str]
    facts: Mapping[str, Any] = field(default_factory=dict)


class Stages(Protocol):
    """The media work of stages 1 to 6 (`publish` is the worker's own). Fakes stand in for it in the sim."""

    def run(self, stage: str, given: StageInput) -> StageOutput:
        """Raises `InvalidMedia` when the source cannot be what it claims: permanent."""
        ...


class Unavailable(Exception):  # noqa: N818  a condition, not a bug
    """A dependency did not do it, or may not have; trying again is safe where the caller is idempotent."""


class Rejected(Unavailable):
    """It has answered, and said no: it is there, and others may fare better. Who asks so again, in vain, is
    charged for it.
    """


class CommitUnknown(Unavailable):
    """The connection went while the commit was under way: it may have happened."""


class ObjectMissing(Exception):  # noqa: N818  a condition, not a bug
    """No such object."""


class ObjectChanged(Exception):  # noqa: N818  a condition, not a bug
    """The object is another than the one that was asked for; the text says which it is."""


class InvalidMedia(Exception):  # noqa: N818  a finding, not a bug
    """The input is not a video that we can process; the text says what is wrong with it."""


class HandBack(Exception):  # noqa: N818  a request, not a bug
    """The worker was asked to stop: leave the work at the last checkpoint."""


class DependencyAway(HandBack):
    """A dependency is left alone for `after_s`: leave the work where it is, and come again then.

    `own`: this attempt alone has found it away, when it was there for others.
    """

    def __init__(self, what: str, *, dependency: str, after_s: float, own: bool = False) -> None:
        super().__init__(what)
        self.dependency = dependency
        self.after_s = after_s
        self.own = own


class LeaseLost(Exception):  # noqa: N818  a condition, not a bug
    """Another attempt owns the job: write nothing more."""
