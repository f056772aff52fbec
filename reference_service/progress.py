"""What one run of a stage has done, unit by unit, and when that is kept.

A unit is a frame or an item. Kept is what a later attempt needs to go on behind it: each
`checkpoint_units`, each `checkpoint_s`, and when the stage is left in good order.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from reference_service.ports import Clock
from reference_service.settings import Settings

Leave = Callable[[], Sequence[str]]
Keep = Callable[[int, Sequence[str]], None]


class Progress:
    """Of one stage in one attempt. `position` is how many of its units are done; `units`, how many here."""

    def __init__(
        self,
        *,
        clock: Clock,
        settings: Settings,
        position: int,
        keep: Keep | None,
        reach: Callable[[int], None],
    ) -> None:
        """`keep` stores the files that it is given for the position; None: nothing is kept (defence off)."""
        self._clock = clock
        self._settings = settings
        self._keep = keep
        self._reach = reach
        self._kept = self.position = position
        self._kept_at = clock.monotonic()
        self._leave: Leave = tuple
        self.units = 0

    def unit_done(self, position: int, leave: Leave) -> None:
        """As `StageInput.unit_done`."""
        self.units += position - self.position
        self.position, self._leave = position, leave
        self._reach(position)
        if self._is_due():
            self.keep()

    def keep(self) -> None:
        """Keeps what is done, unless that was done."""
        if self._keep is None or self.position <= self._kept:
            return
        self._keep(self.position, self._leave())
        self._kept, self._kept_at = self.position, self._clock.monotonic()

    def _is_due(self) -> bool:
        settings = self._settings
        enough = self.position - self._kept >= settings.checkpoint_units
        return enough or self._clock.monotonic() - self._kept_at >= settings.checkpoint_s
