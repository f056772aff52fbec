"""One trial run of a target without a runner: starts it, hears all that happens, and waits for things."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from unstuck import clock
from unstuck.errors import Interrupted
from unstuck.plan import make_plan
from unstuck.scenario import TERMINAL_STATES, Scenario
from unstuck.targets.declared.agent_client import CallError
from unstuck.targets.declared.ledger import POINTS
from unstuck.targets.declared.running import RunningDeclared
from unstuck.targets.declared.target import DeclaredTarget
from unstuck.targets.declared.tracker import NOWHERE, Seen
from unstuck.targets.port import PointReached, Reply
from unstuck.worlds.port import ProcessEvent, World

LOOK_EVERY_S = 0.02
STATES_KEPT = 20
REFUSED_WITHIN_S = 8.0  # a submission that is refused is tried again for so long: a role may be ready early
REFUSED_EVERY_S = 0.25
DONE_FOR_NS = 6_000_000_000  # after its effect, for a source to say so


@dataclass(frozen=True, slots=True, kw_only=True)
class Heard:
    """One event of the target's history, as far as an examination needs it."""

    kind: str
    phase: str | None
    job: str | None
    process: str | None
    at_ns: int
    data: Mapping[str, Any]


@dataclass(slots=True)
class Attended:
    """A job that was handed over and looked at until it ended, or for long enough."""

    reply: Reply
    submitted_ns: int
    acknowledged_ns: int
    job: str | None = None
    looks: int = 0
    said: list[list[Seen | str]] = field(default_factory=list)  # of each source, what changed, in order
    at: list[tuple[int, str, str]] = field(default_factory=list)  # (when, state, by whom)
    begun_ns: int | None = None
    ended_ns: int | None = None  # its effect was reported
    terminal_ns: int | None = None
    refused_s: float = 0.0  # how long submissions were refused before this one was taken
    held_at: set[str] = field(default_factory=set)  # points where it stood until it was let go
    begins: int = 0
    effects: int = 0

    @property
    def state(self) -> str | None:
        return self.at[-1][1] if self.at else None


