"""Runs the reference service: a database, a bucket and two queues a run, and a link for each
connection of each process."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import psycopg

from unstuck.errors import UnstuckError
from unstuck.links.real_toxiproxy import check_environment
from unstuck.plan import Plan
from unstuck.scenario import Scenario
from unstuck.targets.port import Emit, PointReached, Reply
from unstuck.targets.reference import operators, roles, upgrade
from unstuck.targets.reference.client import Client
from unstuck.targets.reference.dependencies import Dependencies
from unstuck.targets.reference.look import FinalLook
from unstuck.targets.reference.observer import MANUAL_UPDATE, OPERATOR, Observer
from unstuck.targets.reference.settled_alerts import SettledAlerts
from unstuck.targets.reference.versions import Versions, can_build
from unstuck.targets.run_links import Linked, RunLinks
from unstuck.targets.sink import Sink
from unstuck.targets.starting import start_all
from unstuck.targets.testpoints import PointServer
from unstuck.worlds.port import ProcessSpec, World
from unstuck.worlds.process.dependencies.s3 import EmulatorName
from unstuck.worlds.process.ports import free_port
from unstuck.worlds.process.session import Session

ABILITIES: Final = frozenset(
    {"points", "notifications", "links", "artefacts", "memory_limit", "recovery", "manual_update"}
)
"""What the service has in processes and in containers; `versions` only where they can be built."""


class ReferenceTarget:
    """The bundled service on shared dependencies; many runs at a time."""

    name = "reference_service"
    facts: Mapping[str, Any] = {}

    def __init__(
        self,
        session: Session,
        *,
        emulator: EmulatorName = "ministack",
        videos: Path,
        old_versions: bool = True,
        see_messages: bool = False,
        schema_of: str | None = None,
        versions: Versions | None = None,
    ) -> None:
        """`schema_of`: the version whose own migration makes each run's database; None: this checkout's
        tables. `versions`: built already, for others, too. `old_versions`: whether the world can run one that
        lies unpacked on this machine. `see_messages`: every message on the links is recorded, for who wants
        to walk through them.
        """
        self._see_messages = see_messages
        self.capabilities = ABILITIES | ({"versions"} if old_versions and can_build() else set())
        self._versions = versions or Versions(session.folder / "versions")
        lay = None if schema_of is None else partial(self._lay, schema_of)
        self._dependencies = Dependencies(session, emulator, videos, lay)

    def _lay(self, version: str, url: str) -> None:
        upgrade.migrate_up(url, self._versions.path(version))

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
    ) -> RunningReference:
        """Starts everything and waits until it is ready.

        Raises `TargetError` when something does not start; nothing is left running then but what the
        session shares.
        """
        toxiproxy = check_environment()
        for version in _versions_in(scenario):
            self._versions.path(version)  # one that does not build is told before anything runs
        self._dependencies.start()
        running = RunningReference(
            dependencies=self._dependencies,
            versions=self._versions,
            world=world,
            scenario=scenario,
            folder=Path(folder),
            emit=emit,
            points=PointServer(plan.watch, on_point) if plan.watch else None,
            defences_off=tuple(defences_off),
            see_messages=self._see_messages,
            toxiproxy=toxiproxy,
        )
        try:
            running.start()
        except BaseException:
            running.close()
            raise
        return running


class RunningReference(Linked):
    """One run of the service. `close` is idempotent and also follows a start that failed."""

    def __init__(
        self,
        *,
        dependencies: Dependencies,
        versions: Versions,
        world: World,
        scenario: Scenario,
        folder: Path,
        emit: Emit,
        points: PointServer | None,
        defences_off: tuple[str, ...],
        see_messages: bool,
        toxiproxy: str | None,
    ) -> None:
        self._dependencies = dependencies
        self._versions = versions
        self._world = world
        self._scenario = scenario
        self.quiet_within_s = roles.quiet_within_s(scenario)
        self._alerts = SettledAlerts(scenario.expect, evaluators=roles.evaluators(scenario))
        self._folder = folder
        self._emit = emit
        self._points = points
        self._defences_off = defences_off
        self._specs: list[ProcessSpec] = []
        self._roles: dict[str, str] = {}  # every process that was ever started -> its role
        self._api_ports: dict[str, int] = {}
        self._videos_of: dict[str, str] = {}  # client -> video
        self._jobs_of: dict[str, str] = {}  # job -> client
        self._scratch = world.scratch
        self._links = RunLinks(
            world=world, folder=folder, emit=emit, see_all=see_messages, toxiproxy=toxiproxy
        )
        self._closing = contextlib.ExitStack()
        if points is not None:
            self._closing.callback(points.stop)

    def start(self) -> None:
        """Dependencies of this run first, then links, then the roles in their order."""
        self._vision_port = free_port()
        self._places = self._dependencies.open()
        self._closing.callback(self._dependencies.close, self._places)
        self._sink = Sink(self._emit)
        self._sink.start()
        self._closing.callback(self._sink.stop)
        if self._points is not None:
            self._points.start()
        self._observer = Observer(self._places.database_url, self._emit)
        self._observer.start()
        self._closing.callback(self._observer.stop)
        self._links.start()
        self._closing.callback(self._links.close)
        self._client = Client(
            addresses=self._api_addresses,
            video=self._dependencies.video,
            publish=self._publish_event,
            emit=self._emit,
        )
        self._closing.callback(self._client.close)
        for name, role in roles.names(self._scenario):
            options = self._scenario.roles.get(role)
            self._specs.append(self._spec(name, role, options.version if options else None))
        start_all(self._world, self._specs)

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
            return self._dependencies.stop_notifying(self._places.bucket)
        if action == "corrupt_artefacts":
            prefix = f"artefacts/{parameters['job']}/"
            return self._dependencies.corrupt(self._places.bucket, prefix, f"/{parameters['stage']}/")
        if action in operators.ACTIONS:
            return operators.operate(action, self._client.operate, self._emit)
        if action in {"migrate", "back_up", "restore_backup"}:
            return self._upgrade(action, **parameters)
        if action == "manual_update":
            return {"jobs": self._update_by_hand(**parameters)}
        raise UnstuckError(f"the reference service has no ability {action!r}")

    def quiet(self) -> bool:
        """Nothing waits in the outbox or in the queue of events, and alerts that are judged have settled.

        Raises `HarnessError` when we are blind.
        """
        self._check_ourselves()
        with psycopg.connect(self._places.database_url, autocommit=True) as connection:
            row = connection.execute("SELECT count(*) FROM outbox WHERE published_at IS NULL").fetchone()
            alerts = self._alerts.have(lambda query: connection.execute(query).fetchall())
        return alerts and row == (0,) and self._dependencies.depth(self._places.jobs_queue_url) == 0

    def _has_event(self, job: str) -> bool:
        """One is still to be sent, or lies in the queue (which cannot be asked for whom)."""
        with psycopg.connect(self._places.database_url, autocommit=True) as connection:
            row = connection.execute(
                "SELECT count(*) FROM outbox WHERE job = %s AND published_at IS NULL", (job,)
            ).fetchone()
        return row != (0,) or self._dependencies.depth(self._places.jobs_queue_url) > 0

    def look(self) -> None:
        self._check_ourselves()
        self._observer.catch_up(self._places.database_url)
        self._links.record_counts()
        FinalLook(
            database_url=self._places.database_url,
            fetch=lambda key, path: self._dependencies.fetch(self._places.bucket, key, path),
            has_event=self._has_event,
            get_job=self._client.get_job,
            source_of=self._source_of,
            artefacts_of=self._artefacts_of if "cleaned_up" in self._scenario.expect else None,
            scratch=self._scratch,
            emit=self._emit,
        ).take()

    def _check_ourselves(self) -> None:
        """Raises `HarnessError` for what we saw no more, or broke by our own fault: nothing may be judged."""
        self._observer.check()
        self._links.check()

    def close(self) -> None:
        self._closing.close()

    def _spec(self, name: str, role: str, version: str | None) -> ProcessSpec:
        upstreams = self._upstreams()
        addresses = {
            dependency: self._links.open(name, dependency, upstreams[dependency], roles.FRAMERS[dependency])
            for dependency in roles.REACHES[role]
        }
        port = self._vision_port if role == "vision" else free_port()
        if role == "api":
            self._api_ports[name] = port
        self._roles[name] = role
        return roles.spec(
            name,
            role,
            scenario=self._scenario,
            places=self._places,
            addresses=roles.Addresses(of=addresses),
            port=port,
            public_objects=self._dependencies.endpoint,
            points=self._points.address if self._points else None,
            defences_off=self._defences_off,
            folder=self._folder,
            scratch=self._scratch,
            world_limits_memory="memory_limit" in self._world.capabilities,
            version=version,
            version_path=self._versions.path(version) if version else None,
        )

    def _upstreams(self) -> Mapping[str, tuple[str, int]]:
        emulator = urlsplit(self._dependencies.endpoint)
        objects = (str(emulator.hostname), int(emulator.port or 80))
        return {
            "database": (self._places.database_host, self._places.database_port),
            "objects": objects,
            "queue": objects,
            "vision": ("127.0.0.1", self._vision_port),
            "sink": ("127.0.0.1", self._sink.port),
        }

    def _api_addresses(self) -> Sequence[tuple[str, str]]:
        return [
            (name, f"http://127.0.0.1:{self._api_ports[name]}")
            for name in reversed(self._world.running("api"))
        ]

    def _publish_event(self, job: str) -> None:
        """A duplicate of the job's event, in the relay's own words."""
        with psycopg.connect(self._places.database_url, autocommit=True) as connection:
            row = connection.execute(
                "SELECT body FROM outbox WHERE job = %s ORDER BY id LIMIT 1", (job,)
            ).fetchone()
        body = row[0] if row else json.dumps({"job": job})
        self._dependencies.sqs.send_message(QueueUrl=self._places.jobs_queue_url, MessageBody=body)

    def _upgrade(
        self, action: str, version: str | None = None, down_to: str | None = None
    ) -> Mapping[str, Any]:
        url = self._places.database_url.replace("postgresql://", "postgresql+psycopg://", 1)
        backup = self._folder / "backup"
        if action == "back_up":
            return upgrade.back_up(url, backup)
        path = self._versions.path(version) if version else None
        if action == "migrate":
            back = None if down_to is None else upgrade.newest_revision(self._versions.path(down_to))
            return upgrade.migrate(url, path, down_to=back)
        return upgrade.restore(
            url,
            backup,
            path,
            moved=lambda job, move: self._emit("transition", job=job, **move),
            gone=lambda job: self._emit("evidence", "gone", job=job),
        )

    def _update_by_hand(self, *, job: str | None, tag: str | None, was: str, state: str) -> list[str]:
        """The jobs that the statement changed; it changes their state alone."""
        url, name = self._places.database_url, OPERATOR
        with psycopg.connect(url, autocommit=True, application_name=name) as connection:
            rows = connection.execute(MANUAL_UPDATE, (state, was, job, job, tag, tag)).fetchall()
        return [row[0] for row in rows]

    def _artefacts_of(self, job: str) -> int:
        return self._dependencies.count(self._places.bucket, f"artefacts/{job}/")

    def _source_of(self, job: str) -> Path | None:
        client = self._jobs_of.get(job)
        return self._dependencies.video(self._videos_of[client]) if client else None


def _versions_in(scenario: Scenario) -> set[str]:
    """The commits whose wheels a run of the scenario needs."""
    starting = {options.version for options in scenario.roles.values()}
    succeeding = {
        getattr(fault.parameters, name, None) for fault in scenario.faults for name in ("version", "down_to")
    }
    return {version for version in starting | succeeding if version is not None}
