"""The one view of a history that every property reads, built in one pass and read-only afterwards."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from unstuck.checks.job_story import Claim, JobStory, Move, Op, Stay, data_of, seconds, text_of
from unstuck.checks.run_story import FaultStory, Life, ProcessStory, RunStory, Stroke, Sweep
from unstuck.history import Event, History

__all__ = [
    "Claim",
    "FaultStory",
    "JobStory",
    "Life",
    "Move",
    "Op",
    "ProcessStory",
    "RunStory",
    "Stay",
    "Story",
    "Stroke",
    "Sweep",
    "data_of",
    "seconds",
    "text_of",
]

DOUBTS: Mapping[str, str] = {
    "unmapped": "{job} is {state!r} in the system's words, which the target file's `states` lack",
    "no_id": "a submission was answered without the id of a job: {answer}",
    "same_id": "the id {job} was given to two submissions",
    "ledger": "the ledger has a line that is no report ({problem}): {line}",
}
SUBMITTING = frozenset({"initiate_upload", "submit"})  # actions whose ok acknowledges a job


class Story:
    """A history, indexed. `end_s` is the time of its latest event (0 when it is empty)."""

    def __init__(self, history: History) -> None:
        self.history = history
        self.run = RunStory()
        self.jobs: dict[str, JobStory] = {}
        self.gone: dict[
            str, JobStory
        ] = {}  # jobs that a restored back-up does not know; no property judges them
        self.faults: dict[int, FaultStory] = {}
        self.processes: dict[str, ProcessStory] = {}
        self.ops: list[Op] = []
        self.calls: list[Event] = []  # messages that found nobody or had no reply, or that a fault waited for
        self.alerts: dict[str, list[Event]] = {}  # rule -> its changes, from its first evaluation on
        self.sweeps: dict[int, Sweep] = {}  # recovery sweeps of the service by run, in their order
        self.pauses: list[tuple[Event, Event | None]] = []  # of recovery, with what ended each
        self.down: list[Event] = []  # roles that were not up when the recovery budget had to begin
        self.doubts: list[str] = []  # what was seen that nobody can read: nothing is proved then
        self._open: dict[str | int, Op] = {}
        takers = self._takers()
        end_ns = 0
        for event in history.events:
            end_ns = max(end_ns, event.at_ns)
            take = takers.get((event.kind, event.phase))
            if take is not None:
                take(event)
            elif event.kind == "process":
                self._take_process(event)
        self.end_s = end_ns / 1e9

    def job(self, name: str) -> JobStory:
        """The story of a job, begun if it is new."""
        story = self.jobs.get(name) or self.gone.get(name)
        if story is None:
            story = self.jobs[name] = JobStory(name)
        return story

    @property
    def last_blow_s(self) -> float | None:
        """When a fault was last in force, or a process ended, before the run did; None: never."""
        blows = [
            event for fault in self.faults.values() for event in (*fault.fired, *fault.landed, *fault.healed)
        ]
        exits = [life.exit for process in self.processes.values() for life in process.lives if life.exit]
        before = [event for event in exits if self.run.end is None or event.number < self.run.end.number]
        return max((seconds(event) for event in (*blows, *before)), default=None)

    def process(self, name: str) -> ProcessStory:
        """The story of a process, begun if it is new."""
        story = self.processes.get(name)
        if story is None:
            story = self.processes[name] = ProcessStory(name)
        return story

    def _takers(self) -> dict[tuple[str, str | None], Callable[[Event], None]]:
        return {
            ("transition", None): self._take_move,
            ("op", "invoke"): self._take_invoke,
            **{("op", phase): self._take_answer for phase in ("ok", "fail", "info")},
            ("stage", None): lambda event: self._of(event).stages.append(event),
            ("effect", None): lambda event: self._of(event).effects.append(event),
            ("outcome", None): lambda event: setattr(self._of(event), "outcome", event),
            ("said", "transitions"): lambda event: self._of(event).said_moves.append(event),
            ("said", "attempt"): lambda event: self._of(event).said_attempts.update(
                {event.data["token"]: event}
            ),
            ("said", "api"): lambda event: self._of(event).said_api.append(event),
            ("said", "row"): lambda event: setattr(self._of(event), "said_row", event),
            **{("fault", p): self._take_fault for p in ("armed", "fired", "landed", "healed", "missed")},
            **{("run", p): self._take_run for p in ("start", "budget", "follow", "end")},
            **{("message", phase): self.calls.append for phase in ("refused", "unanswered", "matched")},
            **{("alert", phase): self._take_alert for phase in ("firing", "quiet")},
            **{("sweep", phase): self._take_sweep for phase in ("begin", "end", "pause", "resume")},
            ("clock", "stepped"): lambda event: self.run.steps_s.append(float(event.data["by_s"])),
            **{("point", p): self._take_point for p in ("reached", "released")},
            ("attempt", "begin"): lambda event: self._of(event).begins.append(event),
            ("evidence", "roles_down"): self.down.append,
            ("evidence", "gone"): self._take_gone,
            **{("evidence", name): self._take_doubt for name in DOUBTS},
        }

    def _of(self, event: Event) -> JobStory:
        return self.job(event.job or "")

    def _take_move(self, event: Event) -> None:
        data = event.data
        job = self._of(event)
        if job.tag is None:
            job.tag = text_of(event, "tag")
        job.enter(
            Move(
                event.number,
                event.at_ns / 1e9,
                data["from"],
                data["to"],
                data["attempt"],
                data["token"],
                data,
            )
        )

    def _take_invoke(self, event: Event) -> None:
        op = Op(event)
        self.ops.append(op)
        self._open[event.data["id"]] = op
        if event.job is not None:
            self.job(event.job).ops.append(op)

    def _take_answer(self, event: Event) -> None:
        op = self._open.pop(event.data["id"], None)
        if op is None:  # its invocation was not recorded; it began at the latest now
            op = Op(event)
            self.ops.append(op)
        op.ended = event
        if event.job is not None and (op.invoked.job is None or op.invoked is event):
            self.job(event.job).ops.append(op)
        if event.phase == "ok" and (made := _made_by(op)) is not None:
            job = self.job(made)
            job.acknowledged = event.number if job.acknowledged is None else job.acknowledged
            job.tag = text_of(op.invoked, "tag") or job.tag

    def _take_fault(self, event: Event) -> None:
        index = event.data["fault"]
        fault = self.faults.setdefault(index, FaultStory(index, event.data["name"]))
        fault.setup = fault.setup or event.data.get("setup") is True
        if event.phase == "armed":
            fault.armed = event
        else:
            strokes = {
                "fired": fault.fired,
                "landed": fault.landed,
                "healed": fault.healed,
                "missed": fault.missed,
            }
            strokes[str(event.phase)].append(event)

    def _take_run(self, event: Event) -> None:
        setattr(self.run, str(event.phase), event)
        declared = event.data.get("faults")
        if event.phase == "start" and isinstance(declared, list):
            for index, fault in enumerate(declared):
                name = fault.get("name") if isinstance(fault, dict) else fault
                self.faults[index] = FaultStory(index, str(name))

    def _take_point(self, event: Event) -> None:
        if event.process is not None:
            self.process(event.process).points.append(event)

    def _take_alert(self, event: Event) -> None:
        self.alerts.setdefault(event.data["alert"], []).append(event)

    def _take_sweep(self, event: Event) -> None:
        if event.phase == "begin":
            self.sweeps[event.data["run"]] = Sweep(event)
        elif event.phase == "end" and event.data["run"] in self.sweeps:
            self.sweeps[event.data["run"]].ended = event
        elif event.phase == "pause":
            self.pauses.append((event, None))
        elif event.phase == "resume" and self.pauses:
            self.pauses[-1] = (self.pauses[-1][0], event)

    def _take_gone(self, event: Event) -> None:
        job = self.jobs.pop(event.job or "", None)
        if job is not None:
            self.gone[job.id] = job

    def _take_doubt(self, event: Event) -> None:
        known = {"job": event.job, "state": "", "answer": "", "problem": "", "line": ""}
        self.doubts.append(DOUBTS[str(event.phase)].format(**{**known, **event.data}))

    def _take_process(self, event: Event) -> None:
        process = self.process(event.process or "")
        process.role = text_of(event, "role") or process.role
        if event.phase == "usage":
            process.usage.append(event)
            return
        lives = process.lives
        if event.phase == "start" or not lives:
            lives.append(Life(event))
        life = lives[-1]
        if event.phase == "exit":
            life.exit = event
        elif event.phase == "ready":
            life.ready = event
        elif event.phase == "signal" and event.data.get("scope") != "child":
            life.signals.append(event)
        elif event.phase == "refused":
            life.refused.append(event)


def _made_by(op: Op) -> str | None:
    """The job that a client got to know by this op's ok."""
    if op.action in SUBMITTING:
        return op.job
    return text_of(op.ended, "new_job") if op.action == "retry" else None
