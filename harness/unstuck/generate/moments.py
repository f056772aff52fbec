"""When a fault strikes: places that a run with these clients is sure to come to."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final

from unstuck.catalogue import Catalogue
from unstuck.generate.choices import Choices
from unstuck.generate.clients import Client
from unstuck.scenario import Condition, OnOp, OnPoint, OnState, OnTime, Trigger

NTH_MAX: Final = 3
SHORT_S: Final = (0.3, 1.0, 2.5)  # how long somebody is away
TIMES_S: Final = (0.4, 0.6)  # late enough for a client to have been heard, and too soon to be done
IN_STAGE: Final = ("worker.publish.before_effect", "worker.publish.after_effect")


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """A trigger, and what is so when it fires.

    `stands`: the role of the process that waits there. `job`: the place is a job's. `held`: a worker holds
    that job. `child`: what stands there, or runs at least, is the worker's child. `stage`: of that job.
    """

    when: Trigger
    stands: str | None = None
    job: bool = False
    held: bool = False
    child: bool = False
    stage: str | None = None

    def condition(self, choices: Choices) -> Condition | None:
        """What may be demanded of this moment, because it is always so; often nothing is."""
        subjects = ["open_jobs", "active_jobs"] if self.held else ["open_jobs"] if self.job else []
        if not subjects or choices.pick((False, True)):
            return None
        return Condition(subject=choices.pick(subjects), comparison=">=", number=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """What a run has to offer to faults: its clients, and the names of its target."""

    clients: Sequence[Client]
    catalogue: Catalogue
    capabilities: frozenset[str]
    replicas: int = 2  # of workers
    lease_s: float = 2.0
    lengths_s: Sequence[float] = SHORT_S  # of what lasts
    notifies: bool = True  # the object store tells of what was put
    poisoned: frozenset[str] = field(default_factory=frozenset)  # tags whose jobs another fault kills
    spent: frozenset[str] = field(default_factory=frozenset)  # faults that may come once, and have

    def count(self, that: Callable[[Client], bool]) -> int:
        """Jobs of the clients for which `that` holds."""
        return sum(client.upload.count for client in self.clients if that(client))

    @property
    def working(self) -> int:
        """Jobs that are sure to go through every stage."""
        return self.count(self.works)

    def works(self, client: Client) -> bool:
        return client.behaviour.works and client.tag not in self.poisoned


def draw_moment(choices: Choices, stage: Stage) -> Moment:
    """A moment that comes in every run of these clients, one where a worker is at a job first of all."""
    kinds: list[Callable[[Choices, Stage], Moment]] = []
    if stage.working:
        kinds += [_in_stage] * 4 + [_claimed, _queued]
        if "points" in stage.capabilities:
            kinds += [_stage_finished, _publishing, _relayed]
    if stage.count(lambda client: client.behaviour.completes) and "points" in stage.capabilities:
        kinds += [_completing]
    if stage.count(_puts):
        kinds += [_put]
    kinds += [_announced, _at_time]
    return choices.pick(kinds)(choices, stage)


def draw_point(choices: Choices, stage: Stage) -> Moment | None:
    """A moment at a test point; None when no point is sure to be reached."""
    if "points" not in stage.capabilities or not stage.working:
        return None
    return choices.pick((_at_stage_point, _stage_finished, _publishing, _relayed))(choices, stage)


def draw_stage_place(choices: Choices, stage: Stage) -> Moment:
    """A job enters a stage, and its child waits there. Some job has to be `working`."""
    name = choices.pick(stage.catalogue.stages)
    job, nth = _whose(choices, stage)
    when = OnState(state="active", stage=name, job=job, nth=nth, hold=True)
    return Moment(when=when, stands="worker", job=True, held=True, child=True, stage=name)


def one_tag(choices: Choices, stage: Stage) -> str:
    """A tag whose jobs are sure to be processed."""
    return choices.pick([client.tag for client in stage.clients if stage.works(client)])


def _whose(choices: Choices, stage: Stage) -> tuple[str, int]:
    """(job, nth): any of the working jobs or those of a tag, and the how-manieth of them to come there."""
    tags = [client for client in stage.clients if stage.works(client)]
    chosen = choices.pick([None, None, *tags])
    count = stage.working if chosen is None else chosen.upload.count
    return ("any" if chosen is None else chosen.tag), choices.pick(range(1, min(count, NTH_MAX) + 1))


def _in_stage(choices: Choices, stage: Stage) -> Moment:
    if "points" in stage.capabilities and choices.pick((True, True, False)):
        return draw_stage_place(choices, stage)
    name = choices.pick(stage.catalogue.stages)
    job, nth = _whose(choices, stage)
    when = OnState(state="active", stage=name, job=job, nth=nth)
    return Moment(when=when, job=True, held=True, child=True, stage=name)


def _at_stage_point(choices: Choices, stage: Stage) -> Moment:
    name = choices.pick(stage.catalogue.stages)
    job, nth = _whose(choices, stage)
    when = OnPoint(point="worker.stage.started", job=job, stage=name, nth=nth)
    return Moment(when=when, stands="worker", job=True, held=True, child=True, stage=name)


def _stage_finished(choices: Choices, stage: Stage) -> Moment:
    name = choices.pick(stage.catalogue.stages[:-1])  # the last one ends with the attempt
    job, nth = _whose(choices, stage)
    when = OnPoint(point="worker.stage.finished", job=job, stage=name, nth=nth)
    return Moment(when=when, stands="worker", job=True, held=True, child=True, stage=name)


def _publishing(choices: Choices, stage: Stage) -> Moment:
    job, nth = _whose(choices, stage)
    when = OnPoint(point=choices.pick(IN_STAGE), job=job, nth=nth)
    return Moment(
        when=when, stands="worker", job=True, held=True, child=True, stage=stage.catalogue.stages[-1]
    )


def _claimed(choices: Choices, stage: Stage) -> Moment:
    job, nth = _whose(choices, stage)
    hold = "points" in stage.capabilities and choices.pick((True, False))
    when = OnState(state="active", job=job, nth=nth, hold=hold)
    return Moment(when=when, stands="worker" if hold else None, job=True, held=True)


def _queued(choices: Choices, stage: Stage) -> Moment:
    job, nth = _whose(choices, stage)
    return Moment(when=OnState(state="queued", job=job, nth=nth), job=True)


def _relayed(choices: Choices, stage: Stage) -> Moment:
    job, nth = _whose(choices, stage)
    point = choices.pick(("relay.publish.before_send", "relay.publish.sent"))
    return Moment(when=OnPoint(point=point, job=job, nth=nth), stands="relay", job=True)


def _completing(choices: Choices, _: Stage) -> Moment:
    # Only the first is sure to be the API's: the relay may be faster with the others.
    point = choices.pick(("api.complete.before_commit", "api.complete.committed"))
    return Moment(when=OnPoint(point=point), stands="api", job=True)


def _announced(choices: Choices, stage: Stage) -> Moment:
    total = stage.count(lambda _: True)
    nth = choices.pick(range(1, min(total, NTH_MAX) + 1))
    kind = choices.pick(("op", "state", "point") if "points" in stage.capabilities else ("op", "state"))
    if kind == "op":
        return Moment(when=OnOp(op="initiate_upload", nth=nth), job=True)
    if kind == "state":
        return Moment(when=OnState(state="awaiting_upload", nth=nth), job=True)
    return Moment(when=OnPoint(point="api.initiate.committed", nth=nth), stands="api", job=True)


def _put(choices: Choices, stage: Stage) -> Moment:
    nth = choices.pick(range(1, min(stage.count(_puts), NTH_MAX) + 1))
    return Moment(when=OnOp(op="put_object", nth=nth), job=True)


def _puts(client: Client) -> bool:
    return client.behaviour.puts


def _at_time(choices: Choices, _: Stage) -> Moment:
    return Moment(when=OnTime(at_s=choices.pick(TIMES_S)))
