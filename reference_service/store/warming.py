"""Does beforehand, in a process that forks others, what the store does at a role's start and first calls.

An engine that is ready keeps the statements that it has compiled, so a fork has only the pages to copy that
it writes to. Compiled and run a few times, code is written to no more: the interpreter has adapted it by then
(PEP 659), and the pages that hold it stay shared.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from typing import cast

from sqlalchemy import Insert, text
from sqlalchemy.engine import Engine
from sqlalchemy.sql.base import Executable
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.elements import ClauseElement

from reference_service.ports import Clock, Unavailable
from reference_service.store import (
    alerting,
    breakers,
    core,
    events,
    lifecycle,
    recovery,
    recovery_runs,
    schema,
    stuck,
    work,
)
from reference_service.store.database import SqlDatabase, make_ready

MODULES = (alerting, breakers, core, events, lifecycle, recovery, recovery_runs, schema, stuck, work)

NOWHERE = "postgresql://nobody@/none?host=/nonexistent"  # libpq takes the path for that of a socket's folder
NOBODYS = 2  # pool size: no role's, so its engine is made anew each time


def warm_up(clock: Clock, pool_sizes: Sequence[int], *, rehearsals: int) -> None:
    """Makes an engine ready for each size, and goes through small transactions so many times; connects to
    nothing.
    """
    for pool_size in pool_sizes:
        _compile_all(make_ready(pool_size))
    for _ in range(rehearsals):
        with contextlib.suppress(Unavailable):
            SqlDatabase(NOWHERE, clock, pool_size=NOBODYS, answer_s=1).run(schema.revision_of)
    database = SqlDatabase("sqlite://", clock)
    question = text("SELECT 1 AS one, :two AS two")
    for _ in range(rehearsals):
        for call in (database.run, database.single):
            call(lambda connection: connection.execute(question, {"two": 2}).all())
    database.close()


def _compile_all(engine: Engine) -> None:
    """Puts statements into the engine's cache; of INSERTs one, since their columns are what each call gives.

    What SQLAlchemy learns of the others and of their parts stays, too.
    """
    for statement in statements():
        if isinstance(statement, Insert):
            statement.compile(dialect=engine.dialect, column_keys=statement.table.columns.keys())
        else:
            bound = cast("SQLCompiler", statement.compile(dialect=engine.dialect)).binds
            _compile(engine, statement, [name for name, one in bound.items() if one.required])
    _compile(engine, events.REGISTER, events.REGISTERED)


def _compile(engine: Engine, statement: ClauseElement, names: Sequence[str]) -> None:
    """As for a call with parameters of these names. There is no public way without a server to call; a test
    sees that it has its effect.
    """
    statement._compile_w_cache(  # noqa: SLF001  see above
        engine.dialect,
        compiled_cache=engine._compiled_cache,  # noqa: SLF001  see above
        column_keys=sorted(names),
    )


def statements() -> Iterator[ClauseElement]:
    """All that the store's modules define, by themselves or in mappings."""
    for module in MODULES:
        for value in vars(module).values():
            for one in value.values() if isinstance(value, Mapping) else (value,):
                if isinstance(one, Executable) and isinstance(one, ClauseElement):
                    yield one
