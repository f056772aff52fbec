"""Reads the faults of a scenario: what is done, when (the trigger), and what must be true then."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final, cast

from unstuck.errors import did_you_mean
from unstuck.loading.fields import build, one_of
from unstuck.loading.spot import Spot
from unstuck.loading.vocabulary import Vocabulary
from unstuck.scenario import (
    SUBJECTS,
    Condition,
    Fault,
    OnFault,
    OnMessage,
    OnOp,
    OnPoint,
    OnStart,
    OnState,
    OnTime,
    Trigger,
)

START = "start"
# The key that tells a trigger's kind, and the kind.
KINDS: Final[Mapping[str, type[Trigger]]] = {
    "at_s": OnTime,
    "enters": OnState,
    "point": OnPoint,
    "message": OnMessage,
    "op": OnOp,
    "fault": OnFault,
}
_ABOUT = frozenset({"when", "while", "times"})
_OF_TRIGGERS = frozenset(
    {"job", "stage", "attempt", "nth", "first", "hold", "link", "contains", "on", "phase", "then"}
)
_CONDITION = re.compile(r"(>=|<=|==|>|<)\s*([0-9]{1,6})", re.ASCII)


def read_faults(spot: Spot, words: Vocabulary) -> tuple[Fault, ...]:
    """The faults of a scenario; may be none. Raises `ScenarioError`."""
    spots = spot.items()
    faults = tuple(_read_fault(item, words) for item in spots)
    _check_chains(faults, spots)
    _check_healed(faults, spots)
    return faults


def _read_fault(spot: Spot, words: Vocabulary) -> Fault:
    entries = spot.entries()
    known = words.catalogue.faults
    names = [key for key in entries if key not in _ABOUT]
    for name in names:
        if name not in known:
            hint = did_you_mean(name, {*known, *_ABOUT})
            raise spot.key_error(entries[name], name, f"is not a fault.{hint}")
    if not names:
        raise spot.error(f"names no fault. Add one of: {', '.join(sorted(known))}.")
    if len(names) > 1:
        raise spot.error(f"names {len(names)} faults: {', '.join(names)}. Begin each with a dash of its own.")
    if "when" not in entries:
        raise spot.error("lacks 'when'. Say when it strikes, at least `when: start`.")
    parameters = entries[names[0]]
    # The way leaves the fault's name out: an entry has only one, and `faults[1].signal` is shorter.
    fault = Fault(
        name=names[0],
        parameters=build(known[names[0]], Spot(parameters.file, spot.way, parameters.node), words),
        when=_read_trigger(entries["when"], words),
        condition=_read_condition(entries["while"]) if "while" in entries else None,
        times=cast("Any", one_of(entries["times"], ("once", "each"))) if "times" in entries else "once",
        line=spot.line,
    )
    _check_place(fault, entries, words)
    return fault


def _check_place(fault: Fault, entries: Mapping[str, Spot], words: Vocabulary) -> None:
    """Refuses a fault at a place where it could never land: no message there, or no process."""
    when = entries["when"]
    if fault.name in words.catalogue.on_message and not isinstance(fault.when, OnMessage):
        raise when.key_error(when, fault.name, "needs a message. Write `when: {message: …, link: …}`.")
    if fault.name in words.catalogue.at_point and not isinstance(fault.when, OnPoint):
        raise when.key_error(when, fault.name, "needs a test point. Write `when: {point: …}`.")
    if isinstance(fault.when, OnMessage) and fault.times == "each":
        raise entries["times"].error(
            "is not possible at a message. Name one with `nth`, or some with `first`."
        )
    if isinstance(fault.when, OnMessage) and fault.when.then != "forward":
        then = when.entries()["then"]
        if fault.name in words.catalogue.on_message:
            raise then.error(f"is for faults that the message waits for, and {fault.name} is none. Drop it.")
        if fault.when.then == "late" and not hasattr(fault.parameters, "for_s"):
            raise then.error(f"needs a fault that lasts, and {fault.name} does not. Write cut or forward.")
    # A message waits in its link, and who sent it is a process; a message to none of them never comes.
    held = isinstance(fault.when, OnPoint | OnMessage) or (
        isinstance(fault.when, OnState) and fault.when.hold
    )
    if getattr(fault.parameters, "which", None) == "here" and not held:
        raise when.key_error(
            when,
            "here",
            "needs a process at the trigger. Wait for a `point`, a `message`, or `hold: true`, or drop "
            "`which`.",
        )


def _read_trigger(spot: Spot, words: Vocabulary) -> Trigger:
    if not isinstance(spot.node.value, Mapping):
        if spot.node.value != START:
            raise spot.error(
                f"is not a trigger. Write {START}, or a mapping with one of: {', '.join(KINDS)}."
            )
        return OnStart()
    entries = spot.entries()
    kinds = [key for key in KINDS if key in entries]
    if not kinds:
        for key, entry in entries.items():
            if key not in _OF_TRIGGERS:
                raise spot.key_error(entry, key, f"is not a key of a trigger.{did_you_mean(key, KINDS)}")
        raise spot.error(f"does not say what to wait for. Add one of: {', '.join(KINDS)}.")
    if len(kinds) > 1:
        raise spot.error(f"waits for two things: {', '.join(kinds)}. Keep one.")
    trigger = build(KINDS[kinds[0]], spot, words, spelled={"state": "enters"})
    if isinstance(trigger, OnState) and trigger.state != "active":
        for key, asked in (("stage", trigger.stage is not None), ("hold", trigger.hold)):
            if asked:
                raise entries[key].error("needs `enters: active`: other states have no such place. Drop it.")
    return trigger


def _read_condition(spot: Spot) -> Condition:
    entries = spot.entries(SUBJECTS)
    if len(entries) != 1:
        raise spot.error('must be one condition. Write it as `{active_jobs: ">=1"}`.')
    [(subject, demand)] = entries.items()
    value = demand.scalar()
    match = _CONDITION.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        raise demand.error('is not a comparison (>=, <=, ==, >, <) with a number. Write it as ">=1".')
    return Condition(subject=subject, comparison=cast("Any", match[1]), number=int(match[2]))


def _check_chains(faults: Sequence[Fault], spots: Sequence[Spot]) -> None:
    """Each fault that waits for another one waits for one that exists and can come first."""
    for index, fault in enumerate(faults):
        if not isinstance(fault.when, OnFault):
            continue
        where = spots[index].entries()["when"].entries()["fault"]
        if fault.when.fault >= len(faults):
            raise where.error(f"is no fault: the last one here is {len(faults) - 1}. Count from 0.")
        seen = {index}
        following: Trigger = fault.when
        while isinstance(following, OnFault) and following.fault < len(faults):
            if following.fault in seen:
                raise where.error("makes a fault wait for itself. Give one of them another trigger.")
            seen.add(following.fault)
            following = faults[following.fault].when


def _check_healed(faults: Sequence[Fault], spots: Sequence[Spot]) -> None:
    """Each fault that names another one in its parameters, as `heal` does, names one that exists."""
    for index, fault in enumerate(faults):
        healed = getattr(fault.parameters, "fault", None)
        if not isinstance(healed, int):
            continue
        where = spots[index].entries()[fault.name].entries()["fault"]
        where = Spot(where.file, f"{spots[index].way}.fault", where.node)
        if healed >= len(faults):  # RANGES has refused what is below 0
            raise where.error(f"is no fault: the last one here is {len(faults) - 1}. Count from 0.")
        if healed == index:
            raise where.error("makes a fault heal itself. Name another one.")
