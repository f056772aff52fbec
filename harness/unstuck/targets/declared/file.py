"""What a target file says, as frozen data: dependencies, roles, how to submit, how to look, what is promised.

Texts may hold `{names}` (see `unstuck.targets.declared.templates`). Nothing here acts.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from unstuck.scenario import Promise
from unstuck.worlds.port import Restart

Setting = str | int | float | bool
Held = Literal["queue", "lease", "registry", "dead_letter", "process"]
"""Where a job is held: it waits; somebody has claimed it; a list of jobs under way or scheduled; a place
where nobody takes it up again by itself; an attempt in a process that is alive, and nowhere else."""
HELD: tuple[str, ...] = ("queue", "lease", "registry", "dead_letter")  # what a file may say

Absent = Literal["unknown", "lost", "succeeded"]
"""What it means that no source knows a job (any more): nothing is known (its last state stays), nobody
will ever do it, or it was done and forgotten. With a ledger, `succeeded` needs an effect there too."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DependencyOptions:
    """One dependency: its kind, and what the kind takes."""

    kind: str
    options: Mapping[str, Any] = dataclasses.field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Ready:
    """When a process is ready: its log has a line with `line`, or `url` answers 200, or its port takes
    connections; then `settle_s` more. Nothing of these: at once."""

    line: str | None = None
    url: str | None = None
    port: bool = False
    settle_s: float = 0.0
    timeout_s: float = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Stop:
    """How a deploy asks a process to end, and how long it waits before SIGKILL."""

    signal: str = "SIGTERM"
    grace_s: float = 10.0


RESTART = Restart(delay_s=0.5, starts_max=30)
"""A service manager's usual: always, after half a second; a crash loop ends after thirty starts."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Role:
    """One kind of process of the service. `command` is executed without a shell."""

    name: str
    command: tuple[str, ...]
    replicas: int = 1
    environment: Mapping[str, str] = dataclasses.field(default_factory=dict)
    folder: str = "."  # relative to the target's folder
    ready: Ready = Ready()
    stop: Stop = Stop()
    restart: Restart = RESTART
    memory_limit_mib: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CommandCall:
    """A program that is run for each call; what it prints is the answer."""

    command: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpCall:
    """A request; the answer's body is the answer. `body`: JSON, with templates in its texts."""

    url: str
    method: str = "POST"
    body: Any = None
    headers: Mapping[str, str] = dataclasses.field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class PythonCall:
    """`module:function`, called in a process of the target's own Python, in its folder."""

    function: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RedisCall:
    """One command to a Redis of the target."""

    dependency: str
    command: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class SqlCall:
    """One statement to a PostgreSQL of the target; its rows are the answer, as objects by column."""

    dependency: str
    statement: str


Call = CommandCall | HttpCall | PythonCall | RedisCall | SqlCall


@dataclass(frozen=True, slots=True, kw_only=True)
class Submission:
    """How a client hands over a job, and how it gets to know its id.

    `job`: a JSONPath into the answer, or None: the answer itself is the id. `chosen`: the id is ours, and
    goes out as `{job}`. `values` are what a job may be given, with their usual values.
    """

    call: Call
    job: str | None = None
    chosen: bool = False
    values: Mapping[str, Setting] = dataclasses.field(default_factory=dict)
    timeout_s: float = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """One place of a Redis where a job may be seen.

    `key` with `{job}`: the job's own key, whose `field` (of a hash; or a JSONPath of its text) is its state
    by `states`, or which says `state` by being there. Without: a list, set, sorted set, stream or hash that
    holds many jobs; a member holds a job when its id is in it. `key` may be a glob. `through`: a hash; the
    members are names of its fields, and what is looked at for ids are their values.

    `job` and `since` are for lists of the jobs of a running system: where in a member its id is (a JSONPath;
    `$`: the member is the id), and which field or JSONPath of the job's own key says since when it is so.
    """

    key: str
    through: str | None = None
    field: str | None = None
    reason: str | None = None  # of a hash or a JSONPath of the same key: why a job failed
    states: Mapping[str, str | None] = dataclasses.field(default_factory=dict)
    state: str | None = None
    held: str | None = None
    job: str | None = None
    since: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RedisSource:
    """Looks into one Redis, all at one moment."""

    dependency: str
    looks: tuple[Look, ...]
    database: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class RowsSource:
    """One call that tells of many jobs: a list of objects, or an object by job.

    `job`, `state`, `held` are JSONPaths within a row (or names of columns); `rows` leads to the rows. So are
    those that only lists of a running system use, where a row has them: `since` (a date or seconds since
    1970: the last sign of life), `busy` (true while somebody is at work on it), `name` and `tenant`.
    """

    call: Call
    job: str = "job"
    state: str | None = "state"
    held: str | None = "held"
    reason: str | None = None
    rows: str | None = None
    since: str = "since"
    busy: str = "busy"
    name: str = "name"
    tenant: str = "tenant"
    states: Mapping[str, str | None] = dataclasses.field(default_factory=dict)
    says_held: Mapping[str, str] = dataclasses.field(default_factory=dict)  # by the canonical state


