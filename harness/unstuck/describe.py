"""Says in plain sentences what a scenario does to a service, and what must hold."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import Any, Protocol, runtime_checkable

from unstuck.scenario import (
    Before,
    Cancel,
    Complete,
    Fault,
    Initiate,
    OnMessage,
    OnOp,
    OnPoint,
    OnStart,
    OnState,
    OnTime,
    Put,
    PutParts,
    RoleOptions,
    Scenario,
    Step,
    Submit,
    Trigger,
    Upload,
    Wait,
)


@runtime_checkable
class Sentence(Protocol):
    """A fault's parameters may say themselves what the fault does: `replace the workers one by one`."""

    def sentence(self) -> str: ...


def describe(scenario: Scenario) -> list[str]:
    """One sentence an item: the workload, what differs from the target's own settings, faults, promises."""
    return [
        *(_upload(upload) for upload in scenario.workload),
        *_changes(scenario),
        *(_fault(index, fault) for index, fault in enumerate(scenario.faults)),
        *([] if scenario.faults else ["Nothing is done to the service."]),
        *(_expectation(name, parameters) for name, parameters in scenario.expect.items()),
        (
            f"Stuck is what is not terminal {_seconds(scenario.budget_s)} after the last fault is healed and "
            "every role is up."
        ),
        *(
            f"With the defence {guard.defence} off, {guard.by} must fail{_case(guard.case)}."
            for guard in scenario.guards
        ),
        *([] if scenario.before is None else [_before(scenario.before)]),
    ]


def _before(before: Before) -> str:
    off, fails = ", ".join(before.defences_off), " and ".join(before.fails)
    return f"As on the day of its incident, with {off} off, {fails} must fail in the base case."


def _upload(upload: Upload) -> str:
    clients = "1 client" if upload.count == 1 else f"{upload.count} clients"
    start = f", from {_seconds(upload.start_s)} on" if upload.start_s else ""
    apart = f", {_seconds(upload.every_s)} apart" if upload.every_s and upload.count > 1 else ""
    steps = ", ".join(_step(step) for step in upload.steps)
    each = "" if upload.count == 1 else " each"
    video = f" ({upload.video})" if upload.video else ""
    tenant = f" of tenant {upload.tenant}" if upload.tenant else ""
    leaves = (
        f"; gives up when refused for {_seconds(upload.patience_s)}" if upload.patience_s is not None else ""
    )
    return f"{clients} ({upload.tag}{tenant}){start}{apart}{each}: {steps}{video}{leaves}."


def _step(step: Step) -> str:  # noqa: C901, PLR0911  one case for each kind
    match step:
        case Initiate(parts=0):
            return "announce an upload"
        case Initiate(parts=parts):
            return f"announce an upload of {_count(parts, 'part')}"
        case Put():
            return "put it"
        case PutParts(only=only, every_s=every_s):
            which = "all parts" if only is None else f"only {_count(only, 'part')}"
            return f"put {which}" + (f", one every {_seconds(every_s)}" if every_s else "")
        case Complete(times=1):
            return "complete it"
        case Complete(times=times, together=together):
            return f"complete it {times} times, " + ("all at once" if together else "one after another")
        case Wait(state=str() as state):
            return f"wait until the job is {state}"
        case Wait(past_deadline=True):
            return "wait until its deadline is past"
        case Wait(seconds=seconds):
            return f"wait {_seconds(seconds or 0.0)}"
        case Cancel():
            return "cancel the job"
        case Submit(values=values):
            return "submit a job" + (f" with {_values(values)}" if values else "")
    return f"deliver its event {_times(step.times)} more"


def _changes(scenario: Scenario) -> list[str]:
    sentences = []
    if scenario.settings:
        sentences.append(f"Every role has {_values(scenario.settings)}.")
    for role, options in scenario.roles.items():
        if parts := _options(options):
            sentences.append(f"Role {role} has {', '.join(parts)}.")
    return sentences


def _options(options: RoleOptions) -> list[str]:
    parts = []
    if options.replicas is not None:
        parts.append(_count(options.replicas, "process", "processes"))
    if options.memory_limit_mib is not None:
        parts.append(f"at most {options.memory_limit_mib} MiB of memory each")
    if options.disk_limit_mib is not None:
        parts.append(f"a disk of {options.disk_limit_mib} MiB each")
    if options.descriptors_max is not None:
        parts.append(f"at most {options.descriptors_max} file descriptors each")
    if options.liveness:
        parts.append("a supervisor that asks whether it lives")
    if options.settings:
        parts.append(_values(options.settings))
    return parts


