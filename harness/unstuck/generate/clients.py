"""What clients do with their uploads, well and ill behaved, and what must come of each.

An end is promised only where it follows from the steps alone, whatever faults strike besides:

- an object that was put before the deadline is found by whoever looks: the API at a completion, the relay
  at the store's notification, at the latest the sweeper at the deadline. So its job is queued, and what is
  queued and can be processed succeeds, as long as its attempts last (`whole` sees to that);
- the deadline of an upload runs from its announcement, whose answer may come late: it is longer by as much
  as the API may be silent (`whole` again);
- an upload without an object (or with parts missing) expires;
- where a step after an answer of the API decides (`through_api`), an API that is away for a while may
  make it come after the deadline: then the end is certain only while no fault touches the API.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from unstuck.catalogue import Catalogue
from unstuck.generate.choices import Choices, chance
from unstuck.scenario import (
    Cancel,
    Complete,
    Initiate,
    PublishEvent,
    Put,
    PutParts,
    Step,
    Upload,
    Wait,
)

VIDEO: Final = "tiny.mp4"
HOSTILE: Final = ("truncated.mp4", "not-a-video.mp4", "empty.mp4", "absurd-resolution.mp4")
PAUSES_S: Final = (0.1, 0.3, 0.6)


@dataclass(frozen=True, slots=True, kw_only=True)
class Behaviour:
    """One kind of client. `works`: each of its jobs goes through every stage of a worker.

    `state` (and `reason`) is what each of its jobs ends in; None: several ends are right.
    `completes`, `puts`: such an op of each of these clients ends ok while its job is open.
    """

    kind: str
    steps: tuple[Step, ...]
    state: str | None = None
    reason: str | None = None
    video: str = VIDEO
    works: bool = False
    completes: bool = False
    puts: bool = False
    through_api: bool = False

    def upload(self, tag: str, count: int, start_s: float, every_s: float) -> Upload:
        return Upload(
            count=count, video=self.video, start_s=start_s, every_s=every_s, tag=tag, steps=self.steps
        )


def draw_behaviour(choices: Choices, catalogue: Catalogue, *, working: bool) -> Behaviour:
    """One kind of client, with its details; `working`: one whose jobs are processed."""
    kinds = WORKING if working else {**WORKING, **OTHERS}
    weighted = [name for name, (_, weight) in kinds.items() for _ in range(weight)]
    made = kinds[choices.pick(weighted)][0](choices)
    if made.video not in catalogue.videos:
        return _whole(choices)
    return made


def _whole(choices: Choices) -> Behaviour:
    """Puts its video and completes it: once, twice, together, and sometimes again when it has ended."""
    complete = choices.pick((Complete(), Complete(), Complete(times=2), Complete(times=3, together=True)))
    later = choices.pick(
        (
            (),
            (),
            (Wait(state="active"), Complete()),
            (Wait(state="succeeded"), Complete()),
            (Wait(state="succeeded"), PublishEvent(times=2)),
            (PublishEvent(),),
        )
    )
    pause = (Wait(seconds=choices.pick(PAUSES_S)),) if chance(choices, 5) else ()
    steps: tuple[Step, ...] = (Initiate(), Put(), *pause, complete, *later)
    return Behaviour(kind="job", steps=steps, state="succeeded", works=True, completes=not pause, puts=True)


def _silent(choices: Choices) -> Behaviour:
    """Puts its video and says nothing more."""
    later = (Wait(seconds=choices.pick(PAUSES_S)), PublishEvent()) if chance(choices, 4) else ()
    return Behaviour(
        kind="silent", steps=(Initiate(), Put(), *later), state="succeeded", works=True, puts=True
    )


def _in_parts(choices: Choices) -> Behaviour:
    """Puts all parts of a multipart upload, and completes it or not."""
    parts = choices.pick((2, 3))
    puts = PutParts(every_s=choices.pick((0.0, 0.2)))
    tells = choices.pick(((Complete(),), (Complete(times=2, together=True),), ()))
    return Behaviour(
        kind="parts",
        steps=(Initiate(parts=parts), puts, *tells),
        state="succeeded",
        works=True,
    )


def _early(choices: Choices) -> Behaviour:
    """Completes before it has put anything, and again when it has."""
    event = (PublishEvent(),) if chance(choices, 3) else ()
    steps: tuple[Step, ...] = (Initiate(), Complete(), *event, Put(), Complete())
    return Behaviour(kind="early", steps=steps, state="succeeded", works=True, puts=True, through_api=True)


def _vanished(choices: Choices) -> Behaviour:
    """Announces an upload and is never seen again; perhaps an event says otherwise."""
    event = (PublishEvent(),) if chance(choices, 3) else ()
    return Behaviour(kind="vanished", steps=(Initiate(), *event), state="expired")


def _half(choices: Choices) -> Behaviour:
    """Puts some of the parts, and then completes what is not whole, or does not."""
    tells = (Complete(),) if chance(choices, 3) else ()
    steps: tuple[Step, ...] = (Initiate(parts=choices.pick((2, 3))), PutParts(only=1), *tells)
    return Behaviour(kind="half", steps=steps, state="expired")


def _hasty(choices: Choices) -> Behaviour:
    """Completes what it never put."""
    complete = choices.pick((Complete(), Complete(times=2, together=True)))
    return Behaviour(kind="hasty", steps=(Initiate(), complete), state="expired")


def _late(choices: Choices) -> Behaviour:
    """Comes back when its upload has expired."""
    put = (Put(),) if chance(choices, 2) else ()
    steps: tuple[Step, ...] = (Initiate(), Wait(state="expired"), *put, Complete())
    return Behaviour(kind="late", steps=steps, state="expired")


def _tardy(choices: Choices) -> Behaviour:
    """Puts its video at the very deadline, beside the sweeper: in time, or not."""
    complete = (Complete(),) if chance(choices, 2) else ()
    return Behaviour(kind="tardy", steps=(Initiate(), Wait(past_deadline=True), Put(), *complete))


def _withdrawn(choices: Choices) -> Behaviour:
    """Cancels before it has put anything."""
    pause = (Wait(seconds=choices.pick(PAUSES_S)),) if chance(choices, 2) else ()
    steps: tuple[Step, ...] = (Initiate(), *pause, Cancel())
    return Behaviour(kind="withdrawn", steps=steps, state="cancelled", through_api=True)


def _changes_its_mind(choices: Choices) -> Behaviour:
    """Cancels what is under way; it may have succeeded before."""
    active = Wait(state="active")
    waits: list[tuple[Step, ...]] = [(), (active,), *((active, Wait(seconds=s)) for s in PAUSES_S)]
    wait = choices.pick(waits)
    more: list[tuple[Step, ...]] = [(), (Cancel(),), (Complete(),), (PublishEvent(),)]
    again = choices.pick(more)
    return Behaviour(kind="undecided", steps=(Initiate(), Put(), Complete(), *wait, Cancel(), *again))


def _hostile(choices: Choices) -> Behaviour:
    """Uploads what is no video, or not a whole one."""
    return Behaviour(
        kind="hostile",
        steps=(Initiate(), Put(), Complete()),
        state="failed",
        reason="invalid_media",
        video=choices.pick(HOSTILE),
    )


WORKING: Final[Mapping[str, tuple[Callable[[Choices], Behaviour], int]]] = {
    "whole": (_whole, 5),
    "silent": (_silent, 1),
    "parts": (_in_parts, 1),
    "early": (_early, 1),
}
OTHERS: Final[Mapping[str, tuple[Callable[[Choices], Behaviour], int]]] = {
    "vanished": (_vanished, 1),
    "half": (_half, 1),
    "hasty": (_hasty, 1),
    "late": (_late, 1),
    "tardy": (_tardy, 1),
    "withdrawn": (_withdrawn, 1),
    "undecided": (_changes_its_mind, 2),
    "hostile": (_hostile, 2),
}
"""Kind of client -> how it is drawn, and how often compared with the others."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Client:
    """A behaviour as it stands in a workload."""

    behaviour: Behaviour
    upload: Upload

    @property
    def tag(self) -> str:
        return self.upload.tag


def draw_clients(choices: Choices, catalogue: Catalogue, *, jobs_max: int) -> tuple[Client, ...]:
    """A workload of `jobs_max` jobs at most; nearly always one of them is processed."""
    clients: list[Client] = []
    left = jobs_max
    for number in range(choices.pick((1, 2, 2, 3))):
        if left <= 0:
            break
        working = number == 0 and not chance(choices, 8)
        behaviour = draw_behaviour(choices, catalogue, working=working)
        count = min(left, choices.pick((1, 1, 2, 3)))
        left -= count
        taken = sum(client.behaviour.kind == behaviour.kind for client in clients)
        tag = behaviour.kind if not taken else f"{behaviour.kind}-{taken + 1}"
        start_s = choices.pick((0.0, 0.0, 0.2, 0.5)) if number else 0.0
        every_s = choices.pick((0.0, 0.02, 0.2)) if count > 1 else 0.0
        clients.append(Client(behaviour=behaviour, upload=behaviour.upload(tag, count, start_s, every_s)))
    return tuple(clients)
