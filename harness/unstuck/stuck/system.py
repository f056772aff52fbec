"""The calls of a target file, carried out on the system that is running, where its parts are."""

from __future__ import annotations

import contextlib
import os
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

from unstuck.errors import TargetError
from unstuck.stuck.places import Place
from unstuck.targets.declared.agent_client import Agent
from unstuck.targets.declared.calls import Caller
from unstuck.targets.declared.file import Call, CommandCall, PythonCall, TargetFile
from unstuck.targets.declared.hosts import check_filled, hosts_in_variable
from unstuck.targets.declared.roles import python_of
from unstuck.targets.declared.templates import fill
from unstuck.worlds.port import ProcessSpec

ENDS_WITHIN_S = 5.0


class RunningSystem:
    """Entered with `with`; what it starts (a process for `command` and `python` calls) ends with it.

    `looking` can change nothing by SQL; what a declared command or request of `observe` does is its own.
    `acting` is for the rescue.
    """

    def __init__(
        self,
        file: TargetFile,
        places: Mapping[str, Place],
        environment: Mapping[str, str],
        *,
        calls: tuple[Call, ...],
    ) -> None:
        """`calls`: those that may be carried out; a process is started if one of them needs it."""
        self.file = file
        self.places = places
        self._environment = environment
        self._needs_agent = any(isinstance(call, CommandCall | PythonCall) for call in calls)
        self._closing = contextlib.ExitStack()

    def __enter__(self) -> Self:
        with contextlib.ExitStack() as starting:
            self._folder = Path(starting.enter_context(tempfile.TemporaryDirectory(prefix="unstuck-")))
            agent = self._start_agent(starting) if self._needs_agent else None
            self.looking = self._caller(agent, read_only=True)
            starting.callback(self.looking.close)
            self.acting = self._caller(agent, read_only=False)
            starting.callback(self.acting.close)
            self._closing = starting.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._closing.close()

    def place(self, name: str) -> Place:
        """Raises `TargetError` when nobody says where it is."""
        if name in self.places:
            return self.places[name]
        said = self.file.running.get(name)
        unset = f" (running.{name} names {said}, which is not set)" if said is not None else ""
        raise TargetError(
            f"target {self.file.name!r}: nobody says where the running {name!r} is{unset}. "
            f"Give --at {name}=ADDRESS, or add `running: {{{name}: $VARIABLE}}` to the target file."
        )

    # Inside

    def _caller(self, agent: Agent | None, *, read_only: bool) -> Caller:
        return Caller(
            address_of=lambda name: self.place(name).address,
            values_of=self._value_of,
            databases=_Databases(self),
            agent=agent,
            hosts_allowed=self.file.hosts_allowed,
            logins={name: place.login() for name, place in self.places.items()},
            read_only=read_only,
        )

    def _value_of(self, name: str) -> str:
        """Raises `TargetError` for what nobody says."""
        place, _, what = name.partition(".")
        if name == "python":
            return python_of(self.file)
        if name == "folder":
            return str(self._folder)
        try:
            return self.place(place).value(what)
        except KeyError:
            raise TargetError(
                f"target {self.file.name!r}: {{{name}}}: the address of the running {place!r} does not say "
                f"it. Give --at {place}=URL with it."
            ) from None

    def _start_agent(self, starting: contextlib.ExitStack) -> Agent:
        agent = Agent(
            _Beside(),
            python=python_of(self.file),
            folder=self.file.folder,
            log=self._folder / "calls.log",
        )
        starting.callback(agent.stop)
        agent.start(self._variables())
        return agent

    def _variables(self) -> dict[str, str]:
        """The user's own, and over them what the file gives every role, as far as its addresses are known."""
        filled: dict[str, str] = {}
        for key, value in self.file.environment.items():
            with contextlib.suppress(TargetError):
                filled[key] = fill(value, self._value_of)
        for key, value in filled.items():
            check_filled(key, hosts_in_variable(key, value), self.file.hosts_allowed)
        return {**self._environment, **filled}


class _Databases(dict[str, str]):
    """The database of a dependency, when it is asked for: then somebody has to have said where it is."""

    def __init__(self, system: RunningSystem) -> None:
        super().__init__()
        self._system = system

    def __missing__(self, name: str) -> str:
        place = self._system.place(name)
        try:
            return place.value("database")
        except KeyError:
            options: Mapping[str, Any] = self._system.file.dependencies[name].options
            return str(options.get("database", "app"))


class _Beside:
    """Starts the agent without a world. If we are killed, its connection closes, and it ends itself."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None

    def start(self, spec: ProcessSpec) -> None:
        assert spec.command is not None
        assert spec.log is not None
        with open(spec.log, "ab") as log:
            self._process = subprocess.Popen(
                [*spec.command],
                cwd=spec.folder,
                env={**spec.environment},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,  # Ctrl-C is ours to tell
            )

    def retire(self, name: str) -> None:
        del name
        if self._process is None:
            return
        self._process.terminate()
        try:
            self._process.wait(ENDS_WITHIN_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


def own_environment() -> dict[str, str]:
    """The variables of who typed the command: the running system is theirs."""
    return dict(os.environ)
