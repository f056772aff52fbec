"""What the alerts measure, in one question to the database, and the record of when each fired.

A row of `alerts` is a time in which a rule fired, or was quiet; the newest one of a rule is in force. Any
number of processes may evaluate at the same time: each change is one insert under the next number, of which
the primary key lets one through.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, and_, bindparam, case, delete, func, or_, select, text, update
from sqlalchemy.engine import Connection

from reference_service.domain import State
from reference_service.store.core import Store
from reference_service.store.tables import (
    alerts,
    breakers,
    database_now,
    instances,
    jobs,
    outbox,
    recovery_control,
    recovery_runs,
)

FIRING, QUIET = "firing", "quiet"


@dataclass(frozen=True, slots=True, kw_only=True)
class Spell:
    """One row of `alerts`. Times are the database's; `evaluated_at` is when the rule was last looked at."""

    name: str
    number: int
    state: str
    value: float
    threshold: float
    since: float
    evaluated_at: float


def waiting_uploads(window: str) -> ColumnElement[Any]:
    """Jobs that have awaited their upload for longer than the window."""
    return (
        select(func.count())
        .select_from(jobs)
        .where(
            jobs.c.state == State.AWAITING_UPLOAD,
            jobs.c.created_at < database_now() - bindparam(window),
        )
        .scalar_subquery()
    )


def failures(window: str) -> ColumnElement[Any]:
    """Jobs that have failed within the window: nothing moves a failed job, so its last move is its end."""
    return (
        select(func.count())
        .select_from(jobs)
        .where(jobs.c.state == State.FAILED, jobs.c.updated_at > database_now() - bindparam(window))
        .scalar_subquery()
    )


def orphans(window: str) -> ColumnElement[Any]:
    """Jobs that nobody holds and that have not moved for the window, of all tenants."""
    return (
        select(func.count())
        .select_from(jobs)
        .where(
            jobs.c.updated_at < database_now() - bindparam(window),
            or_(
                jobs.c.state == State.QUEUED,
                and_(jobs.c.state == State.ACTIVE, jobs.c.lease_expires_at < database_now()),
                and_(jobs.c.state == State.AWAITING_UPLOAD, jobs.c.upload_deadline < database_now()),
            ),
        )
        .scalar_subquery()
    )


def silence_of(role: str) -> ColumnElement[Any]:
    """Seconds since a process of the role was heard of; of none ever, since the first of any role was."""
    heard = select(func.max(instances.c.heartbeat_at)).where(instances.c.role == role).scalar_subquery()
    began = select(func.min(instances.c.started_at)).scalar_subquery()
    return database_now() - func.coalesce(heard, began, database_now())


def fullest() -> ColumnElement[Any]:
    """Percent of its memory that the fullest instance used at most lately, by its last heartbeat."""
    percent = 100.0 * instances.c.memory_bytes / instances.c.memory_budget_bytes
    found = select(func.max(percent)).where(
        instances.c.stopped_at.is_(None),
        instances.c.heartbeat_at > database_now() - bindparam("alert_memory_within_s"),
    )
    return func.coalesce(found.scalar_subquery(), 0.0)


def dependency_away(window: str) -> ColumnElement[Any]:
    """Seconds since the dependency was found away that has been left alone for longest; 0 when none is.

    One that nobody needs any more is not asked again, and so stays open; it counts while somebody has looked,
    or is to look, within the window.
    """
    since = func.min(func.coalesce(breakers.c.opened_at, breakers.c.failed_at))
    found = select(since).where(
        breakers.c.retry_at.is_not(None), breakers.c.retry_at > database_now() - bindparam(window)
    )
    return database_now() - func.coalesce(found.scalar_subquery(), database_now())


def recovery_silence() -> ColumnElement[Any]:
    """Seconds since the schedule, or somebody by HTTP, last began a recovery run; 0 while it is paused."""
    began = (
        select(func.max(recovery_runs.c.started_at)).where(recovery_runs.c.trigger != "cli").scalar_subquery()
    )
    first = select(func.min(instances.c.started_at)).scalar_subquery()
    silence = database_now() - func.coalesce(began, first, database_now())
    return case((_PAUSED_AT.is_not(None), 0.0), else_=silence)


def recovery_pause() -> ColumnElement[Any]:
    """Seconds since recovery was paused; 0 when it is not."""
    return database_now() - func.coalesce(_PAUSED_AT, database_now())


