"""What a manifest says, whatever its format: workloads, each value with the line that it stands on.

Three cases are kept apart, since a rule that takes one for another is wrong in silence: `None` (the format
has no such thing, or it was not said and there is no default), a `Setting` without a value (it is said, or
inherited, but not readable here: a variable, an unknown unit), and a `Setting` with one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Generic, TypeVar

from unstuck.preflight.programs import program_of

T = TypeVar("T")


class Platform(StrEnum):
    """What carries a manifest out."""

    COMPOSE = "compose"
    CLOUD_RUN = "cloud_run"
    QUEUE = "queue"  # made by a command line: SQS, Pub/Sub
    IMAGE = "image"  # a Dockerfile: says how a program starts, and nothing of where
    KUBERNETES = "kubernetes"
    SYSTEMD = "systemd"
    PROCFILE = "procfile"
    FLY = "fly"
    SCHEDULE = "schedule"  # made by a command line: starts something else at times


class Kind(StrEnum):
    """What a workload is for; rules ask for it, and what they cannot judge they leave alone."""

    SERVICE = "service"  # answers requests
    WORKER = "worker"  # takes jobs, for ever
    JOB = "job"  # runs to its end
    DEPENDENCY = "dependency"  # somebody else's program: a database, a broker
    IMAGE = "image"  # not known yet
    QUEUE = "queue"
    SCHEDULE = "schedule"


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting(Generic[T]):
    """One value. `text`: as it stands in the manifest, with its name (`stop_grace_period=10s`), or for a
    default whose it is; `value` None: said, but not known here. `line` counts from 1."""

    value: T | None
    line: int
    text: str
    default: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """What is started. `in_shell`: the platform itself puts a shell around it (Dockerfile's shell form).

    `words` are those of the command without that shell, of several the last; `text` is the whole as it
    stands, with `in_shell` behind one word of the platform's (`CMD …`).
    `reaches_all`: the platform sends the stop signal to every process, so that no shell can keep it.
    """

    text: str
    words: tuple[str, ...]
    line: int
    in_shell: bool = False
    reaches_all: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Probe:
    """A check that a platform makes again and again. Times in seconds; `failures` in a row count.

    `path` of an HTTP check, `words` of a command. `text`: how the manifest names it.
    """

    line: int
    text: str
    period_s: float | None
    timeout_s: float | None
    failures: int | None
    path: str | None = None
    words: tuple[str, ...] = ()

    @property
    def patience_s(self) -> float | None:
        """For how long a program may be silent before the platform acts; None: not known.

        The last of `failures` checks in a row begins (failures - 1) periods after the first, and ends a
        time-out later; so this is the least.
        """
        if self.period_s is None or self.failures is None:
            return None
        return self.period_s * max(self.failures - 1, 0) + (self.timeout_s or 0.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Misplaced:
    """A flag or a field that this kind of workload does not have."""

    name: str
    line: int
    text: str
    rule: str  # what is true of it: "is a flag of services"
    step: str  # what to write instead


@dataclass(frozen=True, slots=True, kw_only=True)
class Workload:
    """One thing that a manifest starts, or makes. `line`: where it begins.

    `grace_s`: from the stop signal to SIGKILL, of which `pre_stop_s` are spent before the signal is sent.
    `grace_fixed`: the platform offers no other. `limits_memory`: the manifest could say a limit.
    `timeouts_s`: after which the platform or a server in it cuts the work. `lease_s`: of a queue.
    `scales_to_zero`: it may be stopped while no request is under way, and how that is written.
    """

    platform: Platform
    kind: Kind
    name: str
    line: int
    entry: Entry | None = None
    stop_signal: Setting[str] | None = None
    grace_s: Setting[float] | None = None
    grace_fixed: bool = False
    pre_stop_s: float = 0.0
    limits_memory: bool = False
    memory_limit_mib: Setting[float] | None = None
    timeouts_s: tuple[Setting[float], ...] = ()
    lease_s: Setting[float] | None = None
    liveness: Probe | None = None
    readiness: Probe | None = None
    replicas: Setting[int] | None = None
    restart: Setting[str] | None = None
    environment: Mapping[str, Setting[str]] = field(default_factory=dict)
    schedule: Setting[str] | None = None
    overlap: Setting[str] | None = None  # of a schedule: what happens to a run that begins during another
    init: Setting[bool] | None = None  # whether the platform puts an init in front of the program
    kill_mode: Setting[str] | None = None  # systemd's: which processes are killed at a stop
    scales_to_zero: Setting[bool] | None = None
    misplaced: tuple[Misplaced, ...] = ()
    reachable: bool = False  # it publishes a port
    image: str | None = None

    @property
    def ours(self) -> bool:
        """True for what runs the user's own program."""
        return self.kind in (Kind.SERVICE, Kind.WORKER, Kind.JOB)

    @property
    def program(self) -> str | None:
        """The program that is started, behind interpreters, launchers and inits; None: not said."""
        return None if self.entry is None else program_of(self.entry.words)


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """One file. `allowed`: line -> (rule ids, reason) of comments that allow a finding there."""

    path: str
    format: str
    workloads: tuple[Workload, ...]
    allowed: Mapping[int, tuple[frozenset[str], str]] = field(default_factory=dict)
