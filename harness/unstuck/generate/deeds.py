"""What is done to the service: one or several faults that belong together, each sure to land."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any, Final, Literal

from unstuck.faults.toxic import Attributes
from unstuck.generate.choices import Choices, chance
from unstuck.generate.moments import (
    Moment,
    Stage,
    draw_moment,
    draw_point,
    draw_stage_place,
    one_tag,
)
from unstuck.scenario import Fault, OnFault, OnMessage, OnPoint, OnStart, OnState, PublishEvent, Trigger

LONG_S: Final = 5.0  # longer than another fault may keep a link silent
BUSY: Final = ("worker.database", "sweeper.database", "relay.database")
TOXICS: Final[Mapping[str, Mapping[str, int]]] = {
    "latency": {"latency": 20, "jitter": 10},
    "reset_peer": {},
    "slicer": {"average_size": 50, "delay": 200},
}
"""What a service survives as it survives a link that is down: type -> attributes."""
ROLLED: Final = ("worker", "api", "sweeper", "relay")


@dataclass(frozen=True, slots=True, kw_only=True)
class Deed:
    """Faults as they come into a scenario, and what they may cost.

    `touches`: roles that are hit. `strokes`: how often a job may lose an attempt to it, at most; of those
    `losses` take its worker or its lease, if they cost an attempt, and are no crashes of the job's own.
    `poisons`: the tag whose jobs cannot be processed any more. `memory_limit_mib`: of workers.
    """

    faults: tuple[Fault, ...]
    touches: frozenset[str] = frozenset()
    strokes: int = 0
    losses: int = 0
    poisons: str | None = None
    silences: bool = False  # the object store tells of nothing any more
    memory_limit_mib: int | None = None


@dataclass(frozen=True, slots=True)
class Workshop:
    """Makes faults of those that the catalogue has; `first` is the number of the next one."""

    choices: Choices
    stage: Stage
    first: int
    made: list[Fault] = field(default_factory=list)

    def add(
        self, name: str, when: Trigger, *, moment: Moment | None = None, each: bool = False, **parameters: Any
    ) -> int:
        """Adds a fault and returns its number in the scenario."""
        condition = moment.condition(self.choices) if moment is not None else None
        made = self.stage.catalogue.faults[name](**parameters)
        self.made.append(
            Fault(
                name=name, parameters=made, when=when, condition=condition, times="each" if each else "once"
            )
        )
        return self.first + len(self.made) - 1

    def deed(self, *touches: str, **rest: Any) -> Deed:
        return Deed(faults=tuple(self.made), touches=frozenset(touches), **rest)


ONCE: Final = frozenset({"corrupt_artefacts"})
"""Of two at the same place the first ends the attempt that the second would need."""

Maker = Callable[[Workshop], Deed]


def draw_deed(choices: Choices, stage: Stage, first: int) -> Deed:
    """Something that the world can do and the catalogue has, at a moment that comes."""
    makers = [maker for maker, needs, wants, weight in MAKERS if _possible(stage, needs, wants)
              for _ in range(weight)]  # fmt: skip
    return choices.pick(makers)(Workshop(choices, stage, first))


def _possible(stage: Stage, needs: Sequence[str], wants: str) -> bool:
    """`needs`: faults and capabilities; `wants`: `working` jobs, with `one event` each, or nothing."""
    offered = (stage.catalogue.faults.keys() | stage.capabilities) - stage.spent
    if not offered.issuperset(needs) or (wants and not stage.working):
        return False
    return wants != "one event" or not any(
        isinstance(step, PublishEvent) for client in stage.clients for step in client.upload.steps
    )


# At one process


def _terminate(shop: Workshop) -> Deed:
    moment = draw_moment(shop.choices, shop.stage)
    role, which = _victim(shop, moment)
    scope = shop.choices.pick(("main", "group", "tree"))
    shop.add("terminate", moment.when, moment=moment, role=role, which=which, scope=scope,
             grace_s=shop.choices.pick((0.0, 0.5, 5.0)))  # fmt: skip
    return _touching(shop, role, losses=int(scope == "main"))  # else its child may end of it by itself


def _kill(shop: Workshop) -> Deed:
    moment = draw_moment(shop.choices, shop.stage)
    role, which = _victim(shop, moment)
    scopes = ["tree", "main", "group"]
    if moment.child and role == "worker" and which in ("here", "holder"):
        scopes.append("child")
    signal = shop.choices.pick(("SIGKILL", "SIGKILL", "SIGTERM"))
    scope = shop.choices.pick(scopes)
    shop.add("kill", moment.when, moment=moment, role=role, which=which, signal=signal, scope=scope)
    return _touching(shop, role, losses=int(signal == "SIGKILL" and scope != "child"))


def _pause(shop: Workshop) -> Deed:
    moment = draw_moment(shop.choices, shop.stage)
    role, which = _victim(shop, moment)
    shop.add("pause", moment.when, moment=moment, role=role, which=which,
             for_s=shop.choices.pick((*shop.stage.lengths_s[:2], shop.stage.lease_s + 1.5,
                                      *shop.stage.lengths_s[3:])))  # fmt: skip
    return _touching(shop, role, losses=1)


def _victim(shop: Workshop, moment: Moment) -> tuple[str, str]:
    """(role, which of its processes)."""
    options: list[tuple[str, str]] = []
    if moment.stands is not None:
        options += [(moment.stands, "here")] * 4
    if moment.held:
        options += [("worker", "holder")] * 2
    options += [(role, shop.choices.pick(("any", "all"))) for role in sorted(shop.stage.catalogue.roles)]
    return shop.choices.pick(options)


def _crash(shop: Workshop) -> Deed:
    moment = draw_point(shop.choices, shop.stage)
    if moment is None or moment.stands is None:
        return _kill(shop)
    shop.add("crash_here", moment.when, moment=moment)
    return _touching(shop, moment.stands)


def _touching(shop: Workshop, role: str, strokes: int = 1, losses: int = 0) -> Deed:
    if role != "worker":
        return shop.deed(role)
    return shop.deed(role, strokes=strokes, losses=losses)


# At a role


def _down(shop: Workshop) -> Deed:
    moment = draw_moment(shop.choices, shop.stage)
    role = shop.choices.pick(sorted(shop.stage.catalogue.roles))
    shop.add("down", moment.when, moment=moment, role=role, for_s=shop.choices.pick(shop.stage.lengths_s),
             grace_s=shop.choices.pick((1.0, 0.0)))  # fmt: skip
    return _touching(shop, role, losses=1)


def _replace(shop: Workshop) -> Deed:
    moment = draw_moment(shop.choices, shop.stage)
    role = shop.choices.pick([role for role in ROLLED if role in shop.stage.catalogue.roles])
    grace_s, overlap = shop.choices.pick((5.0, 0.5, 0.0)), shop.choices.pick((False, True))
    shop.add("rolling_replace", moment.when, moment=moment, role=role, grace_s=grace_s, overlap=overlap)
    # 1. the first worker is killed, 2. another claims its job, 3. that one is killed, too.
    return _touching(shop, role, shop.stage.replicas, losses=shop.stage.replicas)


def _link_down(shop: Workshop) -> Deed:
    moment = draw_moment(shop.choices, shop.stage)
    link = shop.choices.pick(sorted(shop.stage.catalogue.links))
    for_s = shop.choices.pick(shop.stage.lengths_s)
    shop.add("link_down", moment.when, moment=moment, link=link, for_s=for_s)
    return _touching(shop, link.partition(".")[0])


def _toxic(shop: Workshop) -> Deed:
    """On a link that is never silent for long: a toxic that nobody meets would prove nothing."""
    moment = draw_moment(shop.choices, shop.stage)
    link = shop.choices.pick([link for link in BUSY if link in shop.stage.catalogue.links])
    kind = shop.choices.pick(sorted(TOXICS))
    given = TOXICS[kind]
    attributes = Attributes(**given) if given else None
    stream = shop.choices.pick(("downstream", "upstream"))
    shop.add("toxic", moment.when, moment=moment, link=link, type=kind, stream=stream, attributes=attributes,
             for_s=LONG_S)  # fmt: skip
    return _touching(shop, link.partition(".")[0])


# At a message


@dataclass(frozen=True, slots=True)
class Message:
    """A message that is sent for every job that is processed, and what a service can survive of it."""

    label: str
    link: str
    deeds: tuple[str, ...]


ENDS: Final[Sequence[Literal["request", "reply"]]] = ("request", "reply")
CUT_OR_LATE: Final = ("cut_message", "delay_message", "hold_message")
IDEMPOTENT: Final = (*CUT_OR_LATE, "duplicate_message")
MESSAGES: Final = (
    Message("*SendMessage*", "relay.queue", ("swallow", "error_message", *IDEMPOTENT)),
    Message("*DeleteMessage*", "worker.queue", ("error_message", *IDEMPOTENT)),
    Message("PutObject", "worker.objects", ("error_message", *IDEMPOTENT)),
    Message("GetObject", "worker.objects", ("error_message", *CUT_OR_LATE)),
    Message("POST /caption", "worker.vision", IDEMPOTENT),
    Message("POST /effects", "worker.sink", IDEMPOTENT),
    Message("UPDATE jobs", "worker.database", CUT_OR_LATE),
    Message("INSERT checkpoints", "worker.database", CUT_OR_LATE),
    Message("HeadObject", "api.objects", CUT_OR_LATE),
    Message("UPDATE jobs", "api.database", CUT_OR_LATE),
)


def _message(shop: Workshop) -> Deed:
    choices, stage = shop.choices, shop.stage
    known = [one for one in MESSAGES if _is_sent(one, stage)]
    message = choices.pick(known)
    name = choices.pick([deed for deed in message.deeds if deed in stage.catalogue.faults])
    on: Literal["request", "reply"] = "request"
    if name == "cut_message":
        on = choices.pick(ENDS)
    nth = choices.pick(range(1, min(stage.working, 3) + 1)) if not message.link.startswith("api") else 1
    when = OnMessage(message=message.label, link=message.link, nth=nth, on=on)
    parameters: dict[str, Any] = {
        "delay_message": {"by_s": choices.pick((0.2, 1.0))},
        "duplicate_message": {"after_s": choices.pick((0.0, 0.5, 1.5))},
        "hold_message": {"for_s": choices.pick((0.2, 1.0))},
    }.get(name, {})
    shop.add(name, when, moment=Moment(when=when, job=True), **parameters)
    return _touching(shop, message.link.partition(".")[0])


def _is_sent(message: Message, stage: Stage) -> bool:
    if message.link.startswith("api") and not stage.count(lambda client: client.behaviour.completes):
        return False
    return any(fnmatchcase(link, message.link) for link in stage.catalogue.links)


# From the beginning


def _deaf(shop: Workshop) -> Deed:
    shop.add("notifications_off", OnStart())
    return shop.deed(silences=True)


def _starts_without(shop: Workshop) -> Deed:
    choices, stage = shop.choices, shop.stage
    for_s = choices.pick(stage.lengths_s)
    if "link_down" in stage.catalogue.faults and "links" in stage.capabilities and chance(choices, 2):
        link = choices.pick(sorted(stage.catalogue.links))
        shop.add("link_down", OnStart(), link=link, for_s=for_s)
        return _touching(shop, link.partition(".")[0])
    role = choices.pick(sorted(stage.catalogue.roles - {"api"}))
    shop.add("down", OnStart(), role=role, for_s=for_s)
    return _touching(shop, role, losses=1)


# To a job at its place


def _complete_again(shop: Workshop) -> Deed:
    moment = draw_stage_place(shop.choices, shop.stage)
    shop.add("complete_again", moment.when, moment=moment, times=shop.choices.pick((1, 2)))
    return shop.deed()


def _rot(shop: Workshop) -> Deed:
    """What is stored of a stage rots, and the attempt ends: the next one looks before it trusts."""
    choices, stages = shop.choices, list(shop.stage.catalogue.stages)
    tag = one_tag(choices, shop.stage)
    storing = [name for name in ("frames", "thumbnails", "stitch") if name in stages[:-1]]
    rotten = choices.pick(storing)
    place = choices.pick(stages[stages.index(rotten) + 1 :])
    at = OnState(state="active", stage=place, job=tag, hold=True)
    moment = Moment(when=at, job=True, held=True)
    number = shop.add("corrupt_artefacts", at, moment=moment, stage=rotten)
    shop.add("kill", OnFault(fault=number, phase="landed"), role="worker", which="all")
    return _touching(shop, "worker", losses=1)


def _hit_again(shop: Workshop) -> Deed:
    """An attempt is killed in a stage, and the next one that comes there as well."""
    choices = shop.choices
    tag, name = one_tag(choices, shop.stage), choices.pick(shop.stage.catalogue.stages)
    # The stage is not done, so that somebody comes there again: no matter in which attempt.
    first = OnPoint(point="worker.stage.started", job=tag, stage=name)
    second = OnState(state="active", stage=name, job=tag, nth=2, hold=True)
    moment = Moment(when=first, job=True, held=True)
    shop.add("crash_here", first, moment=moment)
    deed = choices.pick(("kill", "rolling_replace"))
    if deed == "kill":
        shop.add("kill", second, moment=moment, role="worker", which="here", scope="tree")
    else:
        shop.add("rolling_replace", second, moment=moment, role="worker", grace_s=0.0)
    return _touching(shop, "worker", 1 + shop.stage.replicas, losses=shop.stage.replicas)


def _sleeper(shop: Workshop) -> Deed:
    """A worker freezes past its lease, another takes its job over, and the first one wakes beside it."""
    moment = draw_stage_place(shop.choices, shop.stage)
    long_s = shop.stage.lease_s + shop.choices.pick((2.0, 3.0))
    shop.add("pause", moment.when, moment=moment, role="worker", which="here", for_s=long_s)
    return _touching(shop, "worker", losses=1)


def _recovery_dies(shop: Workshop) -> Deed:
    """The workers are away for longer than their leases, and so is, in the middle of it, who notices."""
    moment = draw_stage_place(shop.choices, shop.stage)
    shop.add("down", moment.when, moment=moment, role="worker", for_s=shop.stage.lease_s + 1.5, grace_s=0.0)
    shop.add("crash_here", OnPoint(point="sweeper.lease.committed"))
    return shop.deed("worker", "sweeper", strokes=1, losses=1)


def _event_dies_twice(shop: Workshop) -> Deed:
    """An event is lost, and whoever announces the job again dies over it."""
    when = OnMessage(message="*SendMessage*", link="relay.queue")
    shop.add("swallow", when, moment=Moment(when=when, job=True))
    shop.add("crash_here", OnPoint(point="sweeper.event.committed"))
    return shop.deed("relay", "sweeper")


def _mended(shop: Workshop) -> Deed:
    """Somebody freezes for long, and is woken at once or when a job has come to a place."""
    choices = shop.choices
    moment = draw_moment(choices, shop.stage)
    role = choices.pick(("sweeper", "relay", "vision"))
    frozen = shop.add("pause", moment.when, moment=moment, role=role, which="all", for_s=30.0)
    shop.add("heal", OnFault(fault=frozen, phase="landed"), fault=frozen)
    return _touching(shop, role)


def _poison(shop: Workshop) -> Deed:
    """Each attempt at the jobs of one tag dies in the same stage."""
    tag, name = one_tag(shop.choices, shop.stage), shop.choices.pick(shop.stage.catalogue.stages)
    when = OnPoint(point="worker.stage.started", job=tag, stage=name)
    shop.add("crash_here", when, each=True)
    return shop.deed(poisons=tag)


def _balloon(shop: Workshop) -> Deed:
    """A job outgrows the memory of its worker, once."""
    tag = one_tag(shop.choices, shop.stage)
    when = OnPoint(
        point="worker.stage.started", job=tag, stage=shop.choices.pick(shop.stage.catalogue.stages)
    )
    shop.add("allocate_here", when, moment=Moment(when=when, job=True, held=True), mib=900)
    return shop.deed("worker", strokes=1, memory_limit_mib=512)


MAKERS: Final[Sequence[tuple[Maker, Sequence[str], str, int]]] = (
    (_kill, ("kill",), "", 6),
    (_terminate, ("terminate",), "", 3),
    (_crash, ("crash_here", "kill"), "", 3),
    (_pause, ("pause",), "", 4),
    (_down, ("down",), "", 3),
    (_replace, ("rolling_replace",), "", 4),
    (_link_down, ("link_down", "links"), "", 3),
    (_toxic, ("toxic", "links"), "", 3),
    (_message, ("links",), "working", 6),
    (_deaf, ("notifications_off", "notifications"), "", 1),
    (_starts_without, ("down",), "", 1),
    (_complete_again, ("complete_again", "points"), "working", 1),
    (_rot, ("corrupt_artefacts", "artefacts", "points"), "working", 1),
    (_hit_again, ("crash_here", "points"), "working", 2),
    (_sleeper, ("pause", "points"), "working", 2),
    (_recovery_dies, ("down", "crash_here", "points"), "working", 1),
    (_event_dies_twice, ("swallow", "links", "points"), "one event", 1),
    (_mended, ("pause", "heal"), "", 1),
    (_poison, ("crash_here", "points"), "working", 1),
    (_balloon, ("allocate_here", "memory_limit", "points"), "working", 1),
)
"""Maker, what it asks for (faults and capabilities), what it wants of the clients, how often."""
