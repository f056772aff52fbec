"""Where the runs of a session take place: each stage is opened when it is first asked for."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from unstuck.campaign import Stage
from unstuck.cli.choosing import ChosenTarget, stage_of
from unstuck.cli.environment import shut_out
from unstuck.worlds.port import WorldName


class Stages:
    """The stages of one session, kept until `close`: a database is started once for all runs.

    Every method may be called from several threads at once.
    """

    def __init__(self, stop: threading.Event, target: ChosenTarget) -> None:
        self._stop = stop
        self._target = target
        self._lock = threading.Lock()
        self._open: dict[tuple[str, int | None], Stage] = {}
        self._closing = ExitStack()

    def stage(self, world: WorldName, seed: int) -> Stage:
        """The stage of a world; the sim's is made for one seed. Raises `UsageError`: it cannot be here."""
        with self._lock:
            key = (world, seed if world == "sim" else None)
            if key not in self._open:
                place = stage_of(self._target, world, stop=self._stop, seed=seed)
                self._open[key] = self._closing.enter_context(place)
            return self._open[key]

    def close(self) -> None:
        """Takes everything down that runs have started. Idempotent."""
        with self._lock:
            self._open.clear()
            self._closing.close()


class Surroundings:
    """Keeps the user's environment out of runs, and gives it back when none is under way.

    A test session is not ours: its other tests may need the variables that would redirect a run.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._inside = 0
        self._taken: dict[str, str] = {}

    @contextmanager
    def shut_out(self) -> Iterator[None]:
        """Within: without what `unstuck run` would not hear of either."""
        with self._lock:
            self._inside += 1
            if self._inside == 1:
                before = dict(os.environ)
                shut_out()
                self._taken = {name: before[name] for name in before.keys() - os.environ.keys()}
        try:
            yield
        finally:
            with self._lock:
                self._inside -= 1
                if self._inside == 0:
                    for name, value in self._taken.items():
                        os.environ.setdefault(name, value)
