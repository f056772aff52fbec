"""Which dependencies are left alone, as all workers see it: rows of `breakers`.

In the database, since each job runs in a child of its own, which dies with what it has learnt: the next one
would ask again, and so would every other worker's. A dependency without a row has never failed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import bindparam, case, func, or_, select, text, update
from sqlalchemy.engine import Connection

from reference_service.store.core import Store
from reference_service.store.tables import breakers, database_now

_IS_IT = breakers.c.dependency == bindparam("b_dependency")
# In words that both databases know: two that add it at once must not collide.
ADD = text(
    "INSERT INTO breakers (dependency, failures) VALUES (:b_dependency, 0)"
    " ON CONFLICT (dependency) DO NOTHING"
)
# Half-open: of all that come when its time is over, one gets the move, and the others wait for it.
PROBE = (
    update(breakers)
    .where(_IS_IT, breakers.c.retry_at <= database_now())
    .values(retry_at=database_now() + bindparam("b_open_s"))
    .returning(breakers.c.dependency)
)
# The call that failed began `b_took_s` ago: what lies between two failures is no answer's time, but a wait.
_IN_A_ROW = case(
    (
        breakers.c.failed_at > database_now() - bindparam("b_open_s") - bindparam("b_took_s"),
        breakers.c.failures + 1,
    ),
    else_=1,
)
_OPEN = breakers.c.retry_at.is_not(None)
_OPENS = or_(_OPEN, bindparam("b_most") <= _IN_A_ROW)
FAIL = (
    update(breakers)
    .where(_IS_IT)
    .values(
        failures=_IN_A_ROW,
        failed_at=database_now(),
        retry_at=case((_OPENS, database_now() + bindparam("b_open_s")), else_=None),
        opened_at=case(
            (_OPEN, func.coalesce(breakers.c.opened_at, breakers.c.failed_at)),
            (_OPENS, database_now()),
            else_=None,
        ),
    )
    .returning(breakers.c.retry_at - database_now())
)
CLOSE = (
    update(breakers)
    .where(_IS_IT, or_(breakers.c.failures > 0, breakers.c.retry_at.is_not(None)))
    .values(failures=0, retry_at=None, opened_at=None)
    .returning(breakers.c.dependency)
)
_SINCE = func.coalesce(breakers.c.opened_at, breakers.c.failed_at)
STATES = select(
    breakers.c.dependency,
    breakers.c.failures,
    case((_OPEN, database_now() - _SINCE), else_=None),
    breakers.c.retry_at - database_now(),
).order_by(breakers.c.dependency)
FIND = STATES.where(_IS_IT)


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """A dependency that has failed before. `open_s`: for how long it has been left alone; None: it is not.
    `left_s`: until somebody may look whether it is back; 0: now.
    """

    dependency: str
    failures: int  # in a row
    open_s: float | None
    left_s: float


def states(connection: Connection) -> Sequence[State]:
    """By name."""
    return [_state(row) for row in connection.execute(STATES)]


def find(store: Store, dependency: str) -> State | None:
    """None: it has never failed."""
    row = store.single(lambda connection: connection.execute(FIND, {"b_dependency": dependency}).first())
    return None if row is None else _state(row)


def _state(row: Sequence[Any]) -> State:
    return State(
        dependency=row[0],
        failures=row[1],
        open_s=None if row[2] is None else max(0.0, row[2]),
        left_s=max(0.0, row[3] or 0.0),
    )


def probe(store: Store, dependency: str, *, open_s: float) -> bool:
    """True for the one who may look now whether it is back; the others wait `open_s` for what comes of it."""
    values = {"b_dependency": dependency, "b_open_s": open_s}
    return store.single(lambda c: c.execute(PROBE, values).first() is not None)


def fail(store: Store, dependency: str, *, most: int, open_s: float, took_s: float = 0.0) -> float | None:
    """One more failure; with the `most`-th in a row it is left alone for the seconds that are returned.

    In a row: no call begins longer than `open_s` after the failure before, since nobody writes down each
    success. It failed after `took_s`, which may be longer than that.
    """
    values = {"b_dependency": dependency, "b_most": most, "b_open_s": open_s, "b_took_s": took_s}

    def work(connection: Connection) -> float | None:
        row = connection.execute(FAIL, values).first()
        if row is None:
            connection.execute(ADD, {"b_dependency": dependency})
            row = connection.execute(FAIL, values).first()
        found: float | None = None if row is None else row[0]
        return found

    return store.run(work)


def close(store: Store, dependency: str) -> bool:
    """It has answered: asked as ever from now on. False when it was so before."""
    return store.single(lambda c: c.execute(CLOSE, {"b_dependency": dependency}).first() is not None)
