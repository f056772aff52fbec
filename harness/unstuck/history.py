"""The recorded history of a run: one event a line, in the order in which the harness saw them.

`History` is data; checks are pure functions over it. Each line of `history.jsonl` is one object:

    {"i": 17, "t": 1403220117, "kind": "transition", "phase": null, "job": "j-…", "process": null,
     "data": {"from": "queued", "to": "active", "attempt": 1, "token": 3}}

`i` counts from 0 without gaps; `t` is nanoseconds of the monotonic clock since the run began, when
the thing happened as far as that is known (a database trigger's stamp, a proxy's), so `t` may step
back between sources; order is promised per job and source only.

kind / phase and what `data` holds (keys marked ? may be absent):

run         start: scenario, case, parameters, seed, world, target, version, date, host,
                   expect, budget_s, promise, faults? (one object a fault of the plan, in order of
                   its index: name); of a declared target also sampled, effects_seen, reasons_seen,
                   absent, timings (what it declares: job_s, lease_s, recovery_period_s)
            budget: every fault is healed and every role is up: the recovery budget starts here, and
                   again when a fault strikes or is healed later; the last one counts
            follow: for_s (the budget is over and was not enough: from here on is only looked on)
            end: reason (`settled` all jobs terminal | `budget` it ran out | `interrupted` | `error`),
                 error?
clock       stepped: by_s (the wall clock jumped; the run is inconclusive)
op          invoke | ok | fail | info: id, client, action, error?, status?, and the op's own values.
            Actions: initiate_upload, put_object, put_part, complete_upload, cancel, retry,
            publish_event. `job` is known from the ok of initiate_upload on. `fail` = definitely not
            done, `info` = unknown.
fault       armed | fired | struck | landed | healed | missed: fault (index in the scenario), name, and
            phase's own facts; from fired on: blow? (which of the fault's blows, from 1: they overlap
            when it strikes each time); armed: setup (it strikes before the first client begins); fired:
            trigger (index of the event that fired it), condition (what `while:` demanded and the
            value seen, `held` bool); landed: how (what was seen), in_flight (how many jobs were not
            terminal when it struck), struck_at_ns?, jobs? and processes? (lists of whom it hit);
            missed: why. `job` and `process` are those of the trigger's place
transition  as the harness's own database trigger saw a job's row change (source of truth for order):
            from (null at creation), to, attempt, token, stage?, reason?, worker?, tenant?, tag?,
            by? (`operator`: a fault's own statement moved it, past the service), restored? (true: it is as
            a back-up has it)
            Of a declared target: sampled (true: what lies between two looks was not seen), source
            (client | ledger | look), unseen_s? (how long nobody had looked); token is the attempt then
attempt     begin | end: a job of a declared target said so itself, to the ledger: attempt (which of its
            starts, from 1), pid?, said? (the number that the system counts)
alert       firing | quiet: a rule of the service was evaluated for the first time, or has changed: alert
            (its name), value, threshold. From the harness's own trigger on the service's record
sweep       begin | end: a recovery sweep of the service, from the harness's own trigger on its record: run,
            trigger, actor; end: state, found, triggered, skipped, failed | pause (an operator was answered
            that recovery is paused) | resume (an operator is about to ask for it)
stage       the row's stage changed, same source: stage? (absent: none any more), attempt, token
said        what the service says of itself. phase = transitions (its own log: from, to, attempt,
            token, actor) | attempt (its attempts log at the end: attempt, token, instance, outcome,
            reason?, peak_rss_bytes?, stage_peaks?, units?) | api (a job as its API shows it) |
            row (its jobs row at the end: state, reason?, attempt, token, result_prefix?)
effect      the downstream sink received one: key, attempt, token, applied (false: same key again)
outcome     our own final look at a job: state, held (`lease` | `queue` | `upload` | `registry` |
            `dead_letter` | `process` | null: nowhere), raw? (its own word), unmapped? (one that no
            map has), reason?, left? {rows, objects} (of its checkpoints, once it has ended), result?
            {exists, decodes, duration_s, expected_duration_s, streams, problem?}
process     start: role, pid, version, how (`fork` | `exec`), limit_bytes?, limit_kind? (`cgroup` |
            `rlimit_as` | `service`) | ready: pid, after_s | signal: signal, scope, sent_to | exit: pid,
            code?, signal?, expected (the harness asked for it), grace_s?, took_s?, oom_kills?,
            restart? (why there is none), problem? | restart: number | usage: rss_bytes,
            rss_bytes_max, limit_bytes?, limit_kind?, oom_kills?, unlive? | refused: status, method
point       reached | released: point, stage?, attempt?, directive
message     what a link saw or did at a message that a rule names: matched | held | released | done |
            refused | unanswered | unframed | broken: link, rule, label, nth, action, on, connection,
            exchange, outcome?, facts; unanswered: link, label, does (its kind), connection, exchange, facts;
            where each one is recorded: seen: the same, on, idle; poisoned: the first bytes came to a
            toxic: link, label (its name), facts (what it is)
evidence    anything else that was read: messages (link, counts: label -> requests that came through
            it in this run, matter: label -> messages that matter), waited_in_vain (a client's step:
            wanted, seen), not_quiet (after_s: events were still under way at the final look), roles_down
            (roles, after_s: they crash as often as they start), gone (`job`: a back-up was restored that does
            not know it); of a declared target: unmapped (state),
            no_id (answer), same_id, ledger (problem, line), blind (why), sighted, foreign_clock (said_ns)
"""

