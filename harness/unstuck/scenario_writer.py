"""Writes a scenario as a file that a person could have written: the inverse of `unstuck.scenario_file`.

What is as it would be anyway is left out. What does not fit a line is written as a block.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import MISSING, fields, is_dataclass
from typing import Any, Final, cast

from unstuck.cases import matches
from unstuck.loading.faults import KINDS, START
from unstuck.loading.steps import PAST_DEADLINE, STEPS
from unstuck.scenario import (
    Fault,
    Guard,
    OnStart,
    OnState,
    Scenario,
    Step,
    Submit,
    Trigger,
    Upload,
    Wait,
)
from unstuck.scenario_file import BUDGET_S
from unstuck.yaml_source import resolve

WIDTH: Final = 110
INDENT: Final = "  "
# A plain word in flow style, whatever stands around it; all else is quoted.
_PLAIN = re.compile(r"[A-Za-z0-9_./+][A-Za-z0-9_./+$-]*( [A-Za-z0-9_./+$-]+)*", re.ASCII)
_SENTENCE = re.compile(r"[A-Za-z][\w ,.;()'/+-]*", re.ASCII)  # plain in block style: no `: `, no ` #`
_STEP_NAMES: Final = {kind: name for name, kind in STEPS.items()}
_BLOCKS: Final = frozenset({"roles", "workload", "faults", "expect", "before", "guards"})

Plain = str | int | float | bool | None | list["Plain"] | dict[str, "Plain"]


def dump(scenario: Scenario, *, header: Sequence[str] = ()) -> str:
    """A file that loads as `scenario`, with the lines of `header` as a comment at the top.

    The file has one case: a scenario that is a case of some file is written with its values filled in, and
    with those of its guards that are about this case. Provenance (`source`, `text`, the lines of faults) is
    not written. Raises `ValueError` for a value that no scenario file can hold.
    """
    lines = [f"# {_visible(line)}".rstrip() for text in header for line in text.splitlines() or [""]]
    for key, value in _top(scenario).items():
        lines += _entry(key, value, indent=0, block=key in _BLOCKS)
        if key not in ("name", "incident"):
            lines.append("")
    return "\n".join(lines).rstrip("\n") + "\n"


def _top(scenario: Scenario) -> dict[str, Plain]:
    top: dict[str, Plain] = {"name": scenario.name, "summary": scenario.summary}
    if scenario.incident is not None:
        top["incident"] = scenario.incident
    if scenario.budget_s != BUDGET_S:
        top["budget_s"] = scenario.budget_s
    if scenario.promise != "effectively_once":
        top["promise"] = scenario.promise
    if scenario.settings:
        top["settings"] = _plain(scenario.settings)
    if scenario.roles:
        top["roles"] = {name: _plain(_changed(options)) for name, options in scenario.roles.items()}
    top["workload"] = [_jobs(upload) for upload in scenario.workload]
    if scenario.faults:
        top["faults"] = [_fault(fault) for fault in scenario.faults]
    top["expect"] = _plain(scenario.expect)
    # It is about the base case, and only of a file with one case is it known here that this is it.
    if scenario.before is not None and not scenario.case:
        top["before"] = _plain(scenario.before)
    guards = [guard for guard in scenario.guards if matches(scenario.case, guard.case)]
    if guards:
        top["guards"] = {guard.defence: _guard(guard) for guard in guards}
    return top


def _guard(guard: Guard) -> Plain:
    return {"by": guard.by}


def _jobs(upload: Upload) -> Plain:
    first = upload.steps[0] if upload.steps else None
    if not isinstance(first, Submit):
        return {"upload": _upload(upload)}
    changed = {key: value for key, value in _changed(upload).items() if key not in ("steps", "video")}
    written: dict[str, Plain] = {"count": upload.count, **cast("dict[str, Plain]", _plain(changed))}
    if first.values:
        written["values"] = _plain(first.values)
    if len(upload.steps) > 1:
        written["then"] = [_step(step) for step in upload.steps[1:]]
    return {"submit": written}


def _upload(upload: Upload) -> Plain:
    values = _changed(upload)
    steps = values.pop("steps", None)
    written: dict[str, Plain] = {"count": upload.count, **cast("dict[str, Plain]", _plain(values))}
    if steps is not None:
        written["steps"] = [_step(step) for step in upload.steps]
    return written


def _step(step: Step) -> Plain:
    name = _STEP_NAMES[type(step)]
    if isinstance(step, Wait):
        if step.past_deadline:
            return {name: PAST_DEADLINE}
        return {name: {"s": step.seconds} if step.state is None else {"state": step.state}}
    values = _changed(step)
    return {name: _plain(values)} if values else name


def _fault(fault: Fault) -> Plain:
    written: dict[str, Plain] = {"when": _trigger(fault.when)}
    if fault.condition is not None:
        demand = fault.condition
        written["while"] = {demand.subject: f"{demand.comparison}{demand.number}"}
    if fault.times != "once":
        written["times"] = fault.times
    written[fault.name] = _plain(_changed(fault.parameters))
    return written


def _trigger(when: Trigger) -> Plain:
    if isinstance(when, OnStart):
        return START
    values = _changed(when)
    if isinstance(when, OnState):
        values["enters"] = values.pop("state")
    kind = next(key for key, one in KINDS.items() if type(when) is one)
    rest = {key: value for key, value in values.items() if key != kind}
    return cast("Plain", _plain({kind: values[kind], **rest}))


def _changed(value: Any) -> dict[str, Any]:
    """The fields of a frozen dataclass that are not what they would be anyway."""
    changed = {}
    for field in fields(value):
        current = getattr(value, field.name)
        default = field.default if field.default_factory is MISSING else field.default_factory()
        if default is MISSING or current != default or type(current) is not type(default):
            changed[field.name] = current
    return changed


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, tuple | list):
        return [_plain(item) for item in value]
    if is_dataclass(value):
        return _plain(_changed(value))
    return value


# Text


def _entry(key: str, value: Plain, *, indent: int, block: bool = False) -> list[str]:
    """`key: value`, on one line if it fits and is not to be a block, else with its parts below it."""
    start = f"{INDENT * indent}{_scalar(key)}:"
    if not isinstance(value, dict | list):
        sentence = isinstance(value, str) and _SENTENCE.fullmatch(value) and resolve(value) == value
        return [f"{start} {value if sentence and indent == 0 else _scalar(value)}"]
    line = f"{start} {_flow(value)}"
    if not value or (not block and len(line) <= WIDTH):
        return [line]
    if isinstance(value, list):
        return [start, *(line for item in value for line in _item(item, indent=indent + 1))]
    return [start, *(line for name, item in value.items() for line in _entry(name, item, indent=indent + 1))]


def _item(value: Plain, *, indent: int) -> list[str]:
    """`- value`; a mapping with several keys, one of them a mapping, has a line for each."""
    line = f"{INDENT * indent}- {_flow(value)}"
    if not isinstance(value, dict) or not value:
        return [line]
    # The dash takes the place of the indentation of the first key.
    lines = [line for name, item in value.items() for line in _entry(name, item, indent=indent + 1)]
    several = len(value) > 1 or isinstance(next(iter(value.values())), dict)
    if (indent > 1 and len(line) <= WIDTH) or not several:
        return [line]
    return [f"{INDENT * indent}- {lines[0].lstrip(' ')}", *lines[1:]]


def _flow(value: Plain) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{_scalar(key)}: {_flow(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(_flow, value)) + "]"
    return _scalar(value)


def _scalar(value: str | float | None) -> str:
    if value is None:
        return "null"
    if isinstance(value, bool):
        return str(value).lower()
    if not isinstance(value, str):
        # Five seconds are 5: where a number may have a fraction, a whole one means the same.
        return str(int(value)) if value == int(value) else repr(value)
    if _PLAIN.fullmatch(value) and _is_word(value):
        return value
    return '"' + "".join(map(_escaped, value)) + '"'


def _is_word(text: str) -> bool:
    try:
        return resolve(text) == text
    except ValueError:
        return False


def _visible(comment: str) -> str:
    """Nothing can be escaped in a comment: what YAML or UTF-8 does not have is spelt out."""
    return "".join(char if char.isprintable() else ascii(char)[1:-1] for char in comment)


def _escaped(char: str) -> str:
    if char in '"\\':
        return f"\\{char}"
    if char.isprintable() and char != "\ufeff":
        return char
    code = ord(char)
    if 0xD800 <= code <= 0xDFFF:
        raise ValueError(f"{char!r} is half of a character, which no file can hold")
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
