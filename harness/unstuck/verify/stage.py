"""Where the runs take place: real processes, on databases that the old version's own migration has made."""

from __future__ import annotations

import threading

from unstuck.campaign import ProcessStage
from unstuck.targets.port import Target
from unstuck.targets.reference.versions import Versions
from unstuck.worlds.process.dependencies.s3 import EmulatorName


class UpgradeStage(ProcessStage):
    """As `ProcessStage`; roles may be of either version."""

    def __init__(
        self, *, old: str, versions: Versions, stop: threading.Event, emulator: EmulatorName
    ) -> None:
        super().__init__(stop=stop, emulator=emulator)
        self._old = old
        self._versions = versions

    def _target(self) -> Target:
        from unstuck.targets.reference.target import ReferenceTarget  # noqa: PLC0415  an extra may be missing

        return ReferenceTarget(
            self._session,
            emulator=self._emulator,
            videos=self._videos,
            schema_of=self._old,
            versions=self._versions,
        )
