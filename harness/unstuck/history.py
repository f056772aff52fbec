"""The recorded history of a run: one event a line, in the order in which the harness saw them.

`History` is data; checks are pure functions over it. Each line of `history.jsonl` is one object:

    {"i": 17, "t": 1403220117, "kind": "transition", "phase": null, "job": "j-…", "process": null,
     "data": {"from": "queued", "to": "active", "attempt": 1, "token": 3}}

`i` counts from 0 without gaps; `t` is nanoseconds of the monotonic clock since the run began, when
the thing happened as far as that is known (a database trigger's stamp, a proxy's), so `t` may step
back between sources; order is promised per job and source only.

kind / phase and what `data` holds (keys marked ? may be absent):

run         start: scenario, case, parameters, seed, world, target, version, date, host,
                   expect, budget_s, promise
            budget: every fault is healed and every role is up: the recovery budget starts here
            end: reason (`settled` all jobs terminal | `budget` it ran out | `interrupted` | `error`),
                 error?
clock       stepped: by_s (the wall clock jumped; the run is inconclusive)
op          invoke | ok | fail | info: id, client, action, error?, status?, and the op's own values.
            Actions: initiate_upload, put_object, put_part, complete_upload, cancel, retry,
            publish_event. `job` is known from the ok of initiate_upload on. `fail` = definitely not
            done, `info` = unknown.
fault       armed | fired | landed | healed | missed: fault (index in the scenario), name, and
            phase's own facts; fired: trigger (index of the event that fired it), condition (what
            `while:` demanded and the value seen, `held` bool); landed: how (what was seen),
            in_flight (jobs that were not terminal at that moment)
transition  as the harness's own database trigger saw a job's row change (source of truth for order):
            from (null at creation), to, attempt, token, reason?, worker?, tenant?
stage       the row's stage changed, same source: stage, attempt, token
said        what the service says of itself. phase = transitions (its own log: from, to, attempt,
            token, actor) | attempt (its attempts log at the end: attempt, token, instance, outcome,
            reason?, peak_rss_bytes?) | api (a job as its API shows it: state, stage?) |
            row (its jobs row at the end: state, reason?, attempt, token, result_prefix?)
effect      the downstream sink received one: key, attempt, token, applied (false: same key again)
outcome     our own final look at a job: state, held (`lease` | `queue` | `upload` | null: nowhere),
            result? {exists, decodes, duration_s, expected_duration_s, streams, problem?}
process     start: role, pid, version | ready | signal: signal, scope, sent_to | exit: code?, signal?,
            expected (the harness asked for it), grace_s?, took_s?, oom_kills? | restart: number |
            usage: rss_bytes, rss_bytes_max, limit_bytes? | refused: status 503 answered while draining
point       reached | released: point, stage?, attempt?, directive
message     a message that a link's rule matched: link, label, nth, action; or (phase=`seen`) of interest
evidence    anything else a property needs, named by phase, e.g. `received` (a message id left the
            queue), `notification` (bucket configuration as read back)
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

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
