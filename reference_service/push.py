"""The role `push`: takes events from the queue and brings each to a worker that takes it, by HTTP.

An event is posted to one worker after another until one answers that it has claimed the job (or that there
is nothing to claim): only then is it deleted. It may be posted twice, as when an answer is lost; a claim is
conditional, so that does no harm. What nobody takes for `KEEP_S` is left to the queue, which has it again
once its visibility timeout is over; so is what this process holds when it dies.

Who may be pushed to is in the register of instances, as a load balancer has it: a new instance is found at
the next look, one that has ended or was not heard of for long is not asked any more. One that refuses (it
drains, its slots are full), or does not answer before the ack deadline, is left alone for a while.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from reference_service.domain import Defence
from reference_service.ports import Endpoints, Message, Runtime, Unavailable
from reference_service.presence import Presence
from reference_service.retry import pauses
from reference_service.service import Service
from reference_service.store import events

MOST = 10  # events held at a time
KEEP_S = 8.0  # shorter than the queue's visibility timeout
LOOK_EVERY_S = 0.5  # at the register
REFUSED_FIRST_S, REFUSED_LONGEST_S = 0.05, 1.0
SILENT_FIRST_S, SILENT_LONGEST_S = 0.5, 5.0
TROUBLE_S = 0.5  # before the next try when queue or database is away


def loop(
    service: Service, runtime: Runtime, on_ready: Callable[[], None] = lambda: None, *, endpoints: Endpoints
) -> None:
    """Pushes until told to stop, then gives back what it holds. Survives any `Unavailable`."""
    presence = Presence(service, runtime, "push")
    pusher = Pusher(service, endpoints)
    on_ready()
    while not runtime.stopping:
        wait_s = TROUBLE_S
        try:
            presence.beat_if_due()
            wait_s = pusher.step(lambda: runtime.stopping)
        except Unavailable as error:
            service.log.warning("a dependency is away", error=str(error))
        runtime.wait(wait_s)  # 0.0, too: whoever asks for figures, or whether it is ready, is answered here
    pusher.stop()
    presence.say_goodbye()


@dataclass(slots=True)
class _Held:
    """An event that nobody has taken yet. Times are on the monotonic clock."""

    message: Message
    until: float


@dataclass(slots=True)
class _Shunned:
    """A worker that did not take an event, and when it may be asked again."""

    pauses: Iterator[float]
    refused: bool
    until: float


class Pusher:
    """`step` brings what can be brought now."""

    def __init__(self, service: Service, endpoints: Endpoints) -> None:
        self._service = service
        self._endpoints = endpoints
        self._held: list[_Held] = []
        self._shunned: dict[str, _Shunned] = {}
        self._addresses: list[str] = []
        self._look_at = service.clock.monotonic()

    def step(self, stopping: Callable[[], bool]) -> float:
        """Seconds until there is something to do again; 0.0: at once. Raises `Unavailable`."""
        service = self._service
        now = service.clock.monotonic()
        self._held = [held for held in self._held if held.until > now]
        if not self._held:
            messages = service.jobs_queue.receive(wait_s=service.settings.receive_wait_s, most=MOST)
            until = service.clock.monotonic() + KEEP_S
            self._held = [_Held(message, until) for message in messages]
        while self._held and not stopping():
            if not self._bring(self._held[0].message):
                return self._pause_s()
            del self._held[0]
        return 0.0

    def stop(self) -> None:
        """Best effort: what is not given back comes again by itself."""
        held, self._held = self._held, []
        for one in held:
            try:
                self._service.jobs_queue.give_back(one.message)
            except Unavailable as error:
                self._service.log.warning("an event was left to the queue", error=str(error))
                return

    def _bring(self, message: Message) -> bool:
        """True when it is done with: taken, or given up (`push_redelivery` off: after one try)."""
        service = self._service
        once = not service.defended(Defence.PUSH_REDELIVERY)
        taken = False
        for address in self._candidates():
            service.points.reach("push.deliver.before_post", job=_job_of(message))
            taken = self._post(address, message)
            if taken or once:
                break
        if taken:
            service.points.reach("push.deliver.accepted", job=_job_of(message))
        if taken or once:
            service.jobs_queue.delete(message)
        return taken or once

    def _post(self, address: str, message: Message) -> bool:
        """`ack_deadline` off waits for an answer for ever."""
        service = self._service
        within_s = service.settings.ack_deadline_s if service.defended(Defence.ACK_DEADLINE) else None
        try:
            taken = self._endpoints.post(address, message.body, within_s=within_s)
        except Unavailable as error:
            service.log.warning("not delivered", job=_job_of(message), to=address, error=str(error))
            self._shun(address, refused=False)
            return False
        service.log.info("delivered" if taken else "refused", job=_job_of(message), to=address)
        if taken:
            self._shunned.pop(address, None)
            # Round and round: the next event goes to the next worker.
            self._addresses = [*(one for one in self._addresses if one != address), address]
        else:
            self._shun(address, refused=True)
        return taken

    def _candidates(self) -> Sequence[str]:
        """Whom to ask now, in the order of asking. Raises `Unavailable`."""
        service = self._service
        now = service.clock.monotonic()
        if now >= self._look_at:
            self._look_at = now + LOOK_EVERY_S
            live = events.addresses(service.store, within_s=service.settings.instance_dead_after_s)
            known = [address for address in self._addresses if address in live]
            # A new one first: it has nothing to do yet.
            self._addresses = [*(address for address in live if address not in known), *known]
            self._shunned = {address: one for address, one in self._shunned.items() if address in live}
        return [
            address
            for address in self._addresses
            if address not in self._shunned or self._shunned[address].until <= now
        ]

    def _shun(self, address: str, *, refused: bool) -> None:
        one = self._shunned.get(address)
        if one is None or one.refused != refused:
            first_s, longest_s = (
                (REFUSED_FIRST_S, REFUSED_LONGEST_S) if refused else (SILENT_FIRST_S, SILENT_LONGEST_S)
            )
            backoff = pauses(self._service.randomness, first_s=first_s, longest_s=longest_s)
            one = self._shunned[address] = _Shunned(backoff, refused, 0.0)
        one.until = self._service.clock.monotonic() + next(one.pauses)

    def _pause_s(self) -> float:
        """Until the first worker may be asked again, or the register is looked at."""
        now = self._service.clock.monotonic()
        soonest = min((one.until for one in self._shunned.values()), default=self._look_at)
        return max(0.01, min(soonest, self._look_at) - now) if soonest > now else 0.01


def _job_of(message: Message) -> str | None:
    job = message.body.get("job")
    return job if isinstance(job, str) else None
