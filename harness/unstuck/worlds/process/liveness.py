"""Whether a process that was ready still lives: asked again and again, as Kubernetes does."""

from __future__ import annotations

from unstuck.worlds.process.readiness import UrlProbe
from unstuck.worlds.process.wire import Launch

LOOK_EVERY_NS = 20_000_000
TIMEOUT_NS = 1_000_000_000  # of one question


class Liveness:
    """Asks every so often; too many questions in a row without a 200 in time, and it does not live.

    A question that is answered otherwise is asked again, until its second is over.
    """

    def __init__(self, url: str, *, every_s: float, failures_max: int, now_ns: int) -> None:
        self._url = url
        self._every_ns = int(every_s * 1e9)
        self._failures_max = failures_max
        self._failures = 0
        self._probe: UrlProbe | None = None
        self._give_up_ns = 0
        self.due_at_ns = now_ns + self._every_ns

    def look(self, now_ns: int) -> bool:
        """False once it does not live. Call it when it is due; it never waits."""
        if now_ns < self.due_at_ns:
            return True
        if self._probe is None:
            # Silence lasts as long as the question: whoever drops the connection sooner asks twice.
            self._probe = UrlProbe(self._url, answer_within_s=TIMEOUT_NS / 1e9)
            self._give_up_ns = now_ns + TIMEOUT_NS
        if self._probe.ready():
            self._failures = 0
            self._rest(now_ns)
        elif now_ns >= self._give_up_ns:
            self._failures += 1
            self._rest(now_ns)
        else:
            self.due_at_ns = now_ns + LOOK_EVERY_NS
        return self._failures < self._failures_max

    def _rest(self, now_ns: int) -> None:
        self.close()
        self.due_at_ns = now_ns + self._every_ns

    def close(self) -> None:
        if self._probe is not None:
            self._probe.close()
            self._probe = None


def of(launch: Launch, now_ns: int) -> Liveness | None:
    """None: nobody asked for it."""
    if launch.live_url is None:
        return None
    return Liveness(
        launch.live_url, every_s=launch.live_every_s, failures_max=launch.live_failures_max, now_ns=now_ns
    )
