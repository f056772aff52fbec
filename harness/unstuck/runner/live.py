"""What the harness knows at this moment, folded from the history as it grows. Pure."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from unstuck.history import Event
from unstuck.scenario import TERMINAL_STATES, Condition

_COMPARE: dict[str, Callable[[int, int], bool]] = {
    ">=": lambda a, b: a >= b,
    "<=": lambda a, b: a <= b,
    "==": lambda a, b: a == b,
    ">": lambda a, b: a > b,
    "<": lambda a, b: a < b,
}


@dataclass(slots=True, kw_only=True)
class LiveJob:
    """A job as the database triggers last showed it."""

    state: str
    tag: str | None = None
    stage: str | None = None
    attempt: int = 0
    token: int = 0
    worker: str | None = None


@dataclass(slots=True)
class Live:
    """Fed with every event in order; answers what triggers and conditions ask."""

    jobs: dict[str, LiveJob] = field(default_factory=dict)
    signalled: set[str] = field(default_factory=set)  # processes that got a stop signal
    tags: dict[str, str] = field(default_factory=dict)

    def apply(self, event: Event) -> None:
        if event.kind in ("transition", "stage") and event.job is not None:
            self._move(event)
        elif event.kind == "op" and event.job is not None and "tag" in event.data:
            self.tags[event.job] = str(event.data["tag"])
        elif event.kind == "process" and event.phase == "signal" and event.process is not None:
            self.signalled.add(event.process)

    def _move(self, event: Event) -> None:
        assert event.job is not None
        data = event.data
        job = self.jobs.get(event.job)
        if job is None:
            job = self.jobs[event.job] = LiveJob(state="")
        if event.kind == "transition":
            job.state = str(data["to"])
        job.stage = data.get("stage")
        job.attempt = int(data.get("attempt") or 0)
        job.token = int(data.get("token") or 0)
        job.worker = data.get("worker") if job.state == "active" else None
        if data.get("tag"):
            self.tags[event.job] = str(data["tag"])

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

    def all_terminal(self) -> bool:
        return all(job.state in TERMINAL_STATES for job in list(self.jobs.values()))
