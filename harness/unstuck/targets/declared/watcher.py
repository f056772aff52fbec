"""Looks at the system again and again, and tells the tracker what was seen."""

from __future__ import annotations

import threading
from collections.abc import Callable

from unstuck.clock import monotonic_ns, sleep
from unstuck.errors import HarnessError, TargetError, UnstuckError
from unstuck.targets.declared.agent_client import CallError
from unstuck.targets.declared.sources import Sources
from unstuck.targets.declared.tracker import Tracker
from unstuck.targets.port import Emit

LAST_LOOK_WITHIN_S = 10.0  # for a dependency that is just coming back
LAST_LOOKS = 3  # that must agree on what is seen nowhere: it may be on its way between two places
LAST_LOOK_EVERY_S = 0.15


class Watcher:
    """From `start` to `stop`; `look_last` ends with a look that succeeded, or raises."""

    def __init__(
        self,
        *,
        sources: Sources,
        effects: Callable[[], None] | None,
        tracker: Tracker,
        emit: Emit,
        every_s: float,
    ) -> None:
        """`effects` looks for effects, where the target file says that they can be seen."""
        self._sources = sources
        self._effects = effects
        self._tracker = tracker
        self._emit = emit
        self._every_s = every_s
        self._over = threading.Event()
        self._lock = threading.Lock()  # one look at a time
        self._error: UnstuckError | None = None
        self._blind: str | None = None  # why the last look failed
        self._thread = threading.Thread(target=self._watch, name="watcher", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Idempotent."""
        self._over.set()
        if self._thread.is_alive():
            self._thread.join(2.0)

    def check(self) -> None:
        """Raises the error that ended the watch: nothing may be judged by one who saw no more."""
        if self._error is not None:
            raise self._error

    def look_last(self) -> None:
        """Looks until several looks have succeeded. Raises `TargetError` when the system shows nothing."""
        self.check()
        self.stop()
        deadline_ns = monotonic_ns() + int(LAST_LOOK_WITHIN_S * 1e9)
        succeeded = 0
        while succeeded < LAST_LOOKS:
            if self._look():
                succeeded += 1
            elif monotonic_ns() > deadline_ns:
                raise TargetError(
                    f"observe: the last look at the jobs has failed for {LAST_LOOK_WITHIN_S:g} s: "
                    f"{self._blind}. Nothing can be judged; see the logs of the run."
                )
            sleep(LAST_LOOK_EVERY_S)

    def _watch(self) -> None:
        while not self._over.wait(self._every_s):
            try:
                self._look()
            except UnstuckError as error:
                self._error = error
                return
            except Exception as error:  # noqa: BLE001  who looks no more must not seem to have seen nothing
                self._error = HarnessError(f"observe: {error!r}. This is a bug of Unstuck.")
                return

    def _look(self) -> bool:
        """One look; False, and the reason is kept, when the system could not be asked."""
        with self._lock:
            jobs = self._tracker.jobs()
            read_ns = monotonic_ns()
            try:
                seen = self._sources.look(jobs) if jobs else {}
                if self._effects is not None:
                    self._effects()
            except CallError as error:
                if self._blind is None:
                    self._emit("evidence", "blind", why=str(error))
                self._blind = str(error)
                return False
            if self._blind is not None:
                self._blind = None
                self._emit("evidence", "sighted")
            for job, found in seen.items():
                self._tracker.saw(job, found, read_ns)
            return True
