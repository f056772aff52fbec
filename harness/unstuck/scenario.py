"""A scenario: frozen data that says what is done to a service and what must hold afterwards.

A file is loaded by `unstuck.scenario_file`; a scenario shrunk by a search and an incident being
reproduced are the same thing. Nothing here acts, and nothing here is ever changed after loading.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

CANONICAL_STATES = ("awaiting_upload", "queued", "active", "succeeded", "failed", "cancelled", "expired")
TERMINAL_STATES = frozenset({"succeeded", "failed", "cancelled", "expired"})

UNIT_DONE = "worker.unit.done"
"""The test point behind each frame or item of a job: its `stage`, and the `position` it has come to."""

Promise = Literal["at_least_once", "at_most_once", "effectively_once"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Initiate:
    """Announce an upload; `parts` > 0 asks for a multipart one."""

    parts: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Put:
    """Put the whole object with the presigned URL."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PutParts:
    """Put the first `only` of the multipart upload's parts (None: all), one every `every_s`."""

    only: int | None = None
    every_s: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Complete:
    """Say that the upload is complete: `times` calls, one after another or all at once."""

    times: int = 1
    together: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Wait:
    """Wait for exactly one of: the job to reach `state`, its upload deadline, or some seconds."""

    state: str | None = None
    past_deadline: bool = False
    seconds: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Cancel:
    """Ask for the job to be cancelled."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Submit:
    """Hand a job to the target as its target file says. `values` are the job's own, over the file's."""

    values: Mapping[str, str | int | float | bool] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishEvent:
    """Put `times` duplicates of the job's event on its queue, as a redelivery would."""

    times: int = 1


Step = Initiate | Put | PutParts | Complete | Wait | Cancel | Submit | PublishEvent


@dataclass(frozen=True, slots=True, kw_only=True)
class Upload:
    """`count` clients, one job each, started `every_s` apart from `start_s` on.

    A target that takes no uploads is handed its jobs by one `Submit` each; `video` is empty then.
    """

    count: int = 1
    video: str = "tiny.mp4"
    start_s: float = 0.0
    every_s: float = 0.0
    tag: str = "job"  # faults and `expect` select jobs by it
    tenant: str = ""  # of the service; empty: the run's own
    patience_s: float | None = None  # for a refusal of its announcement; None: it comes again as it is told
    steps: tuple[Step, ...] = (Initiate(), Put(), Complete())


@dataclass(frozen=True, slots=True, kw_only=True)
class OnStart:
    """Before the first client begins: what the fault changes is so from the beginning (set-up)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OnTime:
    """`at_s` seconds after the first client began. The weakest trigger: prefer a place."""

    at_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class OnState:
    """A job (`tag`, or `any`) enters `state`; with `stage`, that stage of `active`.

    `hold`: the place is a test point, and the process waits there until the fault has struck.
    """

    state: str
    job: str = "any"
    stage: str | None = None
    attempt: int | None = None  # the job's attempt that gets there; None: whichever
    nth: int = 1
    hold: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class OnPoint:
    """A process reaches a test point (and waits there until the fault has struck)."""

    point: str
    job: str = "any"
    stage: str | None = None
    attempt: int | None = None
    nth: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class OnMessage:
    """The nth message with this label (a glob) on a link (`relay.queue`); before it goes on, or on reply.

    `first`: not the nth, but each of the first few. Raises `ValueError` for both.

    `then`: what becomes of a message that waits for the fault, once that has struck. `forward`: it goes on,
    as bytes on their way would; `cut`: never, its connection ends, as if its sender had died before it sent
    it; `late`: it goes on when the fault, which lasts, is healed.
    """

    message: str
    link: str
    contains: str | None = None
    nth: int = 1
    first: int | None = None
    on: Literal["request", "reply"] = "request"
    then: Literal["forward", "cut", "late"] = "forward"

    def __post_init__(self) -> None:
        if self.first is not None and self.nth != 1:
            raise ValueError("has nth and first, which exclude each other. Keep one.")


@dataclass(frozen=True, slots=True, kw_only=True)
class OnOp:
    """A client's op ends so for the nth time."""

    op: str
    phase: Literal["invoke", "ok", "fail", "info"] = "ok"
    job: str = "any"
    nth: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class OnFault:
    """Another fault of this scenario (by index, from 0) has reached `phase`."""

    fault: int
    phase: Literal["fired", "landed", "healed"] = "healed"


Trigger = OnStart | OnTime | OnState | OnPoint | OnMessage | OnOp | OnFault


@dataclass(frozen=True, slots=True, kw_only=True)
class Condition:
    """What must be true when the fault strikes: `active_jobs >= 1`. Subjects: see `SUBJECTS`."""

    subject: str
    comparison: Literal[">=", "<=", "==", ">", "<"]
    number: int


SUBJECTS = ("active_jobs", "queued_jobs", "awaiting_jobs", "open_jobs")


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """One thing done to the service. `parameters` is the fault's own frozen dataclass.

    `times`: once, or at each match of the trigger (which the scenario must say).
    """

    name: str  # a module of `unstuck.faults`
    parameters: Any
    when: Trigger
    condition: Condition | None = None
    times: Literal["once", "each"] = "once"
    line: int | None = None  # in the file, for messages


@dataclass(frozen=True, slots=True, kw_only=True)
class Guard:
    """With `defence` off, `by` must fail in this case of the scenario; `prove` holds us to it."""

    defence: str
    by: str
    case: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Before:
    """The service on the day of an incident, and by what it shows; `unstuck reproduce` holds us to it.

    With all of `defences_off` off, each property of `fails` must fail in the base case. `happened`: the
    incident in a sentence or two; empty: not told.
    """

    defences_off: tuple[str, ...]
    fails: tuple[str, ...]
    happened: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class RoleOptions:
    """What a scenario changes of a role. None: the target's own."""

    replicas: int | None = None
    memory_limit_mib: int | None = None
    disk_limit_mib: int | None = None  # of the folder where it works
    descriptors_max: int | None = None  # that each of its processes, and each of their children, may open
    liveness: bool = (
        False  # the supervisor asks each process whether it lives, and restarts one that does not
    )
    version: str | None = None  # a commit of the target's repository: its processes start as that
    settings: Mapping[str, str | int | float | bool] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """One case of a scenario file, complete: alternatives chosen, parameters filled in.

    `case` is the parameterisation: name of the alternative (if the file has any) and the matrix values.
    `budget_s` is the recovery budget: from the moment when the last fault is healed and every role is up.
    """

    name: str
    summary: str
    workload: tuple[Upload, ...]
    faults: tuple[Fault, ...]
    expect: Mapping[str, Mapping[str, Any]]  # property -> parameters
    budget_s: float = 60.0
    promise: Promise = "effectively_once"
    incident: str | None = None
    guards: tuple[Guard, ...] = ()
    before: Before | None = None  # of a scenario that reproduces its incident
    settings: Mapping[str, str | int | float | bool] = field(default_factory=dict)  # of every role
    roles: Mapping[str, RoleOptions] = field(default_factory=dict)
    case: Mapping[str, Any] = field(default_factory=dict)
    source: Path | None = None
    text: str = ""  # the file as written, kept in the run's folder

    @property
    def title(self) -> str:
        """`sigterm-mid-job[grace_s=0.5,stage=frames]`: a name that selects this case."""
        if not self.case:
            return self.name
        values = (f"{name}={_spell(value)}" for name, value in self.case.items())
        return f"{self.name}[{','.join(values)}]"


def _spell(value: object) -> str:
    """As YAML writes it: a title can be copied into a selection."""
    return str(value).lower() if isinstance(value, bool) else str(value)
