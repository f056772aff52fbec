"""The three worlds behind one protocol, each with the same few programs to run in it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Literal

import pytest

from tests.containers.conftest import IMAGE, why_no_engine
from unstuck.worlds.container.session import ContainerSession
from unstuck.worlds.port import ProcessEvent, ProcessSpec, Restart, World
from unstuck.worlds.process.session import Session
from unstuck.worlds.sim import SimProcess, SimWorld

Program = Literal["careful", "stubborn", "family", "quitter", "silent", "dead", "waiting"]
"""`careful` ends with 0 at SIGTERM; `stubborn` does not; `family` has a child; `quitter` ends with 3 once
it is ready; `silent` is never ready; `dead` ends with 4 before it is; `waiting` gets ready at SIGWINCH and
ends with 3 at SIGURG, which do nothing to who does not listen yet."""

WITHIN_S = 20.0
SCRIPTS = {
    "careful": "trap 'exit 0' TERM; echo ready; while :; do sleep 0.05; done",
    "stubborn": "trap '' TERM; echo ready; while :; do sleep 0.05; done",
    "family": "trap 'exit 0' TERM; sleep 1000 & echo ready; wait",
    "quitter": "echo ready; exit 3",
    "silent": "while :; do sleep 0.05; done",
    "dead": "exit 4",
    "waiting": "trap 'echo ready' WINCH; trap 'exit 3' URG; while :; do sleep 0.05; done",
}


class Stage:
    """A world, what it tells, and the programs."""

    def __init__(self, world: World, events: list[ProcessEvent]) -> None:
        self.world = world
        self.events = events

    def spec(self, program: Program, name: str = "w-1") -> ProcessSpec:
        """Restarts soon, and never more than twice."""
        return ProcessSpec(
            name=name,
            role="w",
            command=["sh", "-c", SCRIPTS[program]],
            environment={"PATH": "/usr/local/bin:/usr/bin:/bin"},
            ready_line="ready",
            restart=Restart(delay_s=0.05, starts_max=3),
        )

    def start(self, program: Program, name: str = "w-1", *, policy: str = "always") -> None:
        spec = self.spec(program, name)
        self.world.start(replace(spec, restart=replace(spec.restart, policy=policy)))  # type: ignore[arg-type]  # a test names only what there is

    def of(self, name: str, phase: str) -> list[ProcessEvent]:
        return [event for event in self.events if (event.name, event.phase) == (name, phase)]

    def wait(self, name: str, phase: str, number: int = 1) -> ProcessEvent:
        """The `number`-th such event; lets time pass as the world has it."""
        deadline_ns = self.world.scheduler.now_ns() + int(WITHIN_S * 1e9)
        while len(self.of(name, phase)) < number:
            assert self.world.scheduler.now_ns() < deadline_ns, self.events
            self.world.scheduler.sleep(0.005)
        return self.of(name, phase)[number - 1]


class SimStage(Stage):
    """The same programs as functions."""

    def __init__(self) -> None:
        events: list[ProcessEvent] = []
        self.sim = SimWorld(1, events.append)
        super().__init__(self.sim, events)
        self.sim.programs = {
            "careful": self._careful,
            "stubborn": self._stubborn,
            "family": self._family,
            "quitter": self._quitter,
            "silent": lambda _, ready: self._for_ever(),
            "dead": lambda _, ready: 4,
            "waiting": self._waiting,
        }

    def spec(self, program: Program, name: str = "w-1") -> ProcessSpec:
        return replace(super().spec(program, name), entry=program, command=None)

    def _for_ever(self) -> int:
        self.sim.green.sleep(1e6)
        return 0

    def _careful(self, process: SimProcess, ready: Callable[[], None]) -> int:
        asked: list[str] = []
        bell = self.sim.green.bell("SIGTERM")

        def on_signal(name: str) -> bool:
            if name == "SIGTERM":
                asked.append(name)
                bell.ring()
            return name == "SIGTERM"

        process.incarnation.on_signal = on_signal
        ready()
        bell.until(lambda: bool(asked), None)
        return 0

    def _waiting(self, process: SimProcess, ready: Callable[[], None]) -> int:
        def on_signal(name: str) -> bool:
            if name == "SIGWINCH":
                ready()
            if name == "SIGURG":
                process.incarnation.end(code=3)
            return name in {"SIGWINCH", "SIGURG"}

        process.incarnation.on_signal = on_signal
        return self._for_ever()

    def _quitter(self, process: SimProcess, ready: Callable[[], None]) -> int:
        ready()
        return 3

    def _stubborn(self, process: SimProcess, ready: Callable[[], None]) -> int:
        process.incarnation.on_signal = lambda name: name == "SIGTERM"
        ready()
        return self._for_ever()

    def _family(self, process: SimProcess, ready: Callable[[], None]) -> int:
        child = self.sim.fork(process.incarnation)
        self.sim.green.spawn("child", self._for_ever, owner=child)
        return self._careful(process, ready)


@pytest.fixture(scope="session")
def processes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Session]:
    with Session(scratch=tmp_path_factory.mktemp("worlds")) as session:
        yield session


@pytest.fixture(scope="session")
def containers(processes: Session) -> Iterator[ContainerSession]:
    session = ContainerSession(processes, image_name=IMAGE)
    yield session
    session.close()


WORLDS = [
    pytest.param("sim", id="sim"),
    pytest.param("processes", id="processes", marks=pytest.mark.process),
    pytest.param("containers", id="containers", marks=pytest.mark.containers),
]


@pytest.fixture(params=WORLDS)
def stage(request: pytest.FixtureRequest) -> Iterator[Stage]:
    if request.param == "sim":
        simulated = SimStage()
        yield simulated
        simulated.world.close()
        return
    if request.param == "containers" and (reason := why_no_engine()):
        pytest.skip(reason)
    events: list[ProcessEvent] = []
    session: Session | ContainerSession = request.getfixturevalue(request.param)
    world = session.world(request.node.name, on_event=events.append)
    yield Stage(world, events)
    world.close()
