"""`ports.Runtime` in the sim: signals and children of one life of a process, as `ForkRuntime` has them."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from reference_service.ports import ChildEnd, Stopper
from unstuck.errors import UnstuckError
from unstuck.worlds.sim import Incarnation, SimWorld
from unstuck.worlds.sim.incarnation import KILLED

Work = Callable[[Stopper], Mapping[str, Any]]
STOP, STOP_CHILD = frozenset({"SIGTERM", "SIGINT"}), "SIGUSR1"
RSS_BYTES, PEAK_RSS_BYTES = 48 << 20, 64 << 20
SIGKILL_NUMBER = 9


class SimRuntime:
    """Of one incarnation. `drains` off leaves the signals alone: they kill."""

    def __init__(
        self, world: SimWorld, life: Incarnation, travel: Callable[[], None], *, boot_id: str, drains: bool
    ) -> None:
        self.boot_id = boot_id
        self.pid = life.pid
        self.drains = drains
        self.bell = world.green.bell("a signal or the end of a child")
        self._world = world
        self._life = life
        self._travel = travel
        self._stopping = self._woken = False
        self._children: list[SimChild] = []  # not reaped yet
        life.on_signal = self._on_signal

    @property
    def stopping(self) -> bool:
        return self._stopping

    def memory(self) -> None:
        """Nobody limits it: all actors live in one process."""

    def descriptors(self) -> None:
        """The same."""

    def wait(self, timeout_s: float) -> None:
        if self._stopping and not self._children:
            return
        self.bell.until(lambda: self._woken or any(child.gone for child in self._children), timeout_s)
        self._woken = False

    def wake(self) -> None:
        """`wait` returns: something was pushed to this process."""
        self._woken = True
        self.bell.ring()

    def spawn(self, name: str, work: Work) -> SimChild:
        child = SimChild(self, self._world, self._world.fork(self._life), work)
        self._children.append(child)
        self._world.green.spawn(f"{self._life.name}/{name}", child.run, owner=child.life)
        self._travel()  # after a fork, either may be first
        return child

    def run_inline(self, name: str, work: Work) -> Done:
        del name
        end = ChildEnd(
            exit_code=0, signal=None, result=_sent(work(_RuntimeStopper(self))), peak_rss_bytes=None,
            oom_kills=None,
        )  # fmt: skip
        return Done(end)

    def forget(self, child: SimChild) -> None:
        """A child has been reaped."""
        if child in self._children:
            self._children.remove(child)

    def _on_signal(self, name: str) -> bool:
        if name not in STOP or not self.drains:
            return False
        self._stopping = self._woken = True
        self.bell.ring()
        return True


class SimChild:
    """A forked child: its own pid and life, its parent's connections and code."""

    def __init__(self, runtime: SimRuntime, world: SimWorld, life: Incarnation, work: Work) -> None:
        self.life = life
        self.asked = False
        self._runtime = runtime
        self._world = world
        self._work = work
        self._result: Mapping[str, Any] | None = None
        self._stages: list[str] = []
        life.on_signal = self._on_signal
        life.when_ended(runtime.bell.ring)

    @property
    def gone(self) -> bool:
        return self.life.dead

    @property
    def end(self) -> ChildEnd | None:
        if not self.life.dead:
            return None
        self._runtime.forget(self)
        return ChildEnd(
            exit_code=self.life.code,
            signal=None if self.life.signal is None else SIGKILL_NUMBER,
            result=self._result,
            peak_rss_bytes=PEAK_RSS_BYTES if self._result is not None else RSS_BYTES,
            oom_kills=0,
            stage_peaks=dict.fromkeys(self._stages, PEAK_RSS_BYTES),
        )

    def rss_bytes(self) -> int | None:
        return None if self.life.dead else RSS_BYTES

    def measure(self, stage: str) -> None:
        self._stages.append(stage)

    def ask_to_stop(self) -> None:
        self.life.send(STOP_CHILD)

    def kill(self) -> None:
        self.life.send(KILLED)

    def run(self) -> None:
        """The child's own part."""
        try:
            self._result = _sent(self._work(self))
            code = 0
        except UnstuckError as error:
            self._world.blame(error)
            code = 1
        except Exception:  # noqa: BLE001  it ends the child, whatever it was; the parent judges
            code = 1
        self.life.end(code=code)

    def _on_signal(self, name: str) -> bool:
        if name == STOP_CHILD:
            self.asked = True
        return name == STOP_CHILD or (name in STOP and self._runtime.drains)


@dataclass(frozen=True, slots=True)
class Done:
    """Work that has been done already, in the process itself."""

    end: ChildEnd | None

    def rss_bytes(self) -> int | None:
        return None

    def ask_to_stop(self) -> None:
        """It has ended."""

    def kill(self) -> None:
        """It has ended."""


class _RuntimeStopper:
    def __init__(self, runtime: SimRuntime) -> None:
        self._runtime = runtime

    @property
    def asked(self) -> bool:
        return self._runtime.stopping

    def measure(self, stage: str) -> None:
        """The process is the worker's own."""


def _sent(result: Mapping[str, Any]) -> Mapping[str, Any]:
    """As it comes out of the pipe between child and parent."""
    sent: Mapping[str, Any] = json.loads(json.dumps(dict(result)))
    return sent