from __future__ import annotations

import errno
import json
import os
import threading
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple, NoReturn

from unstuck import clock
from unstuck.collector import collector_paused
from unstuck.errors import HarnessError, UsageError

EMPTY: Mapping[str, Any] = MappingProxyType({})


class Event(NamedTuple):
    """One line of a history; the module's docstring says what each kind carries."""

    number: int
    at_ns: int
    kind: str
    phase: str | None = None
    job: str | None = None
    process: str | None = None
    data: Mapping[str, Any] = EMPTY


@dataclass(frozen=True, slots=True)
class History:
    """A run as recorded. `cut` says where a crash of the harness cut the file; None: it is whole."""

    events: tuple[Event, ...]
    cut: str | None = None


Subscriber = Callable[[Event], None]


class Recorder:
    """Appends events to a new `history.jsonl`; safe to use from any number of threads.

    Each event is one write of one whole line, so a kill -9 loses at most the last line. The caller
    closes. `now_ns` is the clock of the run (the sim hands in its virtual one); `start_ns` is what that
    clock said when the run began.

    Raises `UsageError` when the file cannot be made.
    """

    def __init__(self, path: Path, start_ns: int, *, now_ns: Callable[[], int] = clock.monotonic_ns) -> None:
        self.path = path
        self.failure: UsageError | None = None  # why nothing is written any more
        self._start_ns = start_ns
        self._now_ns = now_ns
        self._lock = threading.Lock()
        self._next = 0
        self._size = 0
        self._subscribers: list[Subscriber] = []
        self._undelivered: deque[Event] = deque()
        self._delivering = False
        try:
            self._file: int | None = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND, 0o644)
        except OSError as error:
            raise UsageError(
                f"history: path={str(path)!r} cannot be made ({error.strerror}). Give a new, writable folder."
            ) from None

    def subscribe(self, callback: Subscriber) -> None:
        """From now on `callback` gets every event once, in order, after it was written.

        It runs in a thread that records, mostly the one that recorded the event, and never two at a
        time. It may record: those events come after.
        """
        with self._lock:
            self._subscribers.append(callback)

    def record(
        self,
        kind: str,
        phase: str | None = None,
        *,
        job: str | None = None,
        process: str | None = None,
        at_ns: int | None = None,
        **data: Any,
    ) -> Event:
        """Appends one event and returns it. `at_ns` is on the recorder's clock (the monotonic one of
        the machine), not of the run; None: now.

        Raises `UsageError` once when the disk is full or fails; what was written before stays whole,
        and from then on events are only handed to subscribers (`failure` says why). Raises
        `HarnessError` for a value that JSON cannot hold.
        """
        try:
            rest = json.dumps(
                {"kind": kind, "phase": phase, "job": job, "process": process, "data": data},
                ensure_ascii=False,
                allow_nan=False,
                separators=(",", ":"),
            )
            tail = rest[1:].encode()
        except (TypeError, ValueError) as error:
            raise HarnessError(
                f"history: kind={kind!r} phase={phase!r} holds what JSON cannot ({error}). Use plain values."
            ) from None
        failed = False
        with self._lock:
            stamp_ns = (self._now_ns() if at_ns is None else at_ns) - self._start_ns
            event = Event(self._next, stamp_ns, kind, phase, job, process, data)
            self._next += 1
            if self.failure is None:
                failed = not self._append(b'{"i":%d,"t":%d,%b\n' % (event.number, stamp_ns, tail))
            self._undelivered.append(event)
        self._deliver()
        if failed and self.failure is not None:
            raise self.failure
        return event

    def close(self) -> None:
        """Idempotent. Later events are handed to subscribers only."""
        with self._lock:
            if self._file is not None:
                os.close(self._file)
                self._file = None

    def _append(self, line: bytes) -> bool:
        """False when the disk would not take the line; then the file ends with the line before."""
        if self._file is None:
            return True
        written = 0
        try:
            while written < len(line):
                written += os.write(self._file, line[written:])
        except OSError as error:
            os.ftruncate(self._file, self._size)
            full = error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
            step = "Free some space and run again." if full else "Look at the disk."
            self.failure = UsageError(
                f"history: path={str(self.path)!r} takes no more ({error.strerror}). {step}"
            )
            return False
        self._size += written
        return True

    def _deliver(self) -> None:
        # Not under the lock, since a subscriber may record. Order is kept by letting one thread deliver:
        # 1. A appends 5.  2. B appends 6.  3. B finds A delivering and returns.  4. A delivers 5, then 6.
        while True:
            with self._lock:
                if self._delivering or not self._undelivered:
                    return
                self._delivering = True
                event = self._undelivered.popleft()
                subscribers = tuple(self._subscribers)
            try:
                for callback in subscribers:
                    callback(event)
            finally:
                with self._lock:
                    self._delivering = False