def _fault(index: int, fault: Fault) -> str:
    parameters = fault.parameters
    if isinstance(parameters, Sentence):
        deed = parameters.sentence()
    else:
        details = _details({f.name: getattr(parameters, f.name) for f in fields(parameters)})
        deed = fault.name.replace("_", " ") + (f" ({details})" if details else "")
    each = ", each time" if fault.times == "each" else ""
    text = f"Fault {index}: {_trigger(fault.when)}{each}: {deed}."
    if fault.condition is not None:
        subject = fault.condition.subject.replace("_", " ")
        demand = f"{subject} {fault.condition.comparison} {fault.condition.number}"
        text += f" This counts only if {demand} at that moment."
    return text


def _trigger(when: Trigger) -> str:  # noqa: PLR0911  one case for each kind
    match when:
        case OnStart():
            return "before the first client begins"
        case OnTime(at_s=at_s):
            return f"{_seconds(at_s)} after the first client began"
        case OnState(state=state, stage=stage, hold=hold):
            place = f"enters {state}" if stage is None else f"enters stage {stage}"
            wait = ", and its process waits there" if hold else ""
            return f"when {_job(when.job)} {place}{_which(when)}{wait}"
        case OnPoint(point=point, stage=stage):
            place = point if stage is None else f"{point} of stage {stage}"
            return f"when {_job(when.job)} reaches {place}{_which(when)}, and its process waits there"
        case OnMessage(message=message, link=link, contains=contains, on=on, first=first, then=then):
            inside = "" if contains is None else f" with {contains!r} in it"
            before = "before it goes on" if on == "request" else "before its reply goes back"
            which = _nth(when.nth) if first is None else f" (the first {first})"
            return f"at {message}{inside} on {link}{which}, {before}{_THEN[then]}"
        case OnOp(op=op, phase=phase):
            return f"when {op} of {_job(when.job)} is {phase}{_nth(when.nth)}"
    return f"when fault {when.fault} {'is' if when.phase == 'healed' else 'has'} {when.phase}"


_THEN: Mapping[str, str] = {
    "forward": "",
    "cut": ", which it never does",
    "late": ", which it does when the fault is over",
}


def _expectation(name: str, parameters: Mapping[str, Any]) -> str:
    demand = f" ({_details(parameters)})" if parameters else ""
    return f"Must hold: {name}{demand}."


def _job(tag: str) -> str:
    return "any job" if tag == "any" else f"a job tagged {tag}"


def _which(when: OnState | OnPoint) -> str:
    return ("" if when.attempt is None else f" in attempt {when.attempt}") + _nth(when.nth)


def _nth(nth: int) -> str:
    return "" if nth == 1 else f" (no. {nth})"


def _case(case: Mapping[str, Any]) -> str:
    return f" in the case {_values(case)}" if case else ""


def _values(values: Mapping[str, Any]) -> str:
    return ", ".join(f"{name}={_value(value)}" for name, value in values.items())


def _value(value: Any) -> str:
    if isinstance(value, Mapping):
        return f"[{_details(value)}]"
    if isinstance(value, tuple | list):
        return " ".join(map(_value, value))
    if isinstance(value, bool):
        return str(value).lower()
    return f"{value:g}" if isinstance(value, float) else str(value)


def _details(values: Mapping[str, Any]) -> str:
    """Parameters as words: `grace_s=5.0` is `grace 5 s`; what is false or absent is left out."""
    parts = []
    for name, value in values.items():
        if value is None or value is False:
            continue
        words = name.removesuffix("_s").replace("_", " ")
        if value is True:
            parts.append(words)
        elif name == "mib":
            parts.append(f"{value} MiB")
        else:
            parts.append(f"{words} {_seconds(value) if name.endswith('_s') else _value(value)}")
    return ", ".join(parts)


def _seconds(seconds: float) -> str:
    return f"{seconds:g} s"


def _count(number: int, one: str, many: str | None = None) -> str:
    return f"{number} {one if number == 1 else many or one + 's'}"


def _times(number: int) -> str:
    return "once" if number == 1 else f"{number} times"
