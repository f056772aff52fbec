"""Looks at the system again and again, and tells the tracker what was seen."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

from unstuck.clock import monotonic_ns, sleep
from unstuck.errors import HarnessError, TargetError, UnstuckError
from unstuck.targets.declared.agent_client import CallError
from unstuck.targets.declared.tracker import Seen, Tracker
from unstuck.targets.port import Emit

LAST_LOOK_WITHIN_S = 10.0  # for a dependency that is just coming back
LAST_LOOKS = 3  # that must agree on what is seen nowhere: it may be on its way between two places
LAST_LOOK_EVERY_S = 0.15


class Looks(Protocol):
    """What a watcher asks; `unstuck.targets.declared.sources.Sources` is one."""

    def look(self, jobs: Sequence[str]) -> Mapping[str, Seen]: ...


class Watcher:
    """From `start` to `stop`; `look_last` ends with looks that succeeded and agree, or raises.

    A look that takes long is followed by a pause as long: who looks must not be most of the load.
    """

    def __init__(
        self,
        *,
        sources: Looks,
        effects: Callable[[], None] | None,
        catch_up: Callable[[], None],
        tracker: Tracker,
        emit: Emit,
        every_s: float,
    ) -> None:
        """`effects` looks for effects, where the target file says that they can be seen; `catch_up` takes
        every report that was written so far."""
        self._sources = sources
        self._effects = effects
        self._catch_up = catch_up
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

    @property
    def alive(self) -> bool:
        """True while it looks by itself."""
        return self._thread.is_alive()

    def check(self) -> None:
        """Raises the error that ended the watch: nothing may be judged by one who saw no more."""
        if self._error is not None:
            raise self._error

    def look_last(self) -> None:
        """Looks until several looks have succeeded, and agree on which jobs are held nowhere: 1. the system
        takes a job out of one place, 2. we look, 3. it puts the job into the next.

        Raises `TargetError` when the system shows nothing.
        """
        self.check()
        self.stop()
        deadline_ns = monotonic_ns() + int(LAST_LOOK_WITHIN_S * 1e9)
        agreeing, missing = 0, frozenset[str]()
        while agreeing < LAST_LOOKS:
            succeeded = self._look(self._tracker.jobs())
            if succeeded:
                before, missing = missing, self._tracker.missing()
                agreeing = agreeing + 1 if missing == before else 1
            if monotonic_ns() > deadline_ns:
                if succeeded:  # jobs come and go: it is as it was seen at last
                    return
                raise TargetError(
                    f"observe: the last look at the jobs has failed for {LAST_LOOK_WITHIN_S:g} s: "
                    f"{self._blind}. Nothing can be judged; see the logs of the run."
                )
            sleep(LAST_LOOK_EVERY_S)

    def _watch(self) -> None:
        nth, pause_s = 0, self._every_s
        while not self._over.wait(pause_s):
            began_ns = monotonic_ns()
            try:
                self._look(self._tracker.due(nth))
            except UnstuckError as error:
                self._error = error
                return
            except Exception as error:  # noqa: BLE001  a thread that ends unheard would leave us blind
                self._error = HarnessError(f"observe: {error!r}. This is a bug of Unstuck.")
                self._error.__cause__ = error
                return
            nth += 1
            pause_s = max(self._every_s, (monotonic_ns() - began_ns) / 1e9)

    def _look(self, jobs: Sequence[str]) -> bool:
        """One look; False, and the reason is kept, when the system could not be asked."""
        with self._lock:
            read_ns = monotonic_ns()
            try:
                seen = self._sources.look(jobs) if jobs else {}
                if self._effects is not None:
                    self._effects()
                self._catch_up()  # before what was read is taken: see `unstuck.targets.declared.tracker`
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