def read_history(path: Path) -> History:
    """The events of a recorded run, checked. A last line without its newline (a crash cut it) is left out,
    and `cut` says so. Raises `UsageError` with `path:line` for anything else that is not as this module says,
    and for a file that cannot be read.
    """
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise UsageError(
            f"{path}: cannot be read ({error.strerror}). Give the folder of a run, or its history.jsonl."
        ) from None
    lines = raw.split(b"\n")
    del raw
    rest = lines.pop()
    cut = f"line {len(lines) + 1} is cut; read up to there" if rest else None
    with collector_paused():
        events: list[Event] = []
        for first in range(0, len(lines), _CHUNK):
            chunk = lines[first : first + _CHUNK]
            _parse_into(events, chunk, first, path)
    return History(tuple(events), cut)


_CHUNK = 512  # lines parsed at once: json shares the names of keys within one call
_KEYS = ("i", "t", "kind", "phase", "job", "process", "data")
_TEXT = (str,)
_TEXT_OR_NONE = (str, type(None))
_WHOLE = (int,)
_FLAG = (bool,)
_OBJECT = (dict,)

_NOTHING: tuple[tuple[str, tuple[type, ...]], ...] = ()
_A_MOVE = (("from", _TEXT_OR_NONE), ("to", _TEXT), ("attempt", _WHOLE), ("token", _WHOLE))
_AN_OP = (("id", (str, int)), ("action", _TEXT))
_A_FAULT = (("fault", _WHOLE), ("name", _TEXT))

# What checks rely on without asking; the rest of `data` they read with care.
_NEEDED: Mapping[tuple[str, str | None], tuple[tuple[str, tuple[type, ...]], ...]] = {
    ("transition", None): _A_MOVE,
    ("said", "transitions"): _A_MOVE,
    ("said", "attempt"): (("attempt", _WHOLE), ("token", _WHOLE)),
    ("said", "api"): (("state", _TEXT),),
    ("said", "row"): (("state", _TEXT),),
    ("stage", None): (("attempt", _WHOLE), ("token", _WHOLE)),
    ("effect", None): (("key", _TEXT), ("attempt", _WHOLE), ("token", _WHOLE), ("applied", _FLAG)),
    **{("attempt", phase): (("attempt", _WHOLE),) for phase in ("begin", "end")},
    ("outcome", None): (("state", _TEXT_OR_NONE), ("held", _TEXT_OR_NONE)),
    **{("alert", phase): (("alert", _TEXT),) for phase in ("firing", "quiet")},
    **{("sweep", phase): (("run", _WHOLE),) for phase in ("begin", "end")},
    ("clock", "stepped"): (("by_s", (int, float)),),
    **{("op", phase): _AN_OP for phase in ("invoke", "ok", "fail", "info")},
    **{("fault", phase): _A_FAULT for phase in ("armed", "fired", "landed", "healed", "missed")},
}
_OF_A_JOB = frozenset({"transition", "stage", "said", "attempt", "effect", "outcome"})
_OF_A_PROCESS = frozenset({"process"})


