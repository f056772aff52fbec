"""Healthy histories: jobs with random legal lives under random faults, as a sound service leaves them.

A `Life` says what happens to one job; `history_of` plays lives side by side. Whatever is drawn, every
promise is kept, so that any alarm is a false one.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Any, Literal

from hypothesis import strategies as st

from unstuck.history import Event, History

Ending = Literal["succeeded", "invalid", "used_up", "cancelled_early", "cancelled_active", "expired"]
Hit = Literal["crash", "kill", "kill_after_effect", "pause", "drain"]

MS = 1_000_000
LEFT: dict[str, Any] = {"left": {"rows": 0, "objects": 0}}
MIB = 1024 * 1024
STATES = {
    "invalid": "failed",
    "used_up": "failed",
    "cancelled_early": "cancelled",
    "cancelled_active": "cancelled",
}
REASONS = {"invalid": "invalid_media", "used_up": "crashed"}
NEVER_QUEUED = ("cancelled_early", "expired")


@dataclass(frozen=True, slots=True, kw_only=True)
class Life:
    """One job: how it ends, what hits it on the way, and how its client behaves."""

    ending: Ending = "succeeded"
    hits: tuple[Hit, ...] = ()
    parts: int = 0  # of a multipart upload; 0: one put
    completions: int = 1
    together: bool = False  # completions all at once
    repeats: int = 0  # of the effect, under the same key
    start_ms: int = 0
    step_ms: int = 5  # between two events


class _Player:
    """Collects the events of all lives, to be put in order of their times."""

    def __init__(self) -> None:
        self.rows: list[tuple[int, int, Event]] = []
        self.faults = 0
        self.last_fault_ms = 0
        self.last_ms = 0

    def add(
        self, at_ms: int, kind: str, phase: str | None = None, job: str | None = None,
        process: str | None = None, **data: Any,
    ) -> None:  # fmt: skip
        self.last_ms = max(self.last_ms, at_ms)
        self.rows.append((at_ms, len(self.rows), Event(0, at_ms * MS, kind, phase, job, process, data)))


class _Job:
    """Plays one life."""

    def __init__(self, player: _Player, life: Life, nth: int) -> None:
        self.player, self.life = player, life
        self.name = f"j-{nth}"
        self.now_ms = life.start_ms
        self.state: str | None = None
        self.attempt = self.ops = 0
        self.log: list[tuple[str | None, str, int, str]] = []
        self.attempts: list[tuple[int, str]] = []
        self.applied = False

    def add(self, kind: str, phase: str | None = None, *, process: str | None = None, **data: Any) -> None:
        self.now_ms += self.life.step_ms
        job = None if kind in ("process", "fault") else self.name
        self.player.add(self.now_ms, kind, phase, job, process, **data)

    def move(self, after: str, actor: str, **facts: Any) -> None:
        data = {"from": self.state, "to": after, "attempt": self.attempt, "token": self.attempt, **facts}
        self.add("transition", **data)
        self.log.append((self.state, after, self.attempt, actor))
        self.state = after

    def invoke(self, action: str, **facts: Any) -> dict[str, Any]:
        self.ops += 1
        op = {"id": f"{self.name}.{self.ops}", "client": self.name, "action": action, **facts}
        self.now_ms += self.life.step_ms
        job = None if action == "initiate_upload" else self.name
        self.player.add(self.now_ms, "op", "invoke", job, **op)
        return op

    def upload(self) -> None:
        """Announced and, unless the client vanishes, put and completed."""
        op = self.invoke("initiate_upload", tag=self.life.ending)
        self.move("awaiting_upload", "api-1")
        self.add("op", "ok", **op)
        if self.life.ending == "expired":
            self.now_ms += 100
            self.move("expired", "sweeper-1")
            return
        for number in range(1, self.life.parts + 1):
            self.add("op", "ok", **self.invoke("put_part", number=number, of=self.life.parts))
        if not self.life.parts:
            self.add("op", "ok", **self.invoke("put_object"))
        if self.life.ending == "cancelled_early":
            op = self.invoke("cancel")
            self.move("cancelled", "api-1")
            self.add("op", "ok", **op)
            return
        ops = [
            self.invoke("complete_upload") for _ in range(self.life.completions if self.life.together else 1)
        ]
        self.move("queued", "api-1")
        for op in ops:
            self.add("op", "ok", status=200, **op)
        for _ in range(0 if self.life.together else self.life.completions - 1):
            self.add("op", "ok", status=200, **self.invoke("complete_upload"))

    def claim(self, worker: str) -> None:
        self.attempt += 1
        self.move("active", worker, worker=worker)
        self.add("stage", stage="inspect", attempt=self.attempt, token=self.attempt)
        unit: dict[str, Any] = {"point": "worker.unit.done", "stage": "frames", "position": self.attempt}
        self.add("point", "reached", process=worker, attempt=self.attempt, **unit)

    def effect(self) -> None:
        facts: dict[str, Any] = {"key": self.name, "attempt": self.attempt, "token": self.attempt}
        self.add("effect", applied=not self.applied, **facts)
        self.applied = True

    def be_hit(self, hit: Hit) -> None:
        """An attempt by a worker of its own, which is hit; afterwards the job is in the queue again."""
        worker = f"worker-{self.name}-{self.attempt + 1}"
        self.add("process", "start", process=worker, role="worker", pid=7)
        self.add("process", "ready", process=worker, role="worker")
        self.claim(worker)
        if hit == "kill_after_effect":
            self.effect()
        name = {"pause": "pause", "drain": "rolling_replace"}.get(hit, "kill")
        fault: dict[str, Any] = {"fault": self.player.faults, "name": name}
        self.player.add(0, "fault", "armed", **fault)
        self.player.faults += 1
        condition = {"wanted": "active_jobs >= 1", "seen": 1, "held": True}
        self.add("fault", "fired", **fault, condition=condition)
        signal = {"pause": "SIGSTOP", "drain": "SIGTERM"}.get(hit, "SIGKILL")
        scope, pid = ("child", 8) if hit == "crash" else ("main", 7)
        self.add("process", "signal", process=worker, signal=signal, scope=scope, sent_to=[pid])
        if hit == "drain":
            self.move("queued", worker)
            facts: dict[str, Any] = {"grace_s": 5.0, "took_s": 0.1}
            self.add("process", "exit", process=worker, code=0, signal=None, expected=True, **facts)
        elif hit not in ("pause", "crash"):
            self.add("process", "exit", process=worker, code=None, signal="SIGKILL", expected=True)
        landed: dict[str, Any] = {"in_flight": 1, "jobs": [self.name], "processes": [worker], "how": "seen"}
        self.add("fault", "landed", **fault, **landed, struck_at_ns=(self.now_ms - 1) * MS)
        if hit != "drain":
            self.now_ms += 50
            used_up = self.life.ending == "used_up" and self.attempt == 3
            mover = worker if hit == "crash" else "sweeper-1"
            self.move("failed" if used_up else "queued", mover, **({"reason": "crashed"} if used_up else {}))
        if hit == "pause":
            self.add("process", "signal", process=worker, signal="SIGCONT", scope="main", sent_to=[7])
            self.add("fault", "healed", **fault)
        outcome = {"drain": "handed_back", "crash": "failed"}.get(hit, "lost")
        self.attempts.append((self.attempt, outcome))
        self.player.last_fault_ms = max(self.player.last_fault_ms, self.now_ms)

    def end(self) -> None:
        """The last attempt, by a worker that nothing happens to."""
        self.claim("worker-0")
        if self.life.ending == "succeeded":
            for _ in range(1 + self.life.repeats):
                self.effect()
            self.move("succeeded", "worker-0")
        elif self.life.ending == "invalid":
            self.move("failed", "worker-0", reason="invalid_media")
        else:
            op = self.invoke("cancel")
            self.move("cancelled", "api-1")
            self.add("op", "ok", **op)
        self.attempts.append((self.attempt, "succeeded" if self.state == "succeeded" else "failed"))

    def play(self) -> None:
        self.upload()
        if self.state != "queued":
            return
        for hit in self.life.hits:
            self.be_hit(hit)
        if self.state == "queued":
            self.end()

    def look(self, at_ms: int) -> None:
        """What the service says of the job in the end, and our own look at it."""
        for before, after, attempt, actor in self.log:
            data: dict[str, Any] = {
                "from": before,
                "to": after,
                "attempt": attempt,
                "token": attempt,
                "actor": actor,
            }
            self.player.add(at_ms, "said", "transitions", self.name, **data)
        for token, outcome in self.attempts:
            self.player.add(at_ms, "said", "attempt", self.name, attempt=token, token=token, outcome=outcome)
        self.player.add(at_ms, "said", "row", self.name, state=self.state)
        self.player.add(at_ms, "said", "api", self.name, state=self.state)
        result = {
            "exists": True,
            "decodes": True,
            "duration_s": 2.0,
            "expected_duration_s": 2.0,
            "sound_behind_s": 0.0,
            "pictures": 20,
            "expected_pictures": 20,
            "streams": ["v"],
        }
        facts: dict[str, Any] = {"result": result if self.state == "succeeded" else None}
        self.player.add(at_ms, "outcome", None, self.name, state=self.state, held=None, **LEFT, **facts)


def history_of(lives: list[Life]) -> History:
    """The history of a run in which these jobs lived side by side."""
    player = _Player()
    demands: dict[str, Any] = {}
    for ending, count in Counter(life.ending for life in lives).items():
        reason = {"reason": REASONS[ending]} if ending in REASONS else {}
        demands[ending] = {"exactly": count, "state": STATES.get(ending, ending), **reason}
    expect: dict[str, Any] = {"every_job_terminal": {"within_s": 20}, "no_job_lost": {}, "outcomes": demands}
    expect["alerts"] = {"fires": ["uploads_waiting"], "quiet": ["orphans"], "ends": ["uploads_waiting"]}
    expect["calls_in_vain"] = {"link": "worker.vision", "most": 2}
    if any(life.hits and life.ending not in NEVER_QUEUED for life in lives):
        expect["rework_within"] = {"units_max": 1}
    for life in lives:
        if life.ending not in NEVER_QUEUED:
            expect.setdefault("latency_within", {})[life.ending] = 60
    player.add(0, "run", "start", expect=expect, budget_s=20.0, promise="effectively_once")
    player.add(0, "process", "start", process="worker-0", role="worker", pid=3)
    for _ in range(2):
        player.add(4, "message", "refused", None, "worker-0", link="worker-0.vision", facts={})
    for at_ms, phase, rule in (
        (5, "quiet", "orphans"),
        (5, "firing", "uploads_waiting"),
        (9, "quiet", "uploads_waiting"),
    ):
        player.add(at_ms, "alert", phase, alert=rule, value=1.0, threshold=0.0)
    player.add(9, "sweep", "begin", run=1, trigger="schedule", actor="scheduler-1")
    player.add(9, "sweep", "end", run=1, trigger="schedule", actor="scheduler-1", state="done", triggered=0)
    jobs = [_Job(player, life, nth) for nth, life in enumerate(lives)]
    for job in jobs:
        job.play()
    player.add(player.last_fault_ms + 1, "run", "budget")
    usage: dict[str, Any] = {"rss_bytes": 50 * MIB, "rss_bytes_max": 80 * MIB, "limit_bytes": 100 * MIB}
    player.add(player.last_ms, "process", "usage", process="worker-0", **usage)
    end_ms = player.last_ms + 10
    for job in jobs:
        job.look(end_ms)
    player.add(end_ms, "run", "end", reason="settled")
    rows = sorted(player.rows, key=lambda row: row[:2])
    if "latency_within" in expect:
        expect["backlog_within"] = {"most": _most_waiting([row[2] for row in rows])}
    return History(tuple(row[2]._replace(number=number) for number, row in enumerate(rows)))


def _most_waiting(events: list[Event]) -> int:
    """How many were queued at the same moment."""
    waiting: set[str | None] = set()
    most = 0
    for event in events:
        if event.kind == "transition":
            (waiting.add if event.data["to"] == "queued" else waiting.discard)(event.job)
            most = max(most, len(waiting))
    return most


def _legal(ending: Ending, hits: list[Hit], **rest: Any) -> Life:
    # Attempts are used up by three crashes; else two may be crashes, and the last one counts, too. Of what is
    # lost five are spared.
    if ending == "used_up":
        hits = ["crash", "crash", "crash"]
    else:
        while hits.count("crash") + max(0, len(hits) - hits.count("crash") - hits.count("drain") - 5) > 2:
            hits = hits[:-1]
    if ending not in ("succeeded", "used_up"):  # its effect would be one of a job that did not succeed
        hits = ["kill" if hit == "kill_after_effect" else hit for hit in hits]
    return Life(ending=ending, hits=tuple(hits), **rest)


ENDINGS: tuple[Ending, ...] = (
    "succeeded", "invalid", "used_up", "cancelled_early", "cancelled_active", "expired",
)  # fmt: skip
HITS: tuple[Hit, ...] = ("crash", "kill", "kill_after_effect", "pause", "drain")

a_life = st.builds(
    _legal,
    ending=st.sampled_from(ENDINGS),
    hits=st.lists(st.sampled_from(HITS), max_size=8),
    parts=st.integers(0, 3),
    completions=st.integers(1, 3),
    together=st.booleans(),
    repeats=st.integers(0, 2),
    start_ms=st.integers(0, 300),
    step_ms=st.integers(2, 40),
)
healthy = st.lists(a_life, min_size=1, max_size=5).map(history_of)

RICH = [
    Life(hits=("kill", "pause"), completions=2, together=True),
    Life(hits=("drain",), start_ms=20, repeats=1),
    Life(parts=2, start_ms=30),
    Life(ending="invalid"),
    Life(ending="used_up", hits=("crash", "crash", "crash")),
    Life(ending="cancelled_active", hits=("drain",)),
    Life(ending="cancelled_early"),
    Life(ending="expired"),
]
