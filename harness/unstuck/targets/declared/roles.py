"""The processes of a declared target: their commands and environments, with every template filled in."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from unstuck.errors import TargetError, did_you_mean
from unstuck.scenario import RoleOptions, Scenario
from unstuck.targets.declared.file import Role, Setting, TargetFile, Timings, Variant
from unstuck.targets.declared.hosts import check_filled, hosts_in_command, hosts_in_variable
from unstuck.targets.declared.inherited import inherited
from unstuck.targets.declared.templates import fill
from unstuck.targets.declared.words import setting_text
from unstuck.worlds.port import ProcessSpec

MIB = 1024 * 1024
LEDGER_FILE, LEDGER_URL, PROCESS = "UNSTUCK_LEDGER_FILE", "UNSTUCK_LEDGER_URL", "UNSTUCK_PROCESS"


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """What is the same for every process of a run."""

    target: TargetFile
    scenario: Scenario
    variants: tuple[Variant, ...]  # the configuration, then the defences that are off
    ledger: Mapping[str, str]  # variables
    folder: Path  # of the run: logs
    scratch: Path

    def environment(
        self,
        name: str,
        value_of: Callable[[str], str],
        *,
        of_role: Mapping[str, str] | None = None,
        settings: Mapping[str, Setting] | None = None,
    ) -> dict[str, str]:
        """Ours, which is the user's own, without what may lead to other systems; over it what the file
        says: of every role, of the settings, of the role, of the variants; and where to report to.

        Temporary files go into one folder of the run, which goes with it: who is killed cannot take his
        away. It is the same for all, since a service may hand files from one role to another by it.

        Raises `KeyError` for a name that nothing has, `TargetError` for an address off this machine.
        """
        chosen = self.settings(settings or {})
        declared = {
            **self.target.environment,
            **{one.variable: setting_text(chosen[key]) for key, one in self.target.settings.items()},
            **(of_role or {}),
        }
        for variant in self.variants:
            declared.update(variant.environment)
        filled = {key: fill(value, value_of) for key, value in declared.items()}
        ours = inherited(os.environ, self.target.inherit)
        for key, value in (filled | {key: ours[key] for key in self.target.inherit if key in ours}).items():
            check_filled(f"{name}: {key}", hosts_in_variable(key, value), self.target.hosts_allowed)
        if "TMPDIR" not in self.target.inherit:
            temporary = self.scratch / "tmp"
            temporary.mkdir(parents=True, exist_ok=True)
            ours["TMPDIR"] = str(temporary)
        return {**ours, **filled, **self.ledger, PROCESS: name}

    def settings(self, of_role: Mapping[str, Setting]) -> dict[str, Setting]:
        """The settings in force, for a role with settings of its own."""
        found = {name: one.value for name, one in self.target.settings.items()}
        for variant in self.variants:
            found.update(variant.settings)
        return {**found, **self.scenario.settings, **of_role}


def python_of(target: TargetFile) -> str:
    """The target's Python: as the file says, a path being relative to the target's folder; else ours."""
    if target.python is None:
        return sys.executable
    return str(target.folder / target.python) if os.sep in target.python else target.python


def replicas(role: Role, scenario: Scenario) -> int:
    chosen = scenario.roles.get(role.name, RoleOptions()).replicas
    return role.replicas if chosen is None else chosen


def spec_of(
    role: Role,
    name: str,
    around: Surroundings,
    *,
    port: int,
    value_of: Callable[[str], str],
    world_limits_memory: bool,
) -> ProcessSpec:
    """A process of a role, complete. `value_of` knows the addresses of the process's own links.

    Raises `TargetError` for a name that nothing has, and for a folder that is not there.
    """
    options = around.scenario.roles.get(role.name, RoleOptions())
    scratch = around.scratch / name
    own: Mapping[str, str] = {
        "process": name,
        "role": role.name,
        "port": str(port),
        "folder": str(scratch),
        "python": python_of(around.target),
    }

    def known(key: str) -> str:
        return own[key] if key in own else value_of(key)

    where = f"role {role.name!r}"
    folder = around.target.folder / role.folder
    if not folder.is_dir():
        raise TargetError(f"{where}: folder={role.folder!r} is not there ({folder}). Mend the target file.")
    scratch.mkdir(parents=True, exist_ok=True)
    limit = options.memory_limit_mib or role.memory_limit_mib
    if limit is not None and not world_limits_memory:
        raise TargetError(
            f"{where}: memory_limit_mib={limit!r} needs a memory cgroup, which cannot be made here. "
            "Run as root, or leave it out."
        )
    ready = role.ready
    try:
        command = tuple(fill(word, known) for word in role.command)
        check_filled(f"{where}: command", hosts_in_command(command), around.target.hosts_allowed)
        return ProcessSpec(
            name=name,
            role=role.name,
            command=command,
            environment=around.environment(name, known, of_role=role.environment, settings=options.settings),
            folder=str(folder),
            log=str(around.folder / "logs" / f"{name}.log"),
            ready_url=None if ready.url is None else fill(ready.url, known),
            ready_line=None if ready.line is None else fill(ready.line, known),
            ready_port=port if ready.port else None,
            ready_settle_s=ready.settle_s,
            ready_timeout_s=ready.timeout_s,
            restart=role.restart,
            stop_signal=role.stop.signal,
            memory_limit_bytes=None if limit is None else limit * MIB,
        )
    except KeyError as error:
        raise TargetError(f"{where}: {{{error.args[0]}}} names nothing. Mend the target file.") from None


def variants_of(
    target: TargetFile, configuration: str | None, defences_off: tuple[str, ...]
) -> tuple[Variant, ...]:
    """What is chosen of the file's variants. Raises `TargetError` for a configuration that it lacks."""
    chosen: list[Variant] = []
    if configuration is not None:
        if configuration not in target.configurations:
            known = did_you_mean(configuration, target.configurations)
            raise TargetError(f"{target.path}: has no configuration {configuration!r}.{known}")
        chosen.append(target.configurations[configuration])
    return (*chosen, *(target.defences[name] for name in defences_off))


def timings_of(target: TargetFile, variants: tuple[Variant, ...]) -> Timings:
    """Those in force: a configuration may declare its own."""
    return next((one.timings for one in reversed(variants) if one.timings is not None), target.timings)