def _parse_into(events: list[Event], chunk: list[bytes], first: int, path: Path) -> None:
    try:
        rows = json.loads(b"[" + b",".join(chunk) + b"]")
        whole = len(rows) == len(chunk)
    except (ValueError, RecursionError):
        whole = False
    if not whole:  # some line is bad: find it, so that the message can name it
        rows = [_parse_line(line, path, first + nth + 1) for nth, line in enumerate(chunk)]
    keep, make = events.append, tuple.__new__  # the fast way to make a named tuple
    for number, row in enumerate(rows, first):
        try:
            values = (number, row["t"], row["kind"], row["phase"], row["job"], row["process"], row["data"])
            _, at_ns, kind, phase, job, process, data = values
            sound = (
                row["i"] == number
                and type(row["i"]) is int
                and type(at_ns) is int
                and type(kind) is str
                and (type(phase) is str or phase is None)
                and (type(job) is str or (job is None and kind not in _OF_A_JOB))
                and (type(process) is str or (process is None and kind not in _OF_A_PROCESS))
                and type(data) is dict
                and len(row) == len(_KEYS)
            )
            for name, types in _NEEDED.get((kind, phase), _NOTHING):
                if type(data[name]) not in types:
                    sound = False
        except (TypeError, KeyError):
            sound = False
        if not sound:
            _reject(row, number, path)
        keep(make(Event, values))


def _parse_line(line: bytes, path: Path, number: int) -> Any:
    where = f"{path}:{number}"
    try:
        return json.loads(line.decode())
    except UnicodeDecodeError as error:
        raise UsageError(f"{where}: byte {error.start} is not UTF-8. Give a history as recorded.") from None
    except RecursionError:
        raise UsageError(f"{where}: nested too deeply. Give a history as recorded.") from None
    except ValueError as error:
        raise UsageError(f"{where}: is not JSON ({error}). Give a history as recorded.") from None


def _reject(row: Any, number: int, path: Path) -> NoReturn:
    """Says what is wrong with a row that is known to be wrong."""
    fault = _shape_fault(row, number) or _data_fault(row)
    raise UsageError(f"{path}:{number + 1}: {fault} Give a history as recorded.")


def _shape_fault(row: Any, number: int) -> str | None:
    if type(row) is not dict:
        return f"is {_words((type(row),))}, not an object."
    if missing := [key for key in _KEYS if key not in row]:
        return f"{missing[0]} is missing."
    if unknown := [key for key in row if key not in _KEYS]:
        return f"{unknown[0]!r} is unknown."
    if type(row["i"]) is not int or row["i"] != number:
        return f"i={row['i']!r} must be {number}: lines are missing or moved."
    types = {"t": _WHOLE, "kind": _TEXT, "phase": _TEXT_OR_NONE, "data": _OBJECT}
    return _type_fault(row, types)


def _data_fault(row: Any) -> str | None:
    kind, phase, data = row["kind"], row["phase"], row["data"]
    owners = {
        "job": _TEXT if kind in _OF_A_JOB else _TEXT_OR_NONE,
        "process": _TEXT if kind in _OF_A_PROCESS else _TEXT_OR_NONE,
    }
    if fault := _type_fault(row, owners):
        return fault
    needed = dict(_NEEDED[kind, phase])
    if missing := [name for name in needed if name not in data]:
        return f"data.{missing[0]} is missing in an event of kind={kind!r}."
    return _type_fault(data, needed, "data.")


def _type_fault(row: Any, rules: Mapping[str, tuple[type, ...]], prefix: str = "") -> str | None:
    for name, types in rules.items():
        if type(row[name]) not in types:
            return f"{prefix}{name}={row[name]!r} must be {_words(types)}."
    return None


_WORDS = {
    str: "text",
    int: "a whole number",
    float: "a number",
    bool: "true or false",
    dict: "an object",
    list: "a list",
}


def _words(types: tuple[type, ...]) -> str:
    return " or ".join(_WORDS.get(kind, "null") for kind in types)
