"""Which target a command is about: `--target`, else the project's own, else the reference service."""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final, get_args

from unstuck.catalogue import Catalogue
from unstuck.cli.inputs import bundled, reference_packages, target_catalogue
from unstuck.cli.policy import find_policy, policy_target
from unstuck.errors import UsageError, did_you_mean
from unstuck.worlds.port import WorldName

if TYPE_CHECKING:
    from unstuck.campaign import Stage
    from unstuck.scenario import Scenario
    from unstuck.targets.declared.file import TargetFile
    from unstuck.worlds.process.dependencies.s3 import EmulatorName

REFERENCE: Final = "reference"
FILE: Final = "unstuck.yaml"


@dataclass(frozen=True, slots=True, kw_only=True)
class ChosenTarget:
    """A target, as a user names it. `file` None: the bundled reference service.

    `word` names it again, for `replay`: a path, or the name of a ready-made one.
    """

    word: str = REFERENCE
    file: TargetFile | None = None
    configuration: str | None = None

    def catalogue(self) -> Catalogue:
        """What scenarios for it may name. Raises `UsageError`."""
        if self.file is None:
            return target_catalogue()
        from unstuck.targets.declared.names import catalogue_of  # noqa: PLC0415  heavy

        return catalogue_of(self.file, self.configuration)

    def scenarios(self) -> Mapping[str, Path]:
        """Those that come with Unstuck and fit it, by name; those beside its file, too."""
        if self.file is None:
            return bundled()
        from unstuck.targets.ready import scenario_files  # noqa: PLC0415  only for such targets

        own = sorted((self.file.path.parent / "scenarios").glob("*.yaml"))
        return {path.stem: path for path in [*scenario_files(), *own]}


def choose_target(
    word: str | None = None,
    configuration: str | None = None,
    *,
    here: Path | None = None,
    allowed_hosts: Collection[str] | None = (),
) -> ChosenTarget:
    """`word`: a path, the name of a ready-made target, or `reference`; None: what the project says.
    `allowed_hosts`: off this machine, if the file names them, too; None: it is only looked at.

    Raises `UsageError` for none of these, `ScenarioError` for a target file that is not right.
    """
    here = here or Path()
    word = word or policy_target(find_policy(here.absolute())) or _project_file(here)
    if word is None or word == REFERENCE:
        if configuration is not None:
            raise UsageError("--configuration is for targets of your own. Give one with --target.")
        return ChosenTarget()
    path = _path(word, here)
    from unstuck.targets.declared.reading import load_target  # noqa: PLC0415  heavy

    file = load_target(path, allowed_hosts)
    if configuration is not None and configuration not in file.configurations:
        known = did_you_mean(configuration, file.configurations)
        raise UsageError(f"{path}: has no configuration {configuration!r}.{known}")
    return ChosenTarget(word=word, file=file, configuration=configuration)


def stage_of(
    target: ChosenTarget,
    world: WorldName = "processes",
    *,
    stop: threading.Event,
    seed: int,
    emulator: EmulatorName = "ministack",
    tell: Callable[[str], None] = lambda _: None,
    see_messages: bool = False,
) -> AbstractContextManager[Stage]:
    """Where runs against the target take place; nothing starts before it is entered. Raises `UsageError`."""
    if target.file is None:
        from unstuck.stages import open_stage  # noqa: PLC0415  heavy, and needs an extra

        return open_stage(
            world, stop=stop, seed=seed, emulator=emulator, tell=tell, see_messages=see_messages
        )
    from unstuck.declared_stage import open_declared  # noqa: PLC0415  heavy

    return open_declared(
        world,
        target.file,
        target.configuration,
        word=target.word,
        stop=stop,
        see_messages=see_messages,
    )


def worlds_of(case: Scenario, target: ChosenTarget) -> tuple[WorldName, ...]:
    """Where the case can run, as far as can be told before anything starts. Raises `UsageError`."""
    if target.file is not None:
        return ("processes",)
    with reference_packages():
        from unstuck.stages import lacking  # noqa: PLC0415  heavy, and needs an extra

    return tuple(world for world in get_args(WorldName) if not lacking(case, world))


def check_world(case: Scenario, world: WorldName, target: ChosenTarget, *, instead: str) -> None:
    """Raises `UsageError` for what the world never has and the case needs. `instead`: the next step."""
    if target.file is not None or world == "processes":
        return
    with reference_packages():
        from unstuck.stages import lacking  # noqa: PLC0415  heavy, and needs an extra

    if missing := lacking(case, world):
        raise UsageError(
            f"{case.title}: needs {', '.join(missing)}, which the world {world!r} cannot do. {instead}"
        )


def _project_file(here: Path) -> str | None:
    return FILE if (here / FILE).is_file() else None


def _path(word: str, here: Path) -> Path:
    from unstuck.targets.ready import ready_targets  # noqa: PLC0415  only for such targets

    path = here / word
    if path.is_dir():
        path = path / FILE
    if path.is_file():
        return path
    ready = ready_targets()
    if word in ready:
        return ready[word]
    hint = did_you_mean(word, [*ready, REFERENCE])
    raise UsageError(f"--target {word!r}: no such file, and no ready-made target.{hint}")
