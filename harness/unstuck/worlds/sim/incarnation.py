"""One life of a simulated process, or of a child that it forked: what runs in it dies with it.

SIGKILL is not cancellation: nothing of a dead incarnation ever goes on, so that no `finally` of it has an
effect. What a process would see of a signal is up to its program (`on_signal`).
"""

from __future__ import annotations

from collections.abc import Callable

STOPPED, CONTINUED, KILLED = "SIGSTOP", "SIGCONT", "SIGKILL"
FATAL = frozenset({"SIGTERM", "SIGINT", "SIGQUIT", "SIGHUP", "SIGABRT"})


class Incarnation:
    """Alive until `end`. A child dies with its parent, as PR_SET_PDEATHSIG has it."""

    def __init__(self, name: str, pid: int, parent: Incarnation | None = None) -> None:
        self.name = name  # of the process that a supervisor knows, also for its children
        self.pid = pid
        self.parent = parent
        self.children: list[Incarnation] = []
        self.dead = False
        self.frozen = False
        self.code: int | None = None  # how it ended: an exit code, or
        self.signal: str | None = None  # the name of a signal
        self.problem: str | None = None  # the exception that ended it, in words
        self.on_signal: Callable[[str], bool] = lambda _name: False
        """Whether the program handles the signal; if it does not, a fatal one kills."""
        self._pending: list[str] = []  # signals that it gets when it is continued
        self._thawing: list[Callable[[], None]] = []
        self._ending: list[Callable[[], None]] = []
        if parent is not None:
            parent.children.append(self)

    @property
    def tree(self) -> list[Incarnation]:
        """Itself and its living descendants."""
        return [self, *(one for child in self.children if not child.dead for one in child.tree)]

    def when_ended(self, callback: Callable[[], None]) -> None:
        """Called once, when it has ended, however it did."""
        self._ending.append(callback)

    def when_thawed(self, callback: Callable[[], None]) -> None:
        """Called when it is continued; for what came due while it was frozen."""
        self._thawing.append(callback)

    def end(self, *, code: int | None = None, signal: str | None = None) -> None:
        """It is gone, and what it forked with it. Nothing for one that is dead."""
        if self.dead:
            return
        self.dead, self.code, self.signal = True, code, signal
        for child in list(self.children):
            child.end(signal=KILLED)
        if self.parent is not None:
            self.parent.children.remove(self)
        for callback in self._ending:
            callback()

    def send(self, signal: str) -> bool:
        """Delivers a signal, as a kernel does; False when nobody is there to get it."""
        if self.dead:
            return False
        if signal == KILLED:
            self.end(signal=signal)
        elif signal == STOPPED:
            self.frozen = True
        elif signal == CONTINUED:
            self._thaw()
        elif self.frozen:
            self._pending.append(signal)
        else:
            self._take(signal)
        return True

    def _take(self, signal: str) -> None:
        if not self.on_signal(signal) and signal in FATAL:
            self.end(signal=signal)

    def _thaw(self) -> None:
        self.frozen = False
        pending, self._pending = self._pending, []
        for signal in pending:
            if not self.dead:
                self._take(signal)
        thawing, self._thawing = self._thawing, []
        for callback in thawing:
            callback()
