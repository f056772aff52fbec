"""What is known of each job of a declared target, folded from three witnesses, and told to the history.

The witnesses: a client that was told of a job; the ledger, to which the job itself reports begin and end;
and looks at the system from time to time. A look is a sample: what lies between two looks is not seen, so
moves carry `sampled`. With a ledger, `active` means that an attempt has begun: a system may count a job as
active that it has only put aside for a worker.

A look may be older than what the ledger has said since:
1. we read the queue, and the job is in it  2. a worker takes it and begins  3. we act on what we read.
So what was read before the last word about a job is dropped; the next look will see. The same holds for the
client's word: 1. we look, and there is no such job  2. a client hands it over  3. we would take it for gone.

And the other way round, where reports come by a file: 1. a job begins and ends, and writes both  2. we read
that it has succeeded  3. we read the file, and it begins. So who looks reads the file between 2 and `saw`.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from unstuck.scenario import TERMINAL_STATES
from unstuck.targets.declared.file import Absent
from unstuck.targets.port import Emit

RESTS = (
    20  # looks: a job that has ended, and that nobody takes up again by itself, is looked at once in so many
)
RESTING = frozenset({None, "dead_letter"})  # where nobody does


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What a look has found of one job; all None: no source knows it. `raw` is in the system's own words."""

    state: str | None = None
    held: str | None = None
    raw: str | None = None
    reason: str | None = None  # why it failed
    unmapped: str | None = None  # a word of the system that the file's map lacks


NOWHERE = Seen()


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """One line of the ledger. `at_ns` is on the machine's monotonic clock; None: when it was read."""

    job: str
    event: str  # begin | end
    key: str | None = None
    attempt: int | None = None  # as the system counts
    process: str | None = None
    pid: int | None = None
    at_ns: int | None = None


@dataclass(frozen=True, slots=True)
class Attempt:
    """An attempt that has begun and not reported its end."""

    number: int
    process: str | None
    pid: int | None


@dataclass(slots=True)
class _Job:
    tag: str | None = None
    state: str | None = None
    held: str | None = None
    raw: str | None = None
    reason: str | None = None  # why it failed; a system may say that after the state
    unread: str | None = None  # a word that the map lacks, in the last look
    begun: int = 0
    newest: dict[tuple[str | None, int | None], int] = field(default_factory=dict)  # place -> attempt
    ended: int = 0
    open: list[Attempt] = field(default_factory=list)
    changed_ns: int = 0  # when a client or the ledger last spoke of it
    looked_ns: int = 0  # when the last look began that said something of it
    acknowledged: bool = False
    unmapped: set[str] = field(default_factory=set)


