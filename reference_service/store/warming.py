"""Does beforehand, in a process that forks others, what the store does at a role's start and first calls.

An engine that is ready keeps the statements that it has compiled. And CPython writes to code that it only
runs, until it has adapted it to what it is called with (PEP 659; in 3.11 by the eighth call): who has run
before a fork leaves fewer pages to copy behind it.
"""

from __future__ import annotations

import contextlib
import os
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
UNREACHABLE = "postgresql://nobody:none@/none?host=/nonexistent"  # libpq takes that for a socket's folder


def warm_up(clock: Clock, pool_sizes: Sequence[int], *, rehearsals: int) -> None:
    """Goes through small transactions so many times, reaching nobody; makes engines of these sizes ready."""
    with _without_libpq_settings():
        for _ in range(rehearsals):
            with contextlib.suppress(Unavailable):
                SqlDatabase(UNREACHABLE, clock, answer_s=1).run(schema.revision_of)
    database = SqlDatabase("sqlite://", clock)
    question = text("SELECT 1 AS one, :two AS two")
    for _ in range(rehearsals):
        for call in (database.run, database.single):
            call(lambda connection: connection.execute(question, {"two": 2}).all())
    database.close()
    for pool_size in pool_sizes:
        _compile_all(make_ready(pool_size))


@contextlib.contextmanager
def _without_libpq_settings() -> Iterator[None]:
    """`PGHOSTADDR` and the like come before what a URL says, and would have somebody connected to."""
    kept = {name: value for name, value in os.environ.items() if name.startswith("PG")}
    for name in kept:
        del os.environ[name]
    try:
        yield
    finally:
        os.environ.update(kept)


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
    """As for a call with parameters of these names. There is no public way without a server to call: where
    SQLAlchemy has none of these names any more, roles compile for themselves. A test sees that it has them.
    """
    with contextlib.suppress(AttributeError, TypeError):
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