@dataclass(frozen=True, slots=True, kw_only=True)
class JobSource:
    """One call for each job, with `{job}` in it; an answer that has no state says nothing."""

    call: Call
    state: str | None = None  # a JSONPath, or a field (of rows: of the first); None: the answer is the state
    reason: str | None = None
    states: Mapping[str, str | None] = dataclasses.field(default_factory=dict)
    says_held: Mapping[str, str] = dataclasses.field(default_factory=dict)


Source = RedisSource | RowsSource | JobSource


@dataclass(frozen=True, slots=True, kw_only=True)
class Observation:
    """Where the states of jobs are read, the first source that knows one decides; how often; absence.

    `listing` (key `list`): what lists the jobs of a running system that have not ended; None: the sources
    that can.
    """

    sources: tuple[Source, ...]
    every_s: float = 0.05
    absent: Absent = "lost"
    timeout_s: float = 5.0
    listing: RowsSource | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Timings:
    """What the system's documentation or configuration says of itself; None: not declared.

    `recovery_period_s`: how long the system may take by itself until it takes up what was dropped.
    """

    job_s: float | None = None
    lease_s: float | None = None
    recovery_period_s: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Variant:
    """A configuration, or a defence that is off: what it changes of the environment and the settings."""

    summary: str = ""
    environment: Mapping[str, str] = dataclasses.field(default_factory=dict)
    settings: Mapping[str, Setting] = dataclasses.field(default_factory=dict)
    promise: Promise | None = None
    timings: Timings | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SettingOption:
    """A setting that scenarios may change: its usual value, and the variable that carries it to roles."""

    value: Setting
    variable: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RequiredFile:
    """What a program needs beside it and pip does not bring: `file`, relative to the folder where the roles
    run, is there once `install` was run in that folder."""

    file: str
    install: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetFile:
    """A valid target file. `folder` is absolute: where the roles run and modules are found."""

    name: str
    path: Path
    folder: Path
    summary: str = ""
    promise: Promise = "at_least_once"
    python: str | None = None  # for `python:` calls and `{python}`; None: the one that runs Unstuck
    requires: tuple[str | RequiredFile, ...] = ()  # packages as pip takes them; files with what installs them
    environment: Mapping[str, str] = dataclasses.field(default_factory=dict)
    dependencies: Mapping[str, DependencyOptions] = dataclasses.field(default_factory=dict)
    roles: Mapping[str, Role] = dataclasses.field(default_factory=dict)
    submit: Submission
    cancel: Call | None = None
    observe: Observation
    ledger: bool = True  # roles report begin and end of each job; False: effects are not seen
    effects: Source | None = None  # or: rows that are effects, one each
    rescue: Call | None = None  # asks the system to take up one job again
    running: Mapping[str, str] = dataclasses.field(default_factory=dict)  # name -> address, or $VARIABLE
    timings: Timings = Timings()
    settings: Mapping[str, SettingOption] = dataclasses.field(default_factory=dict)
    configurations: Mapping[str, Variant] = dataclasses.field(default_factory=dict)
    defences: Mapping[str, Variant] = dataclasses.field(default_factory=dict)
    inherit: frozenset[str] = frozenset()  # variables of ours that roles get though they look like addresses
    allow_hosts: frozenset[str] = frozenset()
    hosts_allowed: frozenset[str] = frozenset()  # of these, what the command line allows, too
    text: str = ""


def shows_reasons(target: TargetFile) -> bool:
    """True when a source tells why a job failed."""
    return any(
        any(look.reason for look in source.looks) if isinstance(source, RedisSource) else source.reason
        for source in target.observe.sources
    )
