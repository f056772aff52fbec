"""Trials: one crash point and one mode, as a scenario that anybody can run again."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal, get_args

from unstuck.explorer.messages import CLIENT
from unstuck.explorer.points import CrashPoint, pattern_of
from unstuck.faults import cut_message, kill, pause
from unstuck.scenario import Fault, OnMessage, OnPoint, Promise, RoleOptions, Scenario, Trigger, Upload

Mode = Literal["kill", "pause", "cut"]
"""What befalls whoever sends the message, or awaits its reply:

kill   SIGKILL of its whole process tree; the message is cut off with its connection
pause  SIGSTOP of its tree, for longer than the lease where one is declared, with a second worker beside it;
       what waits to go on does so when the pause is over, as a late write would
cut    only its connection breaks
"""
MODES: tuple[Mode, ...] = get_args(Mode)

_FAULTS: Final[Mapping[Mode, str]] = {"kill": kill.NAME, "pause": pause.NAME, "cut": cut_message.NAME}
BUDGET_S: Final = 5.0  # to recover, where no lease is declared
PAUSE_S: Final = 3.0  # where no lease is declared
LEASE_S_MAX: Final = 30.0  # a longer one is not waited for
SLACK_S: Final = 1.0  # beyond a lease: its end is noticed by looking from time to time
NAME_CHARS_MAX: Final = 80
_EXPECT: Final[Mapping[str, Mapping[str, Any]]] = {"every_job_terminal": {}, "no_job_lost": {}, "effects": {}}


@dataclass(frozen=True, slots=True, kw_only=True)
class Approach:
    """What is the same for all trials of an exploration.

    `replicas`: how many processes of each role a run has; `workers`: the roles that carry jobs out, of which
    a second one is beside the one that is paused (None: not known yet).
    """

    name: str
    workload: tuple[Upload, ...]
    promise: Promise
    budget_s: float
    pause_s: float
    replicas: Mapping[str, int]
    workers: frozenset[str] | None = None
    settings: Mapping[str, Any] = field(default_factory=dict)

    @property
    def beside(self) -> Mapping[str, RoleOptions]:
        """What a run needs so that nobody who carries out jobs is alone."""
        alone = (role for role in sorted(self.workers or ()) if self.replicas.get(role, 1) < 2)
        return {role: RoleOptions(replicas=2) for role in alone}


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """One run to be made, and what it is about."""

    point: CrashPoint
    mode: Mode
    scenario: Scenario


def pause_s_of(lease_s: float | None) -> float:
    """How long to pause: past the lease where that can be waited for."""
    return PAUSE_S if lease_s is None or lease_s > LEASE_S_MAX else lease_s + SLACK_S


def budget_s_of(lease_s: float | None) -> float:
    """How long to wait for a recovery: a little more than the lease, where that can be waited for."""
    return BUDGET_S if lease_s is None or lease_s > LEASE_S_MAX else max(BUDGET_S, lease_s + 2 * SLACK_S)


def baseline(approach: Approach, *, number: int, beside: bool) -> Scenario:
    """The job that nothing is done to. `beside`: as it is among the trials of pauses."""
    return Scenario(
        name=f"{approach.name}-baseline-{number}",
        summary="One job, and nothing is done to the service.",
        workload=approach.workload,
        faults=(),
        expect=_EXPECT,
        budget_s=max(20.0, approach.budget_s),
        promise=approach.promise,
        settings=approach.settings,
        roles=approach.beside if beside else {},
    )


def modes_of(point: CrashPoint, asked: Iterable[Mode]) -> tuple[Mode, ...]:
    """What can be done there: a client is not ours to kill, so that its connection is cut."""
    if point.is_named:
        return tuple(mode for mode in asked if mode != "cut")
    return ("cut",) if point.role == CLIENT else tuple(asked)


def untried(names: Iterable[str], points: Iterable[CrashPoint], asked: Iterable[Mode]) -> Mapping[str, str]:
    """Test points that get no trial, and why. `points`: those of them at which somebody is known to stand."""
    modes = {point.label: modes_of(point, asked) for point in points}
    reasons = {}
    for name in sorted(names):
        if name not in modes:
            reasons[name] = "no role begins its name, and not exactly one role was seen to carry out the job"
        elif not modes[name]:
            reasons[name] = "no connection stands at a test point: of the modes, kill and pause strike there"
    return reasons


def trial(approach: Approach, point: CrashPoint, mode: Mode, labels: Iterable[str]) -> Trial:
    """`labels`: all that were seen on the point's link, so that no other message is taken for it."""
    when: Trigger = OnPoint(point=point.label)
    if not point.is_named:
        when = OnMessage(
            message=pattern_of(point.label, labels),
            link=point.link,
            contains=point.contains,
            nth=point.nth,
            on=point.on,
            then=_then(point, mode),
        )
    scenario = Scenario(
        name=_name(approach.name, point, mode),
        summary=_summary(point, mode),
        workload=approach.workload,
        faults=(Fault(name=_FAULTS[mode], parameters=_parameters(approach, point, mode), when=when),),
        expect=_EXPECT,
        budget_s=approach.budget_s,
        promise=approach.promise,
        settings=approach.settings,
        roles=approach.beside if mode == "pause" else {},
    )
    return Trial(point=point, mode=mode, scenario=scenario)


def _then(point: CrashPoint, mode: Mode) -> Literal["forward", "cut", "late"]:
    if mode == "kill":
        return "cut"
    # To a process that is stopped a reply can come at any time: it reads it when it wakes.
    return "late" if mode == "pause" and point.on == "request" else "forward"


def _parameters(approach: Approach, point: CrashPoint, mode: Mode) -> Any:
    match mode:
        case "kill":
            return kill.Parameters(role=point.role, which="here")
        case "pause":
            return pause.Parameters(role=point.role, which="here", for_s=approach.pause_s)
        case "cut":
            return cut_message.Parameters()


def _name(target: str, point: CrashPoint, mode: Mode) -> str:
    """`celery-redis-kill-reply-worker-broker-brpop-celery-1`, 80 characters at most."""
    place = "at" if point.is_named else "before" if point.on == "request" else "reply"
    begin = f"{target}-{mode}-{place}-{point.link.replace('.', '-')}"
    end = _slug(point.contains or str(point.nth))
    room = NAME_CHARS_MAX - len(begin) - len(end) - 2
    return "-".join(part for part in (begin, _slug(point.label)[: max(0, room)].strip("-"), end) if part)


def _slug(text: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")


def _summary(point: CrashPoint, mode: Mode) -> str:
    deed = {
        "kill": f"The {point.role} is killed",
        "pause": f"The {point.role} is paused",
        "cut": f"The connection of the {point.role} breaks",
    }[mode]
    return f"{deed} at {point.label}, {point.place}."
