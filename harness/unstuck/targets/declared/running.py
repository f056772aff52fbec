"""One run of a declared target: what was started for it, and what the runner may ask of it."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from unstuck.clock import monotonic_ns
from unstuck.errors import UnstuckError
from unstuck.scenario import TERMINAL_STATES, Scenario
from unstuck.targets.declared.addresses import Addresses
from unstuck.targets.declared.agent_client import PROCESS as AGENT
from unstuck.targets.declared.agent_client import Agent, CallError
from unstuck.targets.declared.calls import Caller
from unstuck.targets.declared.client import Client
from unstuck.targets.declared.effects import EffectsLook
from unstuck.targets.declared.file import CommandCall, PythonCall, Role, Source, TargetFile, Variant
from unstuck.targets.declared.ledger import Ledger
from unstuck.targets.declared.roles import (
    LEDGER_FILE,
    LEDGER_URL,
    Surroundings,
    python_of,
    replicas,
    spec_of,
    timings_of,
)
from unstuck.targets.declared.sources import Sources
from unstuck.targets.declared.templates import all_calls, has_port, named_by, reached_by
from unstuck.targets.declared.tracker import Attempt, Seen, Tracker
from unstuck.targets.declared.watcher import Watcher
from unstuck.targets.dependencies import Wanted, open_dependency
from unstuck.targets.dependencies.port import Place
from unstuck.targets.port import Emit, PointReached, Reply
from unstuck.targets.run_links import Linked, RunLinks
from unstuck.targets.starting import start_all
from unstuck.worlds.port import ProcessSpec
from unstuck.worlds.process import proctree
from unstuck.worlds.process.ports import LOOPBACK, free_port
from unstuck.worlds.process.session import Session

CLIENT = "client"


class RunningDeclared(Linked):
    """`close` is idempotent and also follows a start that failed."""

    def __init__(
        self,
        *,
        file: TargetFile,
        variants: tuple[Variant, ...],
        session: Session,
        world: Place,
        scenario: Scenario,
        watch: frozenset[str],
        folder: Path,
        emit: Emit,
        on_point: Callable[[PointReached], None],
        see_messages: bool,
        toxiproxy: str | None,
    ) -> None:
        self._file = file
        self._variants = variants
        self._session = session
        self._world = world
        self._scenario = scenario
        self._watch = watch
        self._folder = folder
        self._emit = emit
        self._on_point = on_point
        self._links = RunLinks(
            world=world, folder=folder, emit=emit, see_all=see_messages, toxiproxy=toxiproxy
        )
        self._addresses = Addresses(self._links)
        self._specs: dict[str, ProcessSpec] = {}  # of every process that was ever started
        self._first: list[str] = []  # those that a run starts with, in order
        self._ports: dict[str, int] = {}  # process -> a port of its own
        self._client_links: dict[str, dict[int, int]] = {}  # role -> port of a process -> number of the link
        self._lock = threading.Lock()
        self._closing = contextlib.ExitStack()
        self.quiet_within_s = max(3.0, 3 * (timings_of(file, variants).job_s or 0.0))

    # Starting

    def start(self) -> None:
        """Dependencies first, then links and the ledger, then the roles in their order, then the watch."""
        for name, dependency in self._file.dependencies.items():
            opened = open_dependency(
                Wanted(name=name, kind=dependency.kind, options=dependency.options),
                world=self._world, session=self._session, folder=self._folder,
            )  # fmt: skip
            self._addresses.add(opened)
            self._specs[name] = opened.spec
            self._first.append(name)
        self._links.start()
        self._closing.callback(self._links.close)
        self._start_witnesses()
        for role in self._file.roles.values():
            self._start_role(role)
        self._start_clients()
        self._watcher.start()

    def _start_witnesses(self) -> None:
        file = self._file
        self._tracker = Tracker(
            self._emit,
            now_ns=monotonic_ns,
            has_ledger=file.ledger or file.effects is not None,
            begins=file.ledger,
            absent=file.observe.absent,
        )
        variables: dict[str, str] = {}
        self._ledger: Ledger | None = None
        if file.ledger:
            self._ledger = Ledger(
                file=self._folder / "ledger.jsonl", emit=self._emit, on_record=self._tracker.record,
                watch=self._watch, on_point=self._on_point, process_of=self._process_of,
            )  # fmt: skip
            self._ledger.start()
            self._closing.callback(self._ledger.stop)
            host, port = self._ledger.address
            variables = {
                LEDGER_FILE: str(self._ledger.file.absolute()),
                LEDGER_URL: f"http://{host}:{port}/ledger",
            }
        self._around = Surroundings(
            target=file, scenario=self._scenario, variants=self._variants, ledger=variables,
            folder=self._folder, scratch=self._world.scratch,
        )  # fmt: skip

    def _start_role(self, role: Role) -> None:
        """All processes of a role at once; the next role finds them ready."""
        names = [f"{role.name}-{number}" for number in range(1, replicas(role, self._scenario) + 1)]
        specs = [self._spec(role, name) for name in names]
        self._first += names
        start_all(self._world, specs)

    def _start_clients(self) -> None:
        """Who submits jobs, through links of its own, and who looks at them, past every link."""
        file = self._file
        agent: Agent | None = None
        if any(isinstance(call, CommandCall | PythonCall) for call in all_calls(file)):
            agent = Agent(
                self._world, python=python_of(file), folder=file.folder,
                log=self._folder / "logs" / f"{AGENT}.log",
            )  # fmt: skip
            agent.start(self._around.environment(AGENT, self._value_of_agent))
            self._closing.callback(agent.stop)
        for call in (file.submit.call, *([file.cancel] if file.cancel else [])):
            for name in sorted(named_by(call) & set(file.dependencies)):
                self._addresses.link(AGENT, name, *self._upstream(name))
        through = Caller(
            address_of=partial(self._addresses.of, process=AGENT),
            values_of=partial(self._value_of, process=AGENT),
            databases=self._addresses.databases,
            agent=agent,
            hosts_allowed=file.hosts_allowed,
        )
        direct = Caller(
            address_of=partial(self._addresses.of, process=None),
            values_of=partial(self._value_of, process=None),
            databases=self._addresses.databases,
            agent=agent,
            hosts_allowed=file.hosts_allowed,
        )
        for caller in (through, direct):
            self._closing.callback(caller.close)
        self._client = Client(file, through, self._tracker, self._emit)
        self._direct = direct
        effects = None
        if file.effects is not None:
            effects = EffectsLook(file.effects, direct, self._tracker, file.observe.timeout_s).look
        self._watcher = Watcher(
            sources=Sources(file.observe.sources, direct, file.observe.timeout_s),
            effects=effects, catch_up=self._catch_up, tracker=self._tracker, emit=self._emit,
            every_s=file.observe.every_s,
        )  # fmt: skip
        self._closing.callback(self._watcher.stop)

    # What the runner asks

    def call(self, action: str, values: Mapping[str, Any]) -> Reply:
        return self._client.call(action, values)

    def specs(self) -> Sequence[ProcessSpec]:
        return [self._specs[name] for name in self._first]

    def spec(self, name: str, *, like: str, version: str | None) -> ProcessSpec:
        """A dependency comes back as itself: same port, same data. Raises `UnstuckError` for a version."""
        if version is not None:
            raise UnstuckError(f"target {self._file.name!r} has no old versions; leave `version` out")
        if like in self._file.dependencies:
            return self._specs[like]
        return self._spec(self._file.roles[self._specs[like].role], name)

    def ability(self, action: str, parameters: Mapping[str, Any]) -> Mapping[str, Any]:
        raise UnstuckError(f"target {self._file.name!r} has no ability {action!r} ({dict(parameters)})")

    def quiet(self) -> bool:
        """No attempt is under way, and nothing that has ended is still held for somebody to do again."""
        self._check()
        held, states = self._tracker.held(), self._tracker.states()
        again = any(
            held[job] in ("queue", "lease") for job, state in states.items() if state in TERMINAL_STATES
        )
        running = self._tracker.open_attempts().values()
        return not again and not any(self._is_alive(one) for attempts in running for one in attempts)

    def look(self) -> None:
        """A job that leaves its end while we look is delivered again: it has its budget, too.

        1. all have ended, 2. we look for the last time, 3. a lease is over and a job begins once more: what
        was under way at 2 would be taken for stuck.
        """
        self._check()
        had_ended = self._tracker.all_ended()
        deadline_ns = monotonic_ns() + int(self._scenario.budget_s * 1e9)
        self._watcher.look_last()
        while had_ended and not self._tracker.all_ended() and monotonic_ns() < deadline_ns:
            if self._session.interrupted:
                break
            self._watcher.look_last()
        if self._ledger is not None:
            self._ledger.finish()
        self._links.record_counts()
        for job, facts in self._tracker.outcomes(self._is_alive).items():
            self._emit("outcome", job=job, **facts)

    def ask_each(self, job: str) -> list[Seen | CallError]:
        """What each source by itself says of a job at this moment, past every link; or why it says nothing.

        Raises `UnstuckError` when a package for it is missing, or a path in the file is none.
        """
        return [self._ask_one(source, job) for source in self._file.observe.sources]

    def _ask_one(self, source: Source, job: str) -> Seen | CallError:
        try:
            return Sources((source,), self._direct, self._file.observe.timeout_s).look([job])[job]
        except CallError as error:
            return error

    def rescue(self, job: str) -> Any:
        """Asks the system to take up one job again, as the target file says. Raises `UnstuckError`."""
        if self._file.rescue is None:
            raise UnstuckError(f"target {self._file.name!r} declares no `rescue`; add it to the target file")
        try:
            return self._direct.perform(self._file.rescue, {"job": job}, self._file.submit.timeout_s)
        except CallError as error:
            raise UnstuckError(f"rescue of {job}: {error}") from None

    def close(self) -> None:
        self._closing.close()

    # Inside

    def _catch_up(self) -> None:
        if self._ledger is not None:
            self._ledger.catch_up()

    def _check(self) -> None:
        self._watcher.check()
        self._links.check()

    def _spec(self, role: Role, name: str) -> ProcessSpec:
        upstreams = {one: self._upstream(one) for one in reached_by(self._file, role)}
        for one, (address, framer) in upstreams.items():
            self._addresses.link(name, one, address, framer)
        if has_port(self._file, role):
            self._ports.setdefault(name, free_port())
        spec = spec_of(
            role, name, self._around, port=self._ports.get(name, 0),
            value_of=partial(self._value_of, process=name),
            world_limits_memory="memory_limit" in self._world.capabilities,
        )  # fmt: skip
        self._specs[name] = spec
        return spec

    def _upstream(self, name: str) -> tuple[tuple[str, int], str]:
        """Where a dependency or a role really listens, and what it speaks."""
        if name in self._file.dependencies:
            return self._addresses.of(name, process=None), self._addresses.framer(name)
        return (LOOPBACK, self._port_of_role(name)), "http1"

    def _port_of_role(self, role: str) -> int:
        """Of the newest running process of a role that has one. Raises KeyError when there is none."""
        running = [name for name in reversed(self._world.running(role)) if name in self._ports]
        name = next(iter(running), f"{role}-1")
        return self._ports[name]

    def _value_of(self, name: str, *, process: str | None) -> str:
        """The value of a template's name, as `process` sees it (None: past every link)."""
        place, _, what = name.partition(".")
        if place in self._file.dependencies:
            if process == AGENT and not self._addresses.has_link(process, place):
                self._addresses.link(process, place, *self._upstream(place))
            return self._addresses.value(place, what, process=process)
        if place in self._file.roles:
            address = (LOOPBACK, self._port_of_role(place))
            if process == AGENT:
                address = self._client_to(place, address)
            elif process is not None and self._addresses.has_link(process, place):
                address = self._addresses.of(place, process=process)
            return self._addresses.spelled(address, what)
        if name == "python":
            return python_of(self._file)
        if name == "folder":
            return str(self._world.scratch)
        raise KeyError(name)

    def _value_of_agent(self, name: str) -> str:
        """The same for the environment of who calls the target's programs: it is that of roles, too."""
        match name:
            case "process":
                return AGENT
            case "role":
                return CLIENT
            case "port":
                return str(self._ports.setdefault(AGENT, free_port()))
        return self._value_of(name, process=AGENT)

    def _client_to(self, role: str, address: tuple[str, int]) -> tuple[str, int]:
        """Where clients reach a process of a role: by a link of its own for each, `client-2.api`, since a
        successor comes on another port while the link to the first one may still be in use."""
        with self._lock:
            numbers = self._client_links.setdefault(role, {})
            number = numbers.setdefault(address[1], len(numbers) + 1)
        process = f"{AGENT.rpartition('-')[0]}-{number}"
        self._addresses.link(process, role, address, "http1")
        return self._addresses.of(role, process=process)

    @staticmethod
    def _process_of(process: str | None, pid: int | None) -> str | None:
        del pid
        return process

    def _is_alive(self, attempt: Attempt) -> bool:
        """Whether an attempt's process still runs; of one that named no process nobody knows: no."""
        if attempt.pid is not None:
            process = proctree.read(attempt.pid)
            return process is not None and process.alive
        if attempt.process is None or attempt.process not in self._specs:
            return False
        return attempt.process in self._world.running(self._specs[attempt.process].role)
