"""The world's protocol: what the runner and the faults may ask of a place where a service runs.

The runner is synchronous code over a `Scheduler`; in the process world its tasks are threads, in the
sim they are greenlets under virtual time. Nothing here names an operating system's API.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Generic, Literal, Protocol, TypeVar, runtime_checkable

T = TypeVar("T")

WorldName = Literal["processes", "containers", "sim"]
"""What a user calls the worlds."""

Scope = Literal["main", "group", "tree", "child"]
"""Who of a process gets a signal: itself; its process group; it and every descendant; one executing
child (the newest) only."""


class Mailbox(Protocol, Generic[T]):
    """An unbounded queue between tasks of one scheduler."""

    def put(self, item: T) -> None: ...

    def get(self, timeout_s: float | None = None) -> T | None:
        """The next item, or None when `timeout_s` passed without one."""
        ...


class Task(Protocol):
    """Something spawned; its exception, if any, is raised by `join`."""

    def join(self, timeout_s: float | None = None) -> bool:
        """True when it has ended."""
        ...


class Scheduler(Protocol):
    """Time and concurrency of a run."""

    def now_ns(self) -> int:
        """Nanoseconds since the run began, never stepping back."""
        ...

    def sleep(self, seconds: float) -> None: ...

    def spawn(self, name: str, function: Callable[[], None]) -> Task: ...

    def mailbox(self) -> Mailbox[Any]: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Restart:
    """What the supervisor does when a process exits unasked, as systemd or Kubernetes would."""

    policy: Literal["never", "on_failure", "always"] = "always"
    delay_s: float = 0.1
    starts_max: int = 20  # a crash loop ends here, and is recorded


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcessSpec:
    """One process of a role, complete before anything starts.

    Exactly one of `entry` and `command`: `entry` is `module:function` of a preloaded Python module,
    called as `function(argv)` in a fork; `command` is executed.
    """

    name: str  # unique in the run: "worker-1"
    role: str
    entry: str | None = None
    argv: Sequence[str] = ()
    command: Sequence[str] | None = None
    environment: Mapping[str, str] = field(default_factory=dict)
    folder: str | None = None
    log: str | None = None  # a path; stdout and stderr are appended
    ready_url: str | None = None  # GET answers 200
    ready_line: str | None = None  # or: the log has a line that contains this
    ready_port: int | None = None  # or: connections to it are accepted; the first that is given counts
    ready_settle_s: float = 0.0  # then it must live on for so long: some say "ready" before they are
    ready_timeout_s: float = 20.0  # only this counts in the sim: there a program says itself that it is ready
    memory_limit_bytes: int | None = None  # of the process and its descendants together
    memory_limited_by: Literal["world", "service"] = "world"  # `service`: only watched here
    live_url: str | None = None  # GET has to answer 200, else the supervisor kills and restarts it
    live_every_s: float = 0.5
    live_failures_max: int = 3  # in a row
    disk_folder: str | None = None  # is a file system of `disk_bytes`, for it and its descendants only
    disk_bytes: int | None = None
    descriptors_max: int | None = None  # of each process of its own, from where it starts
    restart: Restart = Restart()
    stop_signal: str = "SIGTERM"
    version: str = "current"
    beside: bool = False  # the harness's own: it runs next to the harness, wherever the service runs


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcessEvent:
    """Something that happened to a process: `phase` and `data` as in history's kind `process`."""

    name: str
    role: str
    phase: Literal["start", "ready", "signal", "exit", "restart", "usage"]
    at_ns: int  # monotonic clock of the machine, not of the run
    data: Mapping[str, Any]


class World(Protocol):
    """A place where the processes of one run live. `close` leaves nothing behind, whatever happened."""

    name: str
    capabilities: frozenset[str]
    scheduler: Scheduler
    scratch: Path  # of this run; removed with the world

    def start(self, spec: ProcessSpec) -> None:
        """Starts and waits until ready.

        Raises `TargetError` with the end of its log when it cannot start, dies, is never ready, or is stopped
        before it is; `Interrupted` when the run was asked to stop meanwhile. When a signal of ours ends or
        freezes it before it was ready, it is restarted by its policy, also after the wait for it is over.
        """
        ...

    def stop(self, name: str, *, grace_s: float) -> None:
        """Sends the stop signal, waits `grace_s`, then kills the tree. It is not restarted."""
        ...

    def signal(self, name: str, signal: str, scope: Scope = "main") -> Sequence[int]:
        """Sends; returns the pids that got it (empty: nobody did). The supervisor still acts on exits."""
        ...

    def retire(self, name: str) -> None:
        """From now on an exit of `name` is expected, and is not followed by a restart."""
        ...

    def wait_gone(self, name: str, pids: Sequence[int], timeout_s: float) -> bool:
        """True when none of `pids` exists any more (zombies count as gone)."""
        ...

    def running(self, role: str) -> Sequence[str]:
        """Names of the running processes of a role, oldest first."""
        ...

    def close(self) -> None: ...


@runtime_checkable
class Disks(Protocol):
    """What a world with the capability `disk_limit` does besides: processes with small disks of their own."""

    def fill_disk(self, name: str) -> tuple[int, int] | None:
        """Writes until the disk of a process is full: bytes written, bytes left; None: it has none."""
        ...

    def free_disk(self, name: str) -> None:
        """Removes what was written. Idempotent."""
        ...


@runtime_checkable
class Clocks(Protocol):
    """What a world with the capability `clocks` does besides: processes with wall clocks of their own."""

    def prepare_clocks(self, roles: Collection[str]) -> None:
        """Processes of these roles that are started from now on get one each; it shows the real time.

        Raises `CapabilityError` where that does not work, and says what to install.
        """
        ...

    def set_clock(self, name: str, *, offset_s: float, drift_ppm: float) -> bool:
        """Sets the wall clock of a process, and of all that it started, so far off the real time; from now
        on it gains `drift_ppm` microseconds a second. Both 0: right again.

        False when the process has no clock of its own. A process that is restarted keeps its clock.
        """
        ...

    def clock_is_read(self, name: str) -> bool:
        """Whether the process, or one that it started, has read its wall clock since it was last set."""
        ...
