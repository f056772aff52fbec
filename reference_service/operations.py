"""`diagnose` and `reset-stuck`: what an operator asks at three in the morning, and may do about it.

Both are safe at any time and any number of times. `reset-stuck` moves only what no live instance holds, by
the conditional statements with which the sweeper and the workers do it, so that it may race with them.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from reference_service.cleanup import give_back
from reference_service.domain import Job, State
from reference_service.judgement import attempts_max
from reference_service.ports import Unavailable
from reference_service.service import Service, announce_id
from reference_service.store import diagnosis, recovery
from reference_service.store.diagnosis import Unheld
from reference_service.views import printable

Command = Callable[[Service], int]
LISTED_MAX = 20  # stuck jobs in the table; JSON has up to a hundred of each state


def diagnose(arguments: Sequence[str]) -> Command:
    """`diagnose`: reads only; 1 when the queue is away, behind all the rest. Exits with 2 if misused."""
    parser = _parser(
        "diagnose", "Says everything at once: what is stuck, what failed, what waits, who lives."
    )
    given = parser.parse_args(arguments)

    def command(service: Service) -> int:
        found = examine(service)
        problem = found["queue"]["problem"]
        _say(json.dumps(found) if given.json else "\n".join(_page(found)))
        if problem is not None:
            sys.stderr.write(f"diagnose: queue: {problem}\n")
        return 0 if problem is None else 1

    return command


def reset_stuck(arguments: Sequence[str]) -> Command:
    """`reset-stuck`: says what it did, or would do. Exits with 2 if misused."""
    parser = _parser("reset-stuck", "Sets jobs going again that no live instance holds. Any number of times.")
    parser.add_argument("--dry-run", action="store_true", help="say what would be done; write nothing")
    given = parser.parse_args(arguments)

    def command(service: Service) -> int:
        done: list[Done] = []
        try:
            for one in reset(service, dry_run=given.dry_run):
                done.append(one)  # noqa: PERF402  what came before an error has to stay
        except Unavailable:
            if done:  # it was done: whoever reads the error has to know of it
                _say_done(done, given)
            raise
        _say_done(done, given)
        return 0

    return command


# -- diagnose


def examine(service: Service) -> dict[str, Any]:
    """What `diagnose --json` prints. Raises `Unavailable` when the database is away; the queue may be."""
    settings = service.settings
    found = diagnosis.overview(service.store, dead_after_s=settings.instance_dead_after_s)
    depth, problem = None, None
    try:
        depth = service.jobs_queue.depth()
    except Unavailable as error:
        problem = str(error)
    limit = attempts_max(service)
    return {
        "at": found.now,
        "states": [
            {"state": state.value, "jobs": count, "unmoved_s": unmoved_s}
            for state in State
            for count, unmoved_s in (found.states.get(state.value, (0, None)),)
        ],
        "stuck": [
            {**_of(one.job), "state": one.job.state.value, "age_s": one.age_s, "why": one.why}
            for one in stuck(service)
        ],
        "errors": [
            {"reason": reason, "jobs": count, "last_hour": lately, "last_s": last_s}
            for reason, count, lately, last_s in found.errors
        ],
        "queue": {"depth": depth, "problem": problem},
        "outbox": {"waiting": found.outbox[0], "oldest_s": found.outbox[1]},
        "attempts": {
            "max": limit,
            "open_jobs": [{"used": used, "jobs": count} for used, count in found.charged.items()],
        },
        "dependencies": [
            {
                "dependency": one.dependency,
                "is": "asked" if one.open_s is None else "left alone" if one.left_s else "to be looked for",
                "open_s": one.open_s,
                "failures": one.failures,
            }
            for one in found.breakers
        ],
        "instances": [dict(one) for one in found.instances],
    }


def stuck(service: Service) -> Sequence[Unheld]:
    """Jobs that wait for nobody: at most a hundred of each state. Raises `Unavailable`."""
    settings = service.settings
    return [
        *diagnosis.unheld(service.store, dead_after_s=settings.instance_dead_after_s),
        *diagnosis.unheard(service.store, after_s=settings.reconcile_after_s),
        *diagnosis.late(service.store),
    ]


# -- reset-stuck


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """What was done about one job, as it was found."""

    job: Job
    did: str  # requeued, failed, announced; left; overtaken: somebody else was first; found: a dry run
    why: str


def reset(service: Service, *, dry_run: bool) -> Iterator[Done]:
    """Gives back what dead instances held, and announces what nobody heard of. Raises `Unavailable`.

    A job whose upload is late is left to the sweeper, which asks the object store first.
    """
    settings, store = service.settings, service.store

    def active(skip: int) -> Sequence[Unheld]:
        return diagnosis.unheld(store, dead_after_s=settings.instance_dead_after_s, skip=skip)

    def queued(skip: int) -> Sequence[Unheld]:
        return diagnosis.unheard(store, after_s=settings.reconcile_after_s, skip=skip)

    for find, act in ((active, _give_back), (queued, _announce)):
        yield from _each(service, find, act, dry_run=dry_run)
    for one in diagnosis.late(store):
        yield Done(job=one.job, did="left", why=f"{one.why}: the sweeper asks the object store, and decides")


def _each(
    service: Service,
    find: Callable[[int], Sequence[Unheld]],
    act: Callable[[Service, Unheld], str],
    *,
    dry_run: bool,
) -> Iterator[Done]:
    """By the hundred, until nothing new is found. A dry run moves none: it looks behind those it has seen."""
    seen: set[tuple[str, int]] = set()
    while new := [
        one for one in find(len(seen) if dry_run else 0) if (one.job.id, one.job.token) not in seen
    ]:
        seen.update((one.job.id, one.job.token) for one in new)
        for one in new:
            yield Done(job=one.job, did="found" if dry_run else act(service, one), why=one.why)


def _give_back(service: Service, one: Unheld) -> str:
    moved = give_back(service, one.job, only_expired=one.lease_over)
    return "overtaken" if moved is None else "requeued" if moved.state is State.QUEUED else "failed"


def _announce(service: Service, one: Unheld) -> str:
    if not recovery.announce_again(service.store, one.job.id, after_s=service.settings.reconcile_after_s):
        return "overtaken"
    announce_id(service, one.job.id)
    return "announced"


# -- what is printed


def _say_done(done: Sequence[Done], given: argparse.Namespace) -> None:
    if given.json:
        _say(json.dumps({"dry_run": given.dry_run, "jobs": [_view(one) for one in done]}))
    else:
        _say("\n".join([*(_line(one) for one in done), _summary(done, dry_run=given.dry_run)]))


def _parser(name: str, description: str) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog=f"python -m reference_service {name}", description=description)
    parser.add_argument("--json", action="store_true", help="print JSON")
    return parser


def _of(job: Job) -> dict[str, Any]:
    return {
        "id": job.id,
        "name": job.name,
        "tenant": job.tenant,
        "attempt": job.attempt,
        "worker": job.worker,
    }


def _view(one: Done) -> dict[str, Any]:
    return {**_of(one.job), "state": one.job.state.value, "did": one.did, "why": one.why}


def _line(one: Done) -> str:
    return f"{one.job.id}  {one.job.state.value}  {one.did}: {one.why}"


def _summary(done: Sequence[Done], *, dry_run: bool) -> str:
    counts: dict[str, int] = {}
    for one in done:
        counts[one.did] = counts.get(one.did, 0) + 1
    said = ", ".join(f"{count} {did}" for did, count in sorted(counts.items())) or "nothing is stuck"
    return f"would look at: {said}" if dry_run and done else said


def _page(found: dict[str, Any]) -> Iterator[str]:
    waiting, oldest_s = found["outbox"]["waiting"], found["outbox"]["oldest_s"]
    depth = found["queue"]["depth"]
    yield from _table("states", ("state", "jobs", "unmoved_s"), found["states"])
    shown = found["stuck"][:LISTED_MAX]
    yield from _table(
        f"stuck: {len(found['stuck'])}", ("id", "state", "age_s", "tenant", "name", "why"), shown
    )
    if len(shown) < len(found["stuck"]):
        yield f"  and {len(found['stuck']) - len(shown)} more: see --json"
    yield from _table("errors", ("reason", "jobs", "last_hour", "last_s"), found["errors"])
    yield f"queue: {'away' if depth is None else f'{depth} events'}"
    yield f"outbox: {waiting} events wait" + (
        "" if oldest_s is None else f", the oldest for {oldest_s:.0f} s"
    )
    limit = found["attempts"]["max"]
    title = "attempts used, of " + ("no limit" if limit is None else str(limit))
    yield from _table(title, ("used", "jobs"), found["attempts"]["open_jobs"])
    away = [one for one in found["dependencies"] if one["open_s"] is not None]
    yield from _table(
        f"dependencies that do not answer: {len(away)}", ("dependency", "is", "open_s", "failures"), away
    )
    columns = ("role", "instance", "pid", "up_s", "heard_s", "jobs", "address")
    yield from _table(f"live instances: {len(found['instances'])}", columns, found["instances"])


def _table(title: str, columns: Sequence[str], rows: Sequence[dict[str, Any]]) -> Iterator[str]:
    yield title
    if not rows:
        return
    cells = [list(columns), *([_cell(row[column]) for column in columns] for row in rows)]
    widths = [max(len(line[at]) for line in cells) for at in range(len(columns))]
    for line in cells:
        yield "  " + "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()


def _cell(value: object) -> str:
    if isinstance(value, float):
        return f"{value:.0f}"
    return "-" if value is None else printable(str(value))


def _say(text: str) -> None:
    print(text, flush=True)  # noqa: T201  for the operator
