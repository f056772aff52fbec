"""The target's protocol: what a run needs of the system under test, whichever it is."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

from unstuck.links.rules import Action, LinkState, Then
from unstuck.links.toxics.port import Toxic
from unstuck.plan import Plan
from unstuck.scenario import OnMessage, Scenario
from unstuck.worlds.port import ProcessSpec, World


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """How an op of a client ended. `info`: unknown, it may have happened."""

    phase: Literal["ok", "fail", "info"]
    data: Mapping[str, Any] = field(default_factory=dict)
    error: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PointReached:
    """A process stands at a test point and waits. `answer` lets it go on; only the first one counts.

    Directives: `go`, `crash` (it kills itself there), `allocate` (with `bytes`).
    `gone` becomes true when the process has ended without another word.
    """

    point: str
    process: str
    pid: int
    job: str | None
    facts: Mapping[str, Any]
    answer: Callable[[Mapping[str, Any]], None]
    gone: Callable[[], bool]
    kept: Callable[[], bool] = lambda: False  # it got the memory that it was told to take


class Emit(Protocol):
    """Appends to the run's history (see `unstuck.history` for the kinds)."""

    def __call__(
        self,
        kind: str,
        phase: str | None = None,
        *,
        job: str | None = None,
        process: str | None = None,
        at_ns: int | None = None,
        **data: Any,
    ) -> Any: ...


class Running(Protocol):
    """One running system under test: its own database, bucket, queues and processes."""

    quiet_within_s: float  # how long to wait for `quiet` once every job has ended

    def call(self, action: str, values: Mapping[str, Any]) -> Reply:
        """Performs one op as a client would, over the wire. Never raises for what the service does."""
        ...

    def specs(self) -> Sequence[ProcessSpec]:
        """The processes of the service, in the order in which they start."""
        ...

    def spec(self, name: str, *, like: str, version: str | None) -> ProcessSpec:
        """A process like `like` under another name, for a replacement."""
        ...

    def ability(self, action: str, parameters: Mapping[str, Any]) -> Mapping[str, Any]:
        """A fault that the target itself offers (`notifications_off`); returns what was read back."""
        ...

    def link_state(self, link: str, state: LinkState) -> None: ...

    def add_toxic(self, link: str, toxic: Toxic) -> Sequence[str]:
        """Puts a toxic on every link that `link` names; those on which it was read back afterwards.

        Its first bytes on each come as a `message` event, phase `poisoned`, with its name as label.
        """
        ...

    def remove_toxic(self, link: str, name: str) -> None:
        """From every link that has it; none is fine."""
        ...

    def arm_message(self, rule_id: str, when: OnMessage, action: Action) -> None:
        """Puts a rule on a link (`unstuck.scenario.OnMessage`); matches come as `message` events."""
        ...

    def release_message(self, rule_id: str, then: Then, nth: int | None = None) -> None:
        """Lets go of what the rule holds: of its `nth` match only, or (None) of all."""
        ...

    def quiet(self) -> bool:
        """True when nothing is under way: no event waits, none is being handled."""
        ...

    def look(self) -> None:
        """The final look: records `said` and `outcome` for every job, from our own reading."""
        ...

    def close(self) -> None: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetSource:
    """Where a target comes from, to find it again. `text`: its file as it was; empty: it has none."""

    word: str = "reference"
    configuration: str | None = None
    text: str = ""


class Target(Protocol):
    """A system that can be run. One `Target` serves many runs, several at a time."""

    name: str
    capabilities: frozenset[str]
    facts: Mapping[str, Any]  # what checks and reports should know of it; goes into a run's first event

    def start(
        self,
        *,
        world: World,
        scenario: Scenario,
        plan: Plan,
        folder: str,
        emit: Emit,
        on_point: Callable[[PointReached], None],
        defences_off: Sequence[str],
    ) -> Running:
        """Starts everything and waits until it is ready. Raises `TargetError`; leaves nothing then."""
        ...
