"""The target that a file declares: starts its dependencies and roles, hands it jobs, and looks at it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, cast

from unstuck.errors import TargetError
from unstuck.links.real_toxiproxy import check_environment
from unstuck.plan import Plan
from unstuck.scenario import Scenario
from unstuck.targets.declared.file import TargetFile, shows_reasons
from unstuck.targets.declared.requirements import install_line, what_is_missing
from unstuck.targets.declared.roles import timings_of, variants_of
from unstuck.targets.declared.running import RunningDeclared
from unstuck.targets.dependencies.port import Place
from unstuck.targets.port import Emit, PointReached
from unstuck.worlds.port import World
from unstuck.worlds.process.session import Session


class DeclaredTarget:
    """Many runs at a time, each with dependencies of its own."""

    def __init__(
        self,
        file: TargetFile,
        session: Session,
        *,
        configuration: str | None = None,
        see_messages: bool = False,
    ) -> None:
        """`see_messages`: every message on the links is recorded. Raises `TargetError` for a configuration
        that the file lacks, and for what its program needs and is missing."""
        variants_of(file, configuration, ())
        missing = what_is_missing(file)
        if missing:
            raise TargetError(f"target {file.name!r} needs {', '.join(missing)}. Run: {install_line(file)}")
        self.file = file
        self.configuration = configuration
        self.name = file.name if configuration is None else f"{file.name}:{configuration}"
        timings = timings_of(file, variants_of(file, configuration, ()))
        self.facts: Mapping[str, Any] = {
            "sampled": True,  # states are seen by looks, from time to time
            "effects_seen": file.ledger or file.effects is not None,
            "reasons_seen": shows_reasons(file),
            "absent": file.observe.absent,
            "timings": {key: value for key, value in asdict(timings).items() if value is not None},
        }
        self.capabilities = frozenset({"links", *({"points"} if file.ledger else ())})
        self._session = session
        self._see_messages = see_messages

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
    ) -> RunningDeclared:
        """Raises `TargetError` when something does not start; nothing is left running then."""
        running = RunningDeclared(
            file=self.file,
            variants=variants_of(self.file, self.configuration, tuple(defences_off)),
            session=self._session,
            world=cast("Place", world),  # whoever opens the stage of such a target sees to it
            scenario=scenario,
            watch=frozenset(plan.watch),
            folder=Path(folder),
            emit=emit,
            on_point=on_point,
            see_messages=self._see_messages,
            toxiproxy=check_environment(),
        )
        try:
            running.start()
        except BaseException:
            running.close()
            raise
        return running