class Tracker:
    """Safe to use from any thread; events are emitted in the order in which things were learnt.

    `outcomes` is its last word: afterwards nothing is taken any more.
    """

    def __init__(
        self, emit: Emit, *, now_ns: Callable[[], int], has_ledger: bool, begins: bool, absent: Absent
    ) -> None:
        """`has_ledger`: effects are seen; `begins`: and begins of attempts, too."""
        self._emit = emit
        self._begins = begins
        self._now_ns = now_ns
        self._has_ledger = has_ledger
        self._absent = absent
        self._lock = threading.RLock()
        self._jobs: dict[str, _Job] = {}
        self._keys: set[tuple[str, str]] = set()  # job and key of what was applied
        self._began_ns = now_ns()
        self._foreign_clock = False  # a report was stamped by a clock that is not ours
        self._over = False

    def jobs(self) -> list[str]:
        """All that are known, in the order in which they were heard of."""
        with self._lock:
            return list(self._jobs)

    def due(self, nth: int) -> list[str]:
        """Those to look at in the `nth` look: the others have ended, and each of them has its turn."""
        with self._lock:
            return [
                job
                for at, (job, known) in enumerate(self._jobs.items())
                if known.state not in TERMINAL_STATES
                or known.held not in RESTING
                or at % RESTS == nth % RESTS
            ]

    def missing(self) -> frozenset[str]:
        """Those that have not ended, and that the last look has seen held nowhere."""
        with self._lock:
            return frozenset(job for job, known in self._jobs.items() if known.held is None and _open(known))

    def all_ended(self) -> bool:
        with self._lock:
            return not any(_open(known) for known in self._jobs.values())

    def expect(self, job: str, tag: str) -> None:
        """A client is about to hand it over under an id of our own: it may come to exist."""
        with self._lock:
            self._jobs.setdefault(job, _Job()).tag = tag

    def acknowledge(self, job: str, tag: str) -> bool:
        """A client was told of it: from now on somebody has to do it. False when one was told before."""
        with self._lock:
            if self._over:
                return True
            known = self._jobs.setdefault(job, _Job())
            known.tag = tag
            if known.acknowledged:
                return False
            known.acknowledged = True
            known.changed_ns = self._now_ns()
            self._exists(job, known)
            return True

    def record(self, record: Record) -> bool:
        """Takes a line of the ledger. False for the end of what was applied under that key before."""
        with self._lock:
            if self._over:
                return False
            known = self._jobs.setdefault(record.job, _Job())
            at_ns = self._stamp(record)
            self._exists(record.job, known, at_ns)
            known.changed_ns = self._now_ns()
            if record.event == "begin":
                self._begin(record, known, at_ns)
                return True
            return self._end(record, known, at_ns)

    def effect(self, job: str, key: str) -> None:
        """An effect was found where the target file says that effects are; once for each key."""
        self.record(Record(job=job, event="end", key=key))

    def saw(self, job: str, seen: Seen, read_ns: int) -> None:
        """Takes what a look that began at `read_ns` has found of a job."""
        with self._lock:
            known = self._jobs.get(job)
            if known is None or read_ns < known.changed_ns or self._over:
                return
            if seen.unmapped is not None and seen.unmapped not in known.unmapped:
                known.unmapped.add(seen.unmapped)
                self._emit("evidence", "unmapped", job=job, state=seen.unmapped)
            if not known.acknowledged and known.state is None and seen == NOWHERE:
                return  # it may never have come to exist
            known.held, known.raw, known.unread = seen.held, seen.raw, seen.unmapped
            known.reason = known.reason if seen.reason is None else seen.reason
            state = self._judged(known, seen)
            if state is not None:
                self._exists(job, known)
                if state != known.state:
                    self._move(job, known, state, None, "look", reason=seen.reason)
            known.looked_ns = read_ns

    def open_attempts(self) -> dict[str, list[Attempt]]:
        """Job -> attempts that have begun and not ended, of which some may be dead."""
        with self._lock:
            return {job: list(known.open) for job, known in self._jobs.items() if known.open}

    def held(self) -> dict[str, str | None]:
        """Job -> where the last look has seen it held."""
        with self._lock:
            return {job: known.held for job, known in self._jobs.items()}

    def states(self) -> dict[str, str | None]:
        """Job -> its state as far as it is known; None: it may never have come to exist."""
        with self._lock:
            return {job: known.state for job, known in self._jobs.items()}

    def begun(self, job: str) -> int:
        with self._lock:
            return self._jobs[job].begun if job in self._jobs else 0

    def outcomes(self, alive: Callable[[Attempt], bool]) -> dict[str, Mapping[str, Any]]:
        """Job -> what the final look says of it; an attempt that still lives holds its job."""
        with self._lock:
            self._over = True
            found: dict[str, Mapping[str, Any]] = {}
            for job, known in self._jobs.items():
                if known.state is None:
                    continue  # a client asked for it, and nobody ever saw it
                held = known.held
                over = known.state in TERMINAL_STATES
                if held is None and not over and any(alive(attempt) for attempt in known.open):
                    held = "process"
                if held is None and self._absent == "unknown" and not over:
                    held = "unknown"  # it may wait where we cannot look
                facts: dict[str, Any] = {"state": known.state, "held": held}
                if known.raw is not None:
                    facts["raw"] = known.raw
                if known.reason is not None and known.state == "failed":
                    facts["reason"] = known.reason
                if known.unread is not None and known.state not in TERMINAL_STATES:
                    facts["unmapped"] = known.unread
                found[job] = facts
            return found

    # Inside, under the lock

    def _judged(self, known: _Job, seen: Seen) -> str | None:
        """The canonical state that a look amounts to; None: nothing new."""
        if seen.state == "active" and self._begins:
            # Put aside, and not begun; also once more, after it had ended.
            return "queued" if known.begun == 0 or known.state in TERMINAL_STATES else None
        if seen.state is not None:
            return seen.state
        if seen.held is None and seen.unmapped is None and self._absent == "succeeded":
            return "succeeded" if known.ended or not self._has_ledger else None
        return None

    def _exists(self, job: str, known: _Job, at_ns: int | None = None) -> None:
        if known.state is None:
            self._move(job, known, "queued", at_ns, "client" if known.acknowledged else "look")

    def _stamp(self, record: Record) -> int:
        """When it was reported: now, unless the report says so by our clock."""
        now_ns = self._now_ns()
        if record.at_ns is None or self._began_ns <= record.at_ns <= now_ns:
            return now_ns if record.at_ns is None else record.at_ns
        if not self._foreign_clock:
            self._foreign_clock = True
            self._emit(
                "evidence", "foreign_clock", job=record.job, process=record.process, said_ns=record.at_ns
            )
        return now_ns

    def _begin(self, record: Record, known: _Job, at_ns: int) -> None:
        known.begun += 1
        attempt = Attempt(known.begun, record.process, record.pid)
        known.open.append(attempt)
        known.newest[attempt.process, attempt.pid] = attempt.number
        self._emit(
            "attempt", "begin", job=record.job, process=record.process, at_ns=at_ns,
            **_given(attempt=known.begun, pid=record.pid, said=record.attempt),
        )  # fmt: skip
        self._move(record.job, known, "active", at_ns, "ledger", worker=record.process)

    def _end(self, record: Record, known: _Job, at_ns: int) -> bool:
        known.ended += 1
        number = self._close(record, known)
        key = record.key or record.job
        applied = record.key is None or (record.job, key) not in self._keys
        self._keys.add((record.job, key))
        self._emit(
            "attempt", "end", job=record.job, process=record.process, at_ns=at_ns,
            **_given(attempt=number, pid=record.pid, said=record.attempt),
        )  # fmt: skip
        self._emit(
            "effect", job=record.job, at_ns=at_ns, key=key, attempt=number, token=number, applied=applied
        )
        return applied

    @staticmethod
    def _close(record: Record, known: _Job) -> int:
        """The number of the attempt that ends: that of the same process, else the newest."""
        for attempt in reversed(known.open):
            if (record.pid, record.process) == (attempt.pid, attempt.process):
                known.open.remove(attempt)
                return attempt.number
        return known.open.pop().number if known.open and record.pid is None else max(1, known.begun)

    def _move(
        self,
        job: str,
        known: _Job,
        state: str,
        at_ns: int | None,
        source: str,
        *,
        worker: str | None = None,
        reason: str | None = None,
    ) -> None:
        before, known.state = known.state, state
        unseen_s = None
        if source == "look" and before is not None:
            # The client's and the ledger's word are as good as a look.
            unseen_s = (self._now_ns() - max(known.looked_ns, known.changed_ns)) / 1e9
        if state in TERMINAL_STATES and source == "look":
            known.open = [attempt for attempt in known.open if _may_go_on(attempt, known)]
        self._emit(
            "transition", job=job, at_ns=at_ns,
            **{"from": before}, to=state, attempt=known.begun, token=known.begun, sampled=True, source=source,
            **_given(worker=worker, tag=known.tag, reason=reason, unseen_s=unseen_s),
        )  # fmt: skip


def _open(known: _Job) -> bool:
    return known.state is not None and known.state not in TERMINAL_STATES


def _may_go_on(attempt: Attempt, known: _Job) -> bool:
    """Whether an attempt that has not ended may still have its effect, although its job is terminal.

    1. a worker is paused in the middle of a job  2. another one does the job to its end  3. the first wakes,
    and goes on. But a process that has begun the job anew since has given the older attempt up.
    """
    if attempt.pid is None:
        return attempt.number > known.ended
    return known.newest[attempt.process, attempt.pid] == attempt.number


def _given(**values: Any) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value is not None}
