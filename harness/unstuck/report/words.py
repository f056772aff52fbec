"""Faults, triggers, states and events in words that somebody who never read the code understands."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import fields, is_dataclass
from typing import Any, Final

from unstuck.cases import spell
from unstuck.checks.result import plural as plural  # noqa: PLC0414  for all of the report
from unstuck.history import Event
from unstuck.scenario import (
    Cancel,
    Complete,
    Fault,
    Initiate,
    OnFault,
    OnMessage,
    OnOp,
    OnPoint,
    OnStart,
    OnState,
    OnTime,
    PublishEvent,
    Put,
    PutParts,
    Step,
    Submit,
    Trigger,
    Upload,
    Wait,
)


def span(seconds: float) -> str:
    """A duration or time for people: `0 s`, `0.52 s`, `5 s`, `12.3 s`, `140 s`."""
    digits = 2 if abs(seconds) < 10 else 1 if abs(seconds) < 100 else 0
    text = f"{seconds:.{digits}f}"
    return f"{text.rstrip('0').rstrip('.') if '.' in text else text} s"


def size(count: float) -> str:
    """Bytes for people: `512 MiB`."""
    for unit in ("B", "KiB", "MiB"):
        if abs(count) < 1024:
            return f"{count:.0f} {unit}"
        count /= 1024
    return f"{count:.1f} GiB"


_NOISE: Final = frozenset(
    {"tag", "tenant", "pid", "version", "sent_to", "scope", "parts", "video", "role", "in_flight", "setup"}
)
"""What events carry for programs; in a line for people it hides the rest."""


def facts_text(facts: Mapping[str, Any]) -> str:
    """`role=worker, grace_s=5`; what is None is left out."""
    return ", ".join(f"{name}={_value(value)}" for name, value in facts.items() if value is not None)


def what(fault: Fault) -> str:
    """What a fault does, from its name and parameters: `replace every worker (…)`."""
    values = _parameters(fault.parameters)
    phrase = _PHRASES.get(fault.name)
    try:
        text = phrase(values) if phrase else ""
    except KeyError:  # a parameter was renamed: name and values still tell
        text = ""
    if not text:
        text = fault.name + (f" ({facts_text(values)})" if values else "")
    return f"{text}, each time" if fault.times == "each" else text


def when(trigger: Trigger) -> str:
    """When a fault fires: `when a job enters active, stage scenes`."""
    match trigger:
        case OnStart():
            text = "before the first client begins"
        case OnTime(at_s=at_s):
            text = f"{span(at_s)} after the first client began"
        case OnState(state=state, job=job, stage=stage, nth=nth):
            place = f"{state}, stage {stage}" if stage else state
            text = f"when {_job(job)} enters {place}{_nth(nth)}"
        case OnPoint(point=point, job=job, stage=stage, attempt=attempt, nth=nth):
            place = f" in stage {stage}" if stage else ""
            turn = f" of attempt {attempt}" if attempt is not None else ""
            text = f"when {_job(job)} is at {point}{place}{turn}{_nth(nth)}"
        case OnMessage(message=message, link=link, nth=nth, on=on, first=first):
            side = "the reply to " if on == "reply" else ""
            which = _nth(nth) if first is None else f", the first {first} times"
            text = f"at {side}message {message} on the link {link}{which}"
        case OnOp(op=op, phase=phase, job=job, nth=nth):
            text = f"when {op} of {_job(job)} is {phase}{_nth(nth)}"
        case OnFault(fault=index, phase=phase):
            text = f"when fault {index} has {phase}"
    return text


def workload(upload: Upload) -> str:
    """What some clients do: `6 clients (job): upload tiny.mp4: initiate, put, complete`."""
    steps = ", ".join(_step(step) for step in upload.steps)
    pace = f", one every {span(upload.every_s)}" if upload.every_s and upload.count > 1 else ""
    video = f" with {upload.video}" if upload.video else ""
    return f"{plural(upload.count, 'client')} ({upload.tag}{pace}){video}: {steps}"


def event_text(event: Event) -> str:
    """One event in words, without its time: `active (from queued), attempt 1, token 3`."""
    tell = _EVENTS.get(event.kind)
    if tell is not None:
        return tell(event, dict(event.data))
    phase = f" {event.phase}" if event.phase else ""
    return _with(f"{event.kind}{phase}", event.data)


def _tell_move(_event: Event, data: dict[str, Any]) -> str:
    before = data.pop("from", None)
    if not data.get("attempt"):  # nobody has claimed it yet
        data.pop("attempt", None)
        data.pop("token", None)
    where = f" (from {before})" if before else " (new)"
    if "worker" in data and data.get("to") != "active":  # whose claim it is: another may have written
        data["holder"] = data.pop("worker")
    return _with(f"{data.pop('to', '?')}{where}", data)


def _tell_stage(_event: Event, data: dict[str, Any]) -> str:
    return f"  stage {data.get('stage') or 'none'}"


def _tell_op(event: Event, data: dict[str, Any]) -> str:
    action = data.pop("action", "?")
    for name in ("id", "client"):
        data.pop(name, None)
    return _with(f"client: {action}{'' if event.phase == 'invoke' else f' {event.phase}'}", data)


def _tell_effect(_event: Event, data: dict[str, Any]) -> str:
    applied = "applied" if data.pop("applied", False) else "delivered again, not applied"
    return _with(f"effect {applied}", data)


def _tell_fault(event: Event, data: dict[str, Any]) -> str:
    name, index = data.pop("name", "?"), data.pop("fault", "?")
    how = data.get("how") or data.get("why")
    return f"fault {index} {name} {event.phase}" + (f": {_value(how)}" if how else "")


def _tell_process(event: Event, data: dict[str, Any]) -> str:
    data.pop("how", None)
    return _with(f"{event.process} {event.phase}", data)


def _tell_outcome(_event: Event, data: dict[str, Any]) -> str:
    held = data.pop("held", None)
    return _with(f"final look: {data.pop('state', None)}, held by {held or 'nothing'}", data)


_READ_AFTERWARDS: Final = frozenset({"transitions", "attempt"})  # logs of what was before they were read


def _tell_said(event: Event, data: dict[str, Any]) -> str:
    later = ", read afterwards" if event.phase in _READ_AFTERWARDS else ""
    return _with(f"the service says ({event.phase}{later})", data)


def _tell_alert(event: Event, data: dict[str, Any]) -> str:
    return _with(f"alert {data.pop('alert', '?')} {'fires' if event.phase == 'firing' else 'is quiet'}", data)


def _tell_sweep(event: Event, data: dict[str, Any]) -> str:
    words = {"begin": "begins", "end": "ends", "pause": "are paused", "resume": "are to be resumed"}
    run = data.pop("run", None)
    return _with(f"recovery {'sweeps' if run is None else f'sweep {run}'} {words[str(event.phase)]}", data)


_EVENTS: Final[Mapping[str, Callable[[Event, dict[str, Any]], str]]] = {
    "transition": _tell_move,
    "stage": _tell_stage,
    "op": _tell_op,
    "effect": _tell_effect,
    "alert": _tell_alert,
    "sweep": _tell_sweep,
    "fault": _tell_fault,
    "process": _tell_process,
    "outcome": _tell_outcome,
    "said": _tell_said,
}


def _with(text: str, data: Mapping[str, Any]) -> str:
    facts = facts_text({name: value for name, value in data.items() if name not in _NOISE})
    return f"{text}: {facts}" if facts else text


def _parameters(parameters: Any) -> dict[str, Any]:
    if is_dataclass(parameters):
        return {one.name: getattr(parameters, one.name) for one in fields(parameters)}
    return dict(parameters) if isinstance(parameters, Mapping) else {}


def _value(value: Any) -> str:
    if isinstance(value, float) and not value.is_integer():
        return f"{value:.3f}"
    if isinstance(value, list | tuple):
        return "[" + " ".join(_value(one) for one in value) + "]"
    if isinstance(value, Mapping):
        return "{" + facts_text(value) + "}"
    return spell(value)


def _job(selector: str) -> str:
    return "a job" if selector == "any" else f"a job tagged {selector}"


def _nth(nth: int) -> str:
    return "" if nth == 1 else f", time {nth}"


def _which(values: Mapping[str, Any]) -> str:
    role = values["role"]
    return {
        "here": f"the {role} that stands there",
        "holder": f"the {role} that holds the job",
        "any": f"one {role}",
        "all": f"every {role}",
    }.get(values["which"], f"{values['which']} {role}")


def _kill(values: Mapping[str, Any]) -> str:
    scope = {
        "main": "",
        "group": "the process group of ",
        "tree": "",
        "child": "the executing child of ",
    }.get(values["scope"], "")
    return f"{values['signal']} to {scope}{_which(values)}"


def _replace(values: Mapping[str, Any]) -> str:
    order = "the new one ready first" if values["overlap"] else "the new one after it"
    version = f", version {values['version']}" if values.get("version") else ""
    return (
        f"replace every {values['role']}, one by one (SIGTERM, {span(values['grace_s'])} of grace, "
        f"then SIGKILL; {order}{version})"
    )


def _terminate(values: Mapping[str, Any]) -> str:
    scope = {"group": "the process group of ", "tree": "every process of "}.get(values["scope"], "")
    return f"{values['signal']} to {scope}{_which(values)}, SIGKILL after {span(values['grace_s'])}"


def _clock(values: Mapping[str, Any]) -> str:
    offset_s, drift_ppm = values["offset_s"], values["drift_ppm"]
    jump = f"{span(abs(offset_s))} {'ahead' if offset_s > 0 else 'behind'}" if offset_s else ""
    pace = f"{abs(drift_ppm) / 1e4:g} % {'fast' if drift_ppm > 0 else 'slow'}" if drift_ppm else ""
    change = " and ".join(filter(None, (jump, pace)))
    return f"set the wall clock of {_which(values)} {change} for {span(values['for_s'])}"


def _toxic(values: Mapping[str, Any]) -> str:
    told = facts_text(_parameters(values["attributes"]))
    what = f"{values['type']} ({told})" if told else values["type"]
    share = "" if values["toxicity"] == 1 else f", on {values['toxicity']:.0%} of its connections"
    return f"{what} {values['stream']} on the link {values['link']} for {span(values['for_s'])}{share}"


def _migrate(values: Mapping[str, Any]) -> str:
    whose = values["version"] or "this checkout"
    down = values["down_to"]
    return f"migrate the database {f'back to {down}' if down else f'to {whose}'} under whoever runs on it"


def _update_by_hand(values: Mapping[str, Any]) -> str:
    jobs = "the job" if values["which"] == "here" else f"every job ({values['job']})"
    return f"UPDATE by hand: make {jobs} {values['state']} that is {values['was']}"


_PHRASES: Final[Mapping[str, Callable[[Mapping[str, Any]], str]]] = {
    "back_up": lambda _: "back the database up",
    "allocate_here": lambda v: f"make the process at that place allocate {v['mib']} MiB",
    "clock": _clock,
    "complete_again": lambda v: f"complete the upload again ({v['times']} x)",
    "corrupt_artefacts": lambda v: f"change what stage {v['stage']} of the job has stored",
    "crash_here": lambda _: "crash the process at that place",
    "cut_message": lambda _: "cut the connection at that message",
    "delay_message": lambda v: f"hold that message back for {span(v['by_s'])}",
    "down": lambda v: f"take every {v['role']} down for {span(v['for_s'])}",
    "duplicate_message": lambda _: "deliver that message twice",
    "drop_message": lambda _: "swallow that message and all behind it on its connection",
    "error_message": lambda v: f"answer that message with an error ({v['code'] or v['status']})",
    "hang_here": lambda v: f"keep the process at that place for {span(v['for_s'])}, or until it is let go",
    "hold_message": lambda v: f"hold that message for {span(v['for_s'])}, or until it is let go",
    "heal": lambda v: f"end fault {v['fault']} here",
    "kill": _kill,
    "link_down": lambda v: f"cut the link {v['link']} for {span(v['for_s'])}",
    "manual_update": _update_by_hand,
    "migrate": _migrate,
    "notifications_off": lambda _: "switch the bucket's notifications off",
    "pause": lambda v: f"pause {_which(v)} for {span(v['for_s'])} (SIGSTOP)",
    "fill_disk": lambda v: f"fill the disk of each {v['role']} for {span(v['for_s'])}",
    "pause_recovery": lambda v: f"pause the service's recovery sweeps for {span(v['for_s'])}",
    "restore_backup": lambda v: (
        f"stop {', '.join(v['roles'])}, put the back-up back, start {v['version'] or 'this checkout'}"
    ),
    "rolling_replace": _replace,
    "swallow": lambda _: "answer that message and never forward it",
    "terminate": _terminate,
    "toxic": _toxic,
    "trigger_recovery": lambda _: "ask for a recovery sweep",
}


def _step(step: Step) -> str:
    match step:
        case Initiate(parts=parts):
            text = f"initiate ({parts} parts)" if parts else "initiate"
        case Put():
            text = "put"
        case PutParts(only=only, every_s=every_s):
            count = "all parts" if only is None else plural(only, "part")
            text = f"put {count}" + (f", one every {span(every_s)}" if every_s else "")
        case Complete(times=times, together=together):
            text = "complete" if times == 1 else f"complete {times} times{' at once' if together else ''}"
        case Wait(state=state, past_deadline=past_deadline, seconds=seconds):
            until = f"until {state}" if state else span(seconds or 0.0)
            text = f"wait {'past the deadline' if past_deadline else until}"
        case Cancel():
            text = "cancel"
        case Submit(values=values):
            text = "submit" + (f" ({facts_text(values)})" if values else "")
        case PublishEvent(times=times):
            text = f"publish the event again{'' if times == 1 else f' {times} times'}"
    return text


def target_text(target: str | None) -> str:
    """The beginning of a last line: which target it was, if a history says so."""
    return f"Target {target} · " if target else ""
