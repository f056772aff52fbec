"""Runs the reference service's production code in the sim world."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import lru_cache, partial
from pathlib import Path
from typing import Any, NoReturn, cast

from sqlalchemy import text

from reference_service import push, relay, scheduler, sweeper, worker
from reference_service.domain import Defence, Delivery
from reference_service.fakes import MemoryObjects, SeededRandomness, created_notification
from reference_service.metrics import Metrics
from reference_service.ports import Objects, Runtime, Sink
from reference_service.rates import Rates
from reference_service.service import Service
from reference_service.settings import GivenSettings, Settings
from reference_service.store import Store
from unstuck.errors import CapabilityError, HarnessError, UnstuckError
from unstuck.links.rules import Action, LinkState, Then
from unstuck.links.toxics.port import Toxic
from unstuck.plan import Plan
from unstuck.rng import split
from unstuck.scenario import OnMessage, RoleOptions, Scenario
from unstuck.targets.port import Emit, PointReached, Reply, Running
from unstuck.targets.reference import operators, roles
from unstuck.targets.reference.places import TENANT, TOKEN
from unstuck.targets.reference.settled_alerts import SettledAlerts
from unstuck.targets.reference.simulated.api import STOP, SimApi
from unstuck.targets.reference.simulated.client import SimClient
from unstuck.targets.reference.simulated.database import ActorDatabase, MemoryDatabase
from unstuck.targets.reference.simulated.logs import SimLog
from unstuck.targets.reference.simulated.look import SimLook
from unstuck.targets.reference.simulated.ports import (
    Ledger,
    Remote,
    SharedQueue,
    SimClock,
    SimPoints,
    SimQueue,
    SimVision,
    Traveller,
)
from unstuck.targets.reference.simulated.push import Door, SimEndpoints
from unstuck.targets.reference.simulated.runtime import SimRuntime
from unstuck.targets.reference.simulated.stages import SimStages, video
from unstuck.worlds.port import ProcessSpec, World
from unstuck.worlds.sim import Incarnation, SimProcess, SimWorld

LOOPS: Mapping[str, Callable[[Service, Runtime], None]] = {
    "worker": worker.loop,
    "sweeper": sweeper.loop,
    "scheduler": scheduler.loop,
    "relay": relay.loop,
}  # `push` needs to know the workers' doors, too
FIRST_EVENT = text("SELECT body FROM outbox WHERE job = :job ORDER BY id LIMIT 1")
WAITING = text("SELECT count(*) FROM outbox WHERE published_at IS NULL")


class SimulatedTarget:
    """The reference service for sim worlds. Serves many runs; its databases are used again."""

    name = "reference_service"
    capabilities = frozenset({"points", "notifications", "artefacts", "recovery", "manual_update"})
    facts: Mapping[str, Any] = {}

    def __init__(self) -> None:
        self._free: list[MemoryDatabase] = []
        self._lock = threading.Lock()

    def start(
        self,
        *,
        world: World,
        scenario: Scenario,
        plan: Plan,
        folder: str,
        emit: Emit,
        on_point: Callable[[PointReached], None],
        defences_off: Sequence[str],
    ) -> Running:
        """Starts every role and waits until it is ready. Raises `TargetError`, `CapabilityError`."""
        if not isinstance(world, SimWorld):
            raise HarnessError(f"world={world.name!r}: the simulated service runs in the sim world only")
        with self._lock:
            database = self._free.pop() if self._free else None
        running = RunningSimulated(
            world=world,
            scenario=scenario,
            folder=Path(folder),
            emit=emit,
            points=SimPoints(world.green, plan.watch, on_point),
            defences_off=tuple(defences_off),
            database=database or MemoryDatabase(),
            give_back=self._free.append,
        )
        try:
            running.start()
        except BaseException:
            running.close()
            raise
        return running

    def close(self) -> None:
        """Closes the databases that no run uses. Idempotent."""
        while self._free:
            self._free.pop().close()


class RunningSimulated:
    """One run: what all processes share, and how each of them is made."""

    def __init__(
        self,
        *,
        world: SimWorld,
        scenario: Scenario,
        folder: Path,
        emit: Emit,
        points: SimPoints,
        defences_off: tuple[str, ...],
        database: MemoryDatabase,
        give_back: Callable[[MemoryDatabase], None],
    ) -> None:
        self._world = world
        self._scenario = scenario
        self.quiet_within_s = roles.quiet_within_s(scenario)
        self._alerts = SettledAlerts(scenario.expect, evaluators=roles.evaluators(scenario))
        self._folder = folder
        self._emit = emit
        self._points = points
        self._defences_off = defences_off
        self._database = database
        self._give_back: Callable[[MemoryDatabase], None] | None = give_back
        self._specs: list[ProcessSpec] = []
        self._roles: dict[str, str] = {}  # every process that was ever started -> its role
        self._apis: dict[str, SimApi] = {}
        self._logs: dict[str, SimLog] = {}
        self._videos_of: dict[str, str] = {}  # client -> video
        self._jobs_of: dict[str, str] = {}  # job -> client
        self._doors: dict[str, Door] = {}  # by the address that events are pushed to
        self._notifies = True
        scheduler = world.green
        self._clock = SimClock(scheduler)
        self._jobs_queue = SharedQueue(self._clock, scheduler, "the jobs queue")
        self._uploads_queue = SharedQueue(self._clock, scheduler, "the uploads queue")
        self._objects = MemoryObjects(self._clock, self._on_created)
        self._ledger = Ledger(emit)
        self._client = SimClient(
            scheduler=scheduler,
            apis=self._listening,
            objects=self._objects,
            publish=self._publish_event,
            travel=Traveller(scheduler, split(world.seed, "travel", "clients")),
            emit=emit,
        )

    def start(self) -> None:
        self._database.open(self._world.green, self._clock.now, self._emit)
        for role in roles.REPLICAS:
            self._world.programs[role] = partial(self._live, role)
        for name, role in roles.names(self._scenario):
            options = self._scenario.roles.get(role)
            self._specs.append(self._spec(name, role, options.version if options else None))
        tasks = [
            self._world.green.spawn(f"start {spec.name}", partial(self._world.start, spec))
            for spec in self._specs
        ]
        for task in tasks:
            task.join()

    # Running

    def call(self, action: str, values: Mapping[str, Any]) -> Reply:
        if action == "initiate_upload":
            self._videos_of[str(values["client"])] = str(values["video"])
        reply = self._client.call(action, values)
        if action == "initiate_upload" and reply.phase == "ok":
            self._jobs_of[str(reply.data["job"])] = str(values["client"])
        return reply

    def specs(self) -> Sequence[ProcessSpec]:
        return self._specs

    def spec(self, name: str, *, like: str, version: str | None) -> ProcessSpec:
        return self._spec(name, self._roles[like], version)

    def ability(self, action: str, parameters: Mapping[str, Any]) -> Mapping[str, Any]:
        if action == "notifications_off":
            self._notifies = False
            return {"configured": []}
        if action == "corrupt_artefacts":
            return {"keys": self._corrupt(f"artefacts/{parameters['job']}/", f"/{parameters['stage']}/")}
        if action in operators.ACTIONS:
            return operators.operate(action, self._client.operate, self._emit)
        if action == "manual_update":
            return {"jobs": self._database.update_by_hand(**parameters)}
        raise UnstuckError(f"the simulated service has no ability {action!r}")

    def link_state(self, link: str, state: LinkState) -> None:
        self._no_links(f"{link} cannot be {state}")

    def add_toxic(self, link: str, toxic: Toxic) -> Sequence[str]:
        self._no_links(f"{link} cannot get {toxic.behaviour.kind}")

    def remove_toxic(self, link: str, name: str) -> None:
        self._no_links(f"{link} has no {name}")

    def arm_message(self, rule_id: str, when: OnMessage, action: Action) -> None:
        self._no_links(f"{rule_id}: no message on {when.link} can be met with {action!r}")

    def release_message(self, rule_id: str, then: Then, nth: int | None = None) -> None:
        self._no_links(f"{rule_id}: no message {nth or ''} to {then}")

    def quiet(self) -> bool:
        """Nothing waits in the outbox or in the queue of events, and alerts that are judged have settled."""
        waiting: int = self._database.run(lambda c: c.execute(WAITING).scalar_one())
        alerts = self._alerts.have(lambda query: self._database.run(lambda c: c.execute(text(query)).all()))
        return alerts and waiting == 0 and not self._jobs_queue.held.bodies()

    def look(self) -> None:
        SimLook(
            database=self._database,
            objects=self._objects,
            get_job=self._client.get_job,
            source_of=self._source_of,
            emit=self._emit,
            wait=self._world.green.sleep if "cleaned_up" in self._scenario.expect else None,
        ).take()

    def close(self) -> None:
        """Writes the processes' logs where the run's folder has a place for them. Idempotent."""
        give_back, self._give_back = self._give_back, None
        if give_back is None:
            return
        logs = self._folder / "logs"
        if logs.is_dir():
            for name, log in self._logs.items():
                log.write(logs / f"{name}.log")
        give_back(self._database)

    # What a process is made of

    def _spec(self, name: str, role: str, version: str | None) -> ProcessSpec:
        if version not in {None, "current"}:
            raise CapabilityError(
                f"process {name!r}: version={version!r} cannot be simulated; run it in the process world"
            )
        self._roles[name] = role
        return ProcessSpec(name=name, role=role, entry=role)

    def _live(self, role: str, process: SimProcess, ready: Callable[[], None]) -> int:
        """One life of a process, to its end; its exit code. As `reference_service.app.run`."""
        life, name = process.incarnation, process.spec.name
        if role == "vision":
            life.on_signal = partial(_exits_at_once, life)
            ready()
            self._world.green.bell("its end").until(lambda: False, None)
        travel = Traveller(self._world.green, split(self._world.seed, "travel", name, process.starts))
        service = self._service(name, role, process.starts, travel)
        if role == "api":
            self._apis[name] = api = SimApi(self._world, life, service)
            return api.serve(ready)
        door = None
        if role == "worker" and service.settings.delivery is Delivery.PUSH:
            door = Door(self._world.green, life, service.jobs_queue)
            service = replace(service, jobs_queue=door.inbox)
        runtime = SimRuntime(
            self._world,
            life,
            travel,
            boot_id=service.randomness.token_hex(8),
            drains=service.defended(Defence.DRAIN_ON_SIGTERM),
        )
        if door is not None:
            self._doors[door.address] = door
            door.wakes(runtime)
        travel()  # the schema is looked for
        ready()
        if role == "push":
            push.loop(service, runtime, endpoints=SimEndpoints(self._doors, travel))
        else:
            LOOPS[role](service, runtime)
        return 0

    def _service(self, name: str, role: str, starts: int, travel: Callable[[], None]) -> Service:
        settings = self._settings(name, role)
        seed = self._world.seed
        return Service(
            settings=settings,
            clock=self._clock,
            randomness=SeededRandomness(split(seed, "names", name, starts).getrandbits(64)),
            store=Store.of(settings, ActorDatabase(self._database, travel)),
            objects=cast("Objects", Remote(self._objects, travel)),
            jobs_queue=SimQueue(self._jobs_queue, travel),
            uploads_queue=SimQueue(self._uploads_queue, travel),
            vision=SimVision(
                self._vision,
                travel,
                scheduler=self._world.green,
                answer_s=settings.vision_answer_s,
                process=name,
                emit=self._emit,
            ),
            sink=cast("Sink", Remote(self._ledger, travel)),
            stages=SimStages(self._clock, split(seed, "work", name, starts)),
            points=self._points,
            log=self._logs.setdefault(name, SimLog(self._world.green)),
            metrics=Metrics(),
            rates=Rates.of(settings),
        )

    def _settings(self, name: str, role: str) -> Settings:
        options = self._scenario.roles.get(role, RoleOptions())
        chosen = {**roles.SETTINGS, **self._scenario.settings, **options.settings}
        known = _settings(tuple(sorted(chosen.items())), self._defences_off)
        return known.model_copy(update={"instance": name, "work_folder": str(self._world.scratch)})

    # What the processes share

    def _listening(self) -> Sequence[SimApi]:
        return [self._apis[name] for name in reversed(self._world.running("api")) if name in self._apis]

    def _vision(self) -> Incarnation | None:
        """Whoever is there to answer; one that is frozen only where no other is."""
        lives = [self._world.life_of(name) for name in self._world.running("vision")]
        return min((life for life in lives if life is not None), key=lambda life: life.frozen, default=None)

    def _on_created(self, key: str) -> None:
        if self._notifies:
            self._uploads_queue.held.send(created_notification(key))
            self._uploads_queue.bell.ring()

    def _publish_event(self, job: str) -> None:
        """A duplicate of the job's event, in the relay's own words."""
        body = self._database.run(lambda c: c.execute(FIRST_EVENT, {"job": job}).scalar())
        self._jobs_queue.held.send(json.loads(body) if body else {"job": job})
        self._jobs_queue.bell.ring()

    def _corrupt(self, prefix: str, inside: str) -> list[str]:
        bodies = self._objects.bodies
        keys = [key for key in bodies if key.startswith(prefix) and inside in key and bodies[key]]
        for key in keys:
            body = bytearray(bodies[key])
            middle = len(body) // 2
            body[middle : middle + 64] = bytes(0xFF - byte for byte in body[middle : middle + 64])
            bodies[key] = bytes(body)
        return keys

    def _source_of(self, job: str) -> bytes | None:
        client = self._jobs_of.get(job)
        return video(self._videos_of[client]) if client else None

    @staticmethod
    def _no_links(what: str) -> NoReturn:
        raise CapabilityError(f"{what}: the sim has no links; run it in the process world")


def _exits_at_once(life: Incarnation, signal: str) -> bool:
    """As the stub of the vision API does when it is told to stop."""
    if signal in STOP:
        life.end(code=0)
    return signal in STOP


@lru_cache(maxsize=64)
def _settings(chosen: tuple[tuple[str, Any], ...], defences_off: tuple[str, ...]) -> Settings:
    """Validated once, since that costs as much as a good part of a run. Raises `ValidationError`."""
    return GivenSettings.model_validate(
        {
            **dict(chosen),
            "tokens": {TOKEN: TENANT},  # routes are called with the tenant: none is looked up
            "database_url": "sqlite://",
            "sink_url": "http://sink",
            "defences_off": ",".join(defences_off),
            "allow_unsafe": bool(defences_off),
        }
    )