_PAUSED_AT = select(func.max(recovery_control.c.paused_at)).scalar_subquery()
_OTHER = alerts.alias("other")
_NEWEST = select(func.max(_OTHER.c.number)).where(_OTHER.c.name == alerts.c.name).scalar_subquery()
NEWEST = select(*alerts.c).where(alerts.c.number == _NEWEST).order_by(alerts.c.name)
LOG = select(*alerts.c).order_by(alerts.c.since.desc(), alerts.c.name).limit(bindparam("b_limit"))
# The same words on both databases. Of two who have seen the same change, the second changes nothing.
BEGIN = text(
    "INSERT INTO alerts (name, number, state, value, threshold, since, evaluated_at) "
    "VALUES (:name, :number, :state, :value, :threshold, :now, :now) "
    "ON CONFLICT (name, number) DO NOTHING RETURNING name"
)
GO_ON = (
    update(alerts)
    .where(alerts.c.name == bindparam("b_name"), alerts.c.number == bindparam("b_number"))
    .values(value=bindparam("b_value"), threshold=bindparam("b_threshold"), evaluated_at=bindparam("b_now"))
)
PURGE = delete(alerts).where(
    alerts.c.evaluated_at < database_now() - bindparam("b_age_s"), alerts.c.number < _NEWEST
)
STATES = select(
    jobs.c.state, func.count(), func.min(jobs.c.created_at), func.min(jobs.c.updated_at)
).group_by(jobs.c.state)
UNSENT = select(func.count()).select_from(outbox).where(outbox.c.published_at.is_(None))
NOW = select(database_now())


def measure(
    store: Store, values: Mapping[str, ColumnElement[Any]], windows: Mapping[str, float]
) -> Mapping[str, float]:
    """Each value by its name, all at one moment. `windows` are seconds, by the name of their parameter."""
    question = select(*(value.label(name) for name, value in values.items()))
    row = store.single(lambda connection: connection.execute(question, dict(windows)).one())
    return {name: float(value) for name, value in zip(values, row, strict=True)}


def purge(store: Store, *, age_s: float) -> int:
    """Forgets spells that ended so long ago; how many. Of each rule the newest stays, however old."""
    return store.run(lambda connection: connection.execute(PURGE, {"b_age_s": age_s}).rowcount)


def record(store: Store, known: Sequence[Spell], found: Mapping[str, tuple[float, float]]) -> Sequence[Spell]:
    """Notes each rule's value and threshold; the spells that began with it. The first of a rule always does.

    A rule fires while its value is above its threshold. `known` is what was in force (`newest`) before the
    values were measured: 1. one measures too much and freezes, 2. it ends, and another one says so, 3. the
    first wakes; what it would begin has its number already.
    """
    last = {spell.name: spell for spell in known}

    def work(connection: Connection) -> Sequence[Spell]:
        now = float(connection.execute(NOW).scalar_one())
        begun = [note(connection, last.get(name), name, both, now=now) for name, both in found.items()]
        return [spell for spell in begun if spell is not None]

    return store.run(work)


def note(
    connection: Connection, last: Spell | None, name: str, found: tuple[float, float], *, now: float
) -> Spell | None:
    """The spell that begins, when `last` is of the other state, and nobody has begun it meanwhile."""
    value, threshold = found
    state = FIRING if value > threshold else QUIET
    if last is not None and last.state == state:
        numbers = {"b_name": name, "b_number": last.number}
        connection.execute(GO_ON, {**numbers, "b_value": value, "b_threshold": threshold, "b_now": now})
        return None
    number = 1 if last is None else last.number + 1
    about = {"name": name, "number": number, "state": state, "value": value, "threshold": threshold}
    if connection.execute(BEGIN, {**about, "now": now}).first() is None:
        return None  # somebody else saw it first
    return Spell(
        name=name, number=number, state=state, value=value, threshold=threshold, since=now, evaluated_at=now
    )


def newest(store: Store) -> Sequence[Spell]:
    """What is in force, by name; nothing before the first evaluation."""
    return store.single(_spells)


def log(store: Store, *, limit: int) -> Sequence[Spell]:
    """The newest spells of all rules, newest first."""
    return store.single(
        lambda connection: [Spell(**row) for row in connection.execute(LOG, {"b_limit": limit}).mappings()]
    )


def _spells(connection: Connection) -> Sequence[Spell]:
    return [Spell(**row) for row in connection.execute(NEWEST).mappings()]


def distribution(store: Store) -> Mapping[str, Any]:
    """How many jobs are in each state, how long ago the oldest was made and the first to stand still moved
    (seconds), and how many events wait to be sent.
    """

    def work(connection: Connection) -> Mapping[str, Any]:
        now = float(connection.execute(NOW).scalar_one())
        found = {row[0]: row for row in connection.execute(STATES)}
        return {
            "states": {
                state.value: {
                    "jobs": int(found[state.value][1]) if state.value in found else 0,
                    "oldest_s": _ago(now, found[state.value][2]) if state.value in found else None,
                    "unmoved_s": _ago(now, found[state.value][3]) if state.value in found else None,
                }
                for state in State
            },
            "outbox": int(connection.execute(UNSENT).scalar_one()),
            "now": now,
        }

    return store.run(work)


def _ago(now: float, then: float) -> float:
    return round(max(0.0, now - then), 3)
