"""Where runs against a target that a file declares take place. Needs nothing of the reference service."""

from __future__ import annotations

import threading
from contextlib import AbstractContextManager

from unstuck.campaign import ProcessStage, Stage
from unstuck.errors import CapabilityError
from unstuck.targets.declared.file import TargetFile
from unstuck.targets.declared.target import DeclaredTarget
from unstuck.targets.port import Target, TargetSource
from unstuck.worlds.port import WorldName


def open_declared(
    world: WorldName,
    file: TargetFile,
    configuration: str | None,
    *,
    word: str,
    stop: threading.Event,
    see_messages: bool = False,
) -> AbstractContextManager[Stage]:
    """The stage of a target that a file declares. `word`: how a user names it.

    Raises `CapabilityError` for a world that cannot run it: the sim has no processes of others, and what
    runs in containers is declared by a command that starts one.
    """
    if world != "processes":
        raise CapabilityError(
            f"--world {world}: the target {file.name!r} runs as processes only. Leave --world out."
        )
    return DeclaredStage(file, configuration, word=word, stop=stop, see_messages=see_messages)


class DeclaredStage(ProcessStage):
    """A user's own service on real processes; each run has dependencies of its own."""

    def __init__(
        self,
        file: TargetFile,
        configuration: str | None,
        *,
        word: str,
        stop: threading.Event,
        see_messages: bool = False,
    ) -> None:
        super().__init__(stop=stop, preload=("unstuck.links.__main__",), see_messages=see_messages)
        self._file = file
        self._configuration = configuration
        self.source = TargetSource(word=word, configuration=configuration, text=file.text)

    def _target(self) -> Target:
        return DeclaredTarget(
            self._file,
            self._session,
            configuration=self._configuration,
            see_messages=self._see_messages,
        )
