"""Real sessions and worlds for tests, with a recorder that waits for events instead of sleeping."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from unstuck.errors import CapabilityError
from unstuck.worlds.port import ProcessEvent
from unstuck.worlds.process.session import Session
from unstuck.worlds.process.wall_clock import Shim
from unstuck.worlds.process.world import ProcessWorld

WITHIN_S = 20.0


class Recorder:
    """Keeps a run's events, and waits until one comes."""

    def __init__(self) -> None:
        self.events: list[ProcessEvent] = []
        self._changed = threading.Condition()

    def __call__(self, event: ProcessEvent) -> None:
        with self._changed:
            self.events.append(event)
            self._changed.notify_all()

    def of(self, name: str, phase: str) -> list[ProcessEvent]:
        return [event for event in self.events if (event.name, event.phase) == (name, phase)]

    def wait(
        self,
        name: str,
        phase: str,
        number: int = 1,
        where: Callable[[ProcessEvent], bool] = lambda _: True,
        within_s: float = WITHIN_S,
    ) -> ProcessEvent:
        """The `number`-th event of this process and phase for which `where` holds."""

        def found() -> list[ProcessEvent]:
            return [event for event in self.of(name, phase) if where(event)]

        with self._changed:
            assert self._changed.wait_for(lambda: len(found()) >= number, within_s), self.events
            return found()[number - 1]


@pytest.fixture(scope="session")
def session(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Session]:
    with Session(preload=("tests.process.programs.entries",), scratch=tmp_path_factory.mktemp("s")) as one:
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
def programs() -> Path:
    return Path(__file__).parent / "programs"


@pytest.fixture(scope="session")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What shifts wall clocks, compiled; without a compiler the test is skipped."""
    try:
        return Shim(tmp_path_factory.mktemp("shim")).path()
    except CapabilityError as error:
        pytest.skip(str(error))
