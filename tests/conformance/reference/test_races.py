"""Two transactions on PostgreSQL, stepped against each other, for each conditional statement of the store.

SQLite has one writer at a time, and the sim switches at no such place: here it is tried for real.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any, TypeVar

import pytest
from sqlalchemy import text
from sqlalchemy.engine import Connection
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.sql.dml import Update
from sqlalchemy.sql.elements import BooleanClauseList

from reference_service.clock import SystemClock
from reference_service.domain import Outcome, State
from reference_service.ports import Unavailable
from reference_service.store import SqlDatabase, Store, core, events, lifecycle, recovery, work
from reference_service.store.migrations import migrate
from tests.conformance.reference.conftest import NUMBERS
from tests.conformance.reference.moves import MOVES, PAIRS, SILENT, Pair, in_state
from tests.conformance.reference.stepping import Actor, Stepped, interleave, overtake, two

pytestmark = pytest.mark.process
T = TypeVar("T")
EMPTY = "".join(
    f"DELETE FROM {table};" for table in ("jobs", "attempts", "transitions", "outbox", "discards")
)
ROW = text("SELECT * FROM jobs WHERE id = :job")
RECORD = text("SELECT * FROM transitions WHERE job LIKE :job ORDER BY id")
EVENTS = text("SELECT * FROM outbox WHERE job LIKE :job")
ATTEMPTS = text("SELECT * FROM attempts WHERE job = :job ORDER BY attempt")


@pytest.fixture(scope="module")
def postgres(servers: Any) -> Iterator[SqlDatabase]:
    one = SqlDatabase(servers.postgres().create_database("races"), SystemClock(), pool_size=4)
    one.run(migrate)
    yield one
    one.close()


@pytest.mark.parametrize("pair", PAIRS, ids=lambda pair: f"{pair.one}/{pair.other}")
def test_two_at_once_come_to_what_one_after_the_other_does(pair: Pair, postgres: SqlDatabase) -> None:
    """Wherever the one stops and the other goes on: both orders are met, and nothing but these two."""
    assert set(every_way(postgres, pair)) == pair.outcomes


def every_way(postgres: SqlDatabase, pair: Pair) -> Iterator[tuple[str, ...]]:
    """Who changed something, for each place where the first stops, and each where the second does then."""
    for first, second in ((pair.one, pair.other), (pair.other, pair.one)):
        first_steps, ended = 0, False
        while not ended:
            first_steps, second_steps, met = first_steps + 1, 0, False
            while not met:
                second_steps += 1
                how = partial(interleave, first_steps=first_steps, second_steps=second_steps)
                changed, (ended, met) = Trial(postgres, pair.state).run(first, second, how)
                yield changed


def charged(attempts: Sequence[Mapping[str, Any]], changed: Sequence[str]) -> int:
    """How many of these attempts count: not those that were handed back, nor a lost one that was spared."""
    takers = [name for name in changed if name.startswith(("sweep", "clean up", "take over"))]
    unspared = sum("the last" in name for name in takers)
    return sum(one["outcome"] not in (Outcome.HANDED_BACK, Outcome.LOST) for one in attempts) + unspared


class Trial:
    """A job, a bystander in the same state, and two that do something to the job."""

    def __init__(self, postgres: SqlDatabase, state: State) -> None:
        self._postgres = postgres
        postgres.run(lambda connection: connection.exec_driver_sql(EMPTY))
        self._before, number = Store(database=postgres, actor="before"), next(NUMBERS)
        self._job = in_state(self._before, f"job-{number}.", state)
        self._bystander = in_state(self._before, f"bystander-{number}.", state)

    def run(
        self, first: str, second: str, how: Callable[[tuple[Actor, Actor]], T]
    ) -> tuple[tuple[str, ...], T]:
        """Who changed something, in their order; and what `how` says."""
        names = (first, second)
        one, other = (partial(self._do, name) for name in names)
        with two(self._postgres, one, other) as actors:
            said = how(actors)
            wrote = [
                (actor.database.wrote or 0, name)
                for name, actor in zip(names, actors, strict=True)
                if actor.result()
            ]
        changed = tuple(name for _, name in sorted(wrote))
        self._judge(changed)
        return changed, said

    def _do(self, name: str, database: Stepped) -> object:
        return MOVES[name](Store(database=database, actor=name), self._job)

    def _judge(self, changed: tuple[str, ...]) -> None:
        """What holds of a job however it came to be as it is."""
        recorded = dict.fromkeys(row["actor"] for row in self._read(RECORD))
        assert list(recorded) == ["before", *(name for name in changed if name not in SILENT)]
        [row] = self._read(ROW, exact=True)
        moves = [one for one in self._read(RECORD) if one["job"] == self._job.id]
        assert [one["from_state"] for one in moves] == [None, *(one["to_state"] for one in moves[:-1])]
        assert moves[-1]["to_state"] == row["state"]
        attempts = self._read(ATTEMPTS, exact=True)
        assert [one["attempt"] for one in attempts if one["ended_at"] is None] == (
            [row["attempt"]] if row["state"] == State.ACTIVE else []
        )
        assert row["token"] == row["attempt"] == len(attempts)
        assert row["state"] == State.CANCELLED or row["charged"] == charged(attempts, changed)
        announced = sum(name.startswith("announce") for name in changed)
        assert len(self._read(EVENTS)) == announced + sum(one["to_state"] == "queued" for one in moves)
        assert lifecycle.get_job(self._before, self._bystander.id) == self._bystander

    def _read(self, statement: Any, *, exact: bool = False) -> list[Mapping[str, Any]]:
        job = self._job.id if exact else f"{self._job.id}%"

        def read(connection: Connection) -> list[Mapping[str, Any]]:
            return [dict(row) for row in connection.execute(statement, {"job": job}).mappings()]

        return self._postgres.run(read)


# Where each conditional statement is, and the moves that make it.
STATEMENTS: Mapping[str, tuple[Any, Any, tuple[str, ...]]] = {
    "claim": (work.CLAIM, True, ("claim",)),
    "renew": (work.RENEW, True, ("heartbeat",)),
    "start a stage": (work.START_STAGE, True, ("start a stage",)),
    "touch": (work.TOUCH, True, ("save a stage",)),
    "finish": (work.FINISH, True, ("succeed", "fail")),
    "requeue": (work.REQUEUE, True, ("hand back",)),
    "mark uploaded": (lifecycle, "MARK_UPLOADED", ("complete",)),
    "fail the upload": (lifecycle, "FAIL_UPLOAD", ("fail the upload",)),
    "cancel": (lifecycle, "CANCEL", ("cancel",)),
    "requeue the expired": (recovery.REQUEUE_LOST, True, ("sweep",)),
    "requeue the dead": (recovery.REQUEUE_LOST, False, ("clean up",)),
    "fail the expired": (recovery.FAIL_LOST, True, ("sweep the last",)),
    "fail the dead": (recovery.FAIL_LOST, False, ("clean up the last",)),
    "expire": (recovery, "EXPIRE_UPLOAD", ("expire",)),
    "put off": (recovery, "PUT_OFF_UPLOAD", ("put off",)),
    "announce": (recovery, "ANNOUNCE_AGAIN", ("announce",)),
    "mark as published": (events, "MARK_JOB", ("publish",)),
}
NOT_NEEDED = {
    ("claim", "jobs.etag"): "no race: a job that was queued by hand has tests of its own",
    ("claim", "jobs.not_before"): "no race: a job that waits for its next attempt has tests of its own",
    ("cancel", "jobs.state"): "the row was locked, and its state read, by the statement before",
    ("requeue the expired", "jobs.state"): "a job that is not active has no lease that could expire",
    ("fail the expired", "jobs.state"): "the same",
}


def conditions() -> Iterator[tuple[str, str]]:
    for name, (holder, key, _) in STATEMENTS.items():
        for condition in statement_of(holder, key)._where_criteria:
            yield name, column_of(condition)


def column_of(condition: Any) -> str:
    """What it compares; of several, of which one has to hold, the first."""
    one = condition.clauses[0] if isinstance(condition, BooleanClauseList) else condition
    return str(one.left)


def statement_of(holder: Any, key: Any) -> Update:
    found: Update = holder[key] if isinstance(holder, dict) else getattr(holder, key)
    return found


@pytest.mark.soak  # proves the tests above, which change seldom
@pytest.mark.parametrize(("name", "column"), list(conditions()), ids=str)
def test_no_condition_can_be_left_out(
    name: str, column: str, postgres: SqlDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without it some pair comes to something else, or a bystander is hit; or a reason says why not."""
    holder, key, moves = STATEMENTS[name]
    weaker = statement_of(holder, key)._clone()
    kept = [one for one in weaker._where_criteria if column_of(one) != column]
    assert len(kept) == len(weaker._where_criteria) - 1
    weaker._where_criteria = tuple(kept)
    if isinstance(holder, dict):
        monkeypatch.setitem(holder, key, weaker)
    else:
        monkeypatch.setattr(holder, key, weaker)
    noticed = any(notices(postgres, pair) for pair in PAIRS if {pair.one, pair.other} & {*moves})
    assert noticed != ((name, column) in NOT_NEEDED)


def test_the_lock_before_a_cancellation_or_a_retry_is_needed(
    postgres: SqlDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Read without it, a job that is claimed meanwhile is not cancelled, and one is retried twice."""
    unlocked = core.LOCK_JOB._clone()
    unlocked._for_update_arg = None
    monkeypatch.setattr(core, "LOCK_JOB", unlocked)
    assert [
        pair for pair in PAIRS if (pair.one, pair.other) == ("claim", "cancel") and notices(postgres, pair)
    ]
    assert [pair for pair in PAIRS if pair.one == "retry" and notices(postgres, pair)]


IN_TURN = partial(interleave, first_steps=50, second_steps=0)


def notices(postgres: SqlDatabase, pair: Pair) -> bool:
    """Whether this pair shows something that must not be, at the two places that tell most."""
    orders = (pair.one, pair.other), (pair.other, pair.one)
    try:
        return not all(
            Trial(postgres, pair.state).run(*order, how)[0] in pair.outcomes
            for how in (overtake, IN_TURN)
            for order in orders
        )
    except (AssertionError, SQLAlchemyError, Unavailable):  # whichever way a broken statement shows
        return True
