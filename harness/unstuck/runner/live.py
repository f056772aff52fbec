"""What the harness knows at this moment, folded from the history as it grows. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from unstuck.history import Event
from unstuck.scenario import TERMINAL_STATES, Condition

_COMPARE: dict[str, Callable[[int, int], bool]] = {
    ">=": lambda a, b: a >= b,
    "<=": lambda a, b: a <= b,
    "==": lambda a, b: a == b,
    ">": lambda a, b: a > b,
    "<": lambda a, b: a < b,
}
SUBMITTING = frozenset({"initiate_upload", "submit"})  # actions that make a job
_NO_STOP = frozenset({"SIGSTOP", "SIGCONT", "SIGKILL"})  # all others ask a process to end


@dataclass(frozen=True, slots=True, kw_only=True)
class Ready:
    """A process that said it was ready and has not ended since."""

    role: str
    pid: int | None


@dataclass(slots=True, kw_only=True)
class LiveJob:
    """A job as the database triggers last showed it; `state` is empty until they have shown it."""

    state: str
    stage: str | None = None
    attempt: int = 0
    token: int = 0
    worker: str | None = None


@dataclass(slots=True)
class Live:
    """Fed with every event in order; answers what triggers and conditions ask."""

    jobs: dict[str, LiveJob] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)
    ready: dict[str, Ready] = field(default_factory=dict)  # by the name of the process
    signalled: set[str] = field(default_factory=set)  # processes that ever got a signal of ours
    crashes: Counter[str] = field(default_factory=Counter)  # by role: exits that nobody asked for
    told: set[str] = field(default_factory=set)  # jobs that a client knows of
    unanswered: int = 0  # submissions of which nobody knows whether they made a job
    stops: Counter[str] = field(default_factory=Counter)  # how often each process was asked to end

    moved_by_hand: set[str] = field(default_factory=set)  # jobs that a fault's own statement has moved

    gone: set[str] = field(default_factory=set)  # jobs that a restored back-up does not know

    poisoned: dict[str, set[str]] = field(default_factory=dict)  # toxic -> links where it has had bytes

    def apply(self, event: Event) -> None:
        if event.kind == "evidence" and event.phase == "gone" and event.job is not None:
            self.gone.add(event.job)
            self.jobs.pop(event.job, None)
        elif event.job in self.gone:
            pass
        elif event.kind in ("transition", "stage") and event.job is not None:
            self._move(event.kind, event.job, event.data)
        elif event.kind == "op" and event.job is not None:
            if "tag" in event.data:
                self.tags[event.job] = str(event.data["tag"])
            self.told.add(event.job)
            # The client may hear of its job before we do: until then it is open, and not nothing.
            self.jobs.setdefault(event.job, LiveJob(state=""))
        elif event.kind == "op" and event.phase == "info" and event.data.get("action") in SUBMITTING:
            self.unanswered += 1
        elif event.kind == "process" and event.process is not None:
            self._run(event.process, event)
        elif event.kind == "message" and event.phase == "poisoned":
            self.poisoned.setdefault(str(event.data["label"]), set()).add(str(event.data["link"]))

    def _run(self, process: str, event: Event) -> None:
        data = event.data
        if event.phase == "ready":
            self.ready[process] = Ready(role=str(data.get("role")), pid=data.get("pid"))
        elif event.phase in ("start", "exit"):
            self.ready.pop(process, None)
            if event.phase == "exit" and data.get("expected") is False:
                self.crashes[str(data.get("role"))] += 1
        elif event.phase == "signal":
            self.signalled.add(process)
            if data.get("scope") == "main" and data.get("signal") not in _NO_STOP:
                self.stops[process] += 1

    def _move(self, kind: str, name: str, data: Mapping[str, Any]) -> None:
        job = self.jobs.setdefault(name, LiveJob(state=""))
        if kind == "transition":
            job.state = str(data["to"])
            if data.get("by") is not None:
                self.moved_by_hand.add(name)
        job.stage = data.get("stage")
        job.attempt = int(data.get("attempt") or 0)
        job.token = int(data.get("token") or 0)
        job.worker = data.get("worker") if job.state == "active" else None
        if data.get("tag"):
            self.tags[name] = str(data["tag"])

    def is_tagged(self, job: str | None, tag: str) -> bool:
        """`any` fits every job."""
        return tag == "any" or (job is not None and self.tags.get(job) == tag)

    def count(self, subject: str) -> int:
        """`active_jobs`, `queued_jobs`, `awaiting_jobs`, `open_jobs` (not terminal)."""
        states = [job.state for job in list(self.jobs.values())]
        if subject == "open_jobs":
            return sum(state not in TERMINAL_STATES for state in states)
        wanted = {"active_jobs": "active", "queued_jobs": "queued", "awaiting_jobs": "awaiting_upload"}
        return states.count(wanted[subject])

    def holds(self, condition: Condition) -> tuple[bool, int]:
        """Whether the condition is true now, and the number that was seen."""
        seen = self.count(condition.subject)
        return _COMPARE[condition.comparison](seen, condition.number), seen

    def held_by(self, process: str) -> Sequence[str]:
        """The active jobs whose lease `process` holds."""
        return [
            name for name, job in list(self.jobs.items()) if job.state == "active" and job.worker == process
        ]

    def named_in(self, text: str) -> str | None:
        """The job whose name a message carries, if it carries one."""
        return next((job for job in list(self.jobs) if job in text), None)

    def ready_of(self, role: str) -> Sequence[str]:
        """Names of the processes of a role that are ready."""
        return [name for name, process in list(self.ready.items()) if process.role == role]

    def may_know_all(self) -> bool:
        """False while a submission without an answer may still make a job that nobody has seen."""
        return len(self.jobs.keys() - self.told) >= self.unanswered

    def all_terminal(self) -> bool:
        """True also while no job is known."""
        return all(job.state in TERMINAL_STATES for job in list(self.jobs.values()))
