"""Sessions and worlds for dependencies, and what every kind needs to be tried: how to write and to read."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.process.conftest import Recorder
from unstuck.targets.dependencies import Dependency, Wanted, open_dependency
from unstuck.worlds.process.session import Session
from unstuck.worlds.process.world import ProcessWorld

Open = Callable[..., Dependency]


@pytest.fixture(scope="session")
def session() -> Iterator[Session]:
    with Session() as one:  # not below pytest's folder, which only root may enter
        yield one


@pytest.fixture
def recorder() -> Recorder:
    return Recorder()


@pytest.fixture
def world(session: Session, recorder: Recorder, request: pytest.FixtureRequest) -> Iterator[ProcessWorld]:
    one = session.world(request.node.name, on_event=recorder)
    yield one
    one.close()


@pytest.fixture
def start(world: ProcessWorld, session: Session, tmp_path: Path) -> Open:
    """Opens a dependency in the test's own world."""

    def opened(kind: str, name: str = "dep", **options: object) -> Dependency:
        wanted = Wanted(name=name, kind=kind, options=options)
        return open_dependency(wanted, world=world, session=session, folder=tmp_path)

    return opened