class Trial:
    """Of one target in one world. Used from one thread, while others report."""

    def __init__(self, target: DeclaredTarget, interrupted: Callable[[], bool]) -> None:
        self._target = target
        self._interrupted = interrupted
        self._lock = threading.Lock()
        self._heard: list[Heard] = []
        self._stood: list[PointReached] = []
        self.processes: list[ProcessEvent] = []
        self.submitted: set[str] = set()  # ids of all jobs that were handed in
        self.world: World
        self.running: RunningDeclared
        self.is_up = False  # `running` is there

    def on_process(self, event: ProcessEvent) -> None:
        with self._lock:
            self.processes.append(event)

    def start(self, world: World, folder: Path) -> None:
        """Raises what the target's start raises."""
        scenario = Scenario(
            name="doctor", summary="", workload=(), faults=(), expect={}, promise=self._target.file.promise
        )
        self.world = world
        self.running = self._target.start(
            world=world,
            scenario=scenario,
            plan=replace(make_plan(scenario, 1), watch=tuple(POINTS)),
            folder=str(folder),
            emit=self._emit,
            on_point=self._on_point,
            defences_off=(),
        )
        self.is_up = True

    def of_process(self, name: str, phase: str) -> list[ProcessEvent]:
        """Events of one process, in their order."""
        with self._lock:
            return [one for one in self.processes if (one.name, one.phase) == (name, phase)]

    def heard(self, kind: str, phase: str | None = None, job: str | None = None) -> list[Heard]:
        with self._lock:
            return [
                one
                for one in self._heard
                if one.kind == kind and phase in (None, one.phase) and job in (None, one.job)
            ]

    def attend(self, within_s: float, *, want_effect: bool, patient: bool = True) -> Attended:
        """Submits a job, and looks at it until it is terminal (and its effect was seen, if it succeeded), or
        `within_s` is over. `patient`: a submission that is refused is tried again. Raises `Interrupted`."""
        first_ns = before_ns = clock.monotonic_ns()
        while True:
            reply = self.running.call("submit", {"tag": "doctor", "client": "doctor", "values": {}})
            if (
                not patient
                or not _is_refused(reply)
                or clock.monotonic_ns() > first_ns + int(REFUSED_WITHIN_S * 1e9)
            ):
                break
            clock.sleep(REFUSED_EVERY_S)
            before_ns = clock.monotonic_ns()
        attended = Attended(
            reply=reply,
            submitted_ns=before_ns,
            acknowledged_ns=clock.monotonic_ns(),
            job=reply.data.get("job"),
            refused_s=(before_ns - first_ns) / 1e9,
        )
        if attended.job is not None:
            self.submitted.add(attended.job)
        if reply.phase != "ok" or attended.job is None:
            return attended
        deadline_ns = clock.monotonic_ns() + int(within_s * 1e9)
        while clock.monotonic_ns() < deadline_ns:
            if self._interrupted():
                raise Interrupted("interrupted while a job was looked at")
            self._look(attended)
            self._fold(attended)
            if attended.ended_ns is not None and clock.monotonic_ns() > attended.ended_ns + DONE_FOR_NS:
                break
            if attended.terminal_ns is not None and (
                attended.effects > 0 or not want_effect or attended.state != "succeeded"
            ):
                break
            clock.sleep(LOOK_EVERY_S)
        self._look(attended)
        self._fold(attended)
        return attended

    def ask(self, job: str) -> list[Seen | str]:
        """What each source says of a job; a text where it could not be asked."""
        return [str(one) if isinstance(one, CallError) else one for one in self.running.ask_each(job)]

    # Inside

    def _look(self, attended: Attended) -> None:
        assert attended.job is not None
        answers = self.ask(attended.job)
        attended.looks += 1
        attended.said = attended.said or [[] for _ in answers]
        for said, answer in zip(attended.said, answers, strict=True):
            if (not said or said[-1] != answer) and len(said) < STATES_KEPT:
                said.append(answer)

    def _fold(self, attended: Attended) -> None:
        """What the history has of the job by now."""
        job = attended.job
        moves = self.heard("transition", job=job)
        attended.at = [(one.at_ns, str(one.data["to"]), str(one.data.get("source"))) for one in moves]
        terminal = [at_ns for at_ns, state, _ in attended.at if state in TERMINAL_STATES]
        attended.terminal_ns = terminal[0] if terminal else None
        begins, effects = self.heard("attempt", "begin", job), self.heard("effect", job=job)
        attended.begins, attended.effects = len(begins), len(effects)
        attended.begun_ns = begins[0].at_ns if begins else None
        attended.ended_ns = effects[0].at_ns if effects else None
        with self._lock:
            attended.held_at = {one.point for one in self._stood if one.job == job}

    def _emit(
        self,
        kind: str,
        phase: str | None = None,
        *,
        job: str | None = None,
        process: str | None = None,
        at_ns: int | None = None,
        **data: Any,
    ) -> None:
        stamp_ns = clock.monotonic_ns() if at_ns is None else at_ns
        with self._lock:
            self._heard.append(
                Heard(kind=kind, phase=phase, job=job, process=process, at_ns=stamp_ns, data=data)
            )

    def _on_point(self, point: PointReached) -> None:
        with self._lock:
            self._stood.append(point)
        point.answer({"do": "go"})


def _is_refused(reply: Reply) -> bool:
    """True for a submission that met nobody: through a link that shows as a connection that was reset."""
    return reply.phase == "fail" or (reply.phase == "info" and "ConnectionReset" in (reply.error or ""))


def nothing(said: Seen | str) -> bool:
    """True when a source was asked and knows nothing of the job."""
    return said == NOWHERE
