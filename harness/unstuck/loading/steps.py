"""Reads the workload of a scenario: uploads, and the steps of each client."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from unstuck.errors import did_you_mean
from unstuck.loading.fields import build, typed
from unstuck.loading.spot import Spot
from unstuck.loading.vocabulary import ANY_JOB, CLIENTS_MAX, Vocabulary
from unstuck.scenario import (
    CANONICAL_STATES,
    Cancel,
    Complete,
    Initiate,
    PublishEvent,
    Put,
    PutParts,
    Step,
    Submit,
    Upload,
    Wait,
)

SUBMIT: Final = "submit"
STEPS: Final[Mapping[str, type[Step]]] = {
    "initiate": Initiate,
    "put": Put,
    "put_parts": PutParts,
    "complete": Complete,
    "wait": Wait,
    "cancel": Cancel,
    "publish_event": PublishEvent,
}
PAST_DEADLINE = "past_deadline"
Setting = str | int | float | bool
_TAG = re.compile(r"[a-z][a-z0-9_-]*")


def read_workload(spot: Spot, words: Vocabulary) -> tuple[Upload, ...]:
    """The uploads or submissions of a workload, at least one. Raises `ScenarioError`."""
    read = _read_upload if words.catalogue.values is None else _read_submission
    uploads = tuple(read(item, words) for item in spot.items())
    if not uploads:
        kind = "upload" if words.catalogue.values is None else SUBMIT
        raise spot.error(f"names no {kind}. Add one: `- {kind}: {{count: 1}}`.")
    if (total := sum(upload.count for upload in uploads)) > CLIENTS_MAX:
        raise spot.error(f"has {total} clients. Take {CLIENTS_MAX} at most.")
    return uploads


@dataclass(frozen=True, slots=True, kw_only=True)
class _Submission:
    """As a file writes it; an `Upload` without a video."""

    count: int = 1
    start_s: float = 0.0
    every_s: float = 0.0
    tag: str = "job"
    values: Mapping[str, Setting] = field(default_factory=dict)
    then: tuple[Step, ...] = ()


def _read_submission(spot: Spot, words: Vocabulary) -> Upload:
    entries = spot.entries({SUBMIT, "upload"})
    if "upload" in entries:
        raise spot.key_error(
            entries["upload"], "upload", "is not what this target takes. Write `submit: {count: 1}`."
        )
    if SUBMIT not in entries:
        raise spot.error("submits nothing. Write `submit: {count: 1}`.")
    readers = {
        "tag": _read_tag,
        "values": lambda values: _read_values(values, words),
        "then": lambda steps: _read_then(steps, words),
    }
    read = build(_Submission, entries[SUBMIT], words, readers=readers)
    return Upload(
        count=read.count,
        video="",
        start_s=read.start_s,
        every_s=read.every_s,
        tag=read.tag,
        steps=(Submit(values=read.values), *read.then),
    )


def _read_values(spot: Spot, words: Vocabulary) -> Mapping[str, Setting]:
    known = words.catalogue.values or {}
    values: dict[str, Setting] = {}
    for name, value in spot.entries().items():
        if name not in known:
            raise spot.key_error(
                value, name, f"is not a value of this target's jobs.{did_you_mean(name, known)}"
            )
        read = typed(value, (known[name],))
        assert read is not None  # no value is of type None
        values[name] = read
    return values


def _read_then(spot: Spot, words: Vocabulary) -> tuple[Step, ...]:
    steps = tuple(_read_step(item, words) for item in spot.items())
    for step, item in zip(steps, spot.items(), strict=True):
        if not isinstance(step, Wait | Cancel) or (isinstance(step, Wait) and step.past_deadline):
            raise item.error("is for uploads. After a submission a client can only wait, or cancel.")
    return steps


def _read_upload(spot: Spot, words: Vocabulary) -> Upload:
    entries = spot.entries({"upload", SUBMIT})
    if SUBMIT in entries:
        raise spot.key_error(
            entries[SUBMIT], SUBMIT, "is for targets of your own. This one takes `upload: {count: 1}`."
        )
    if "upload" not in entries:
        raise spot.error("names no upload. Write `upload: {count: 1}`.")
    readers = {"tag": _read_tag, "tenant": _read_tenant, "steps": lambda steps: _read_steps(steps, words)}
    return build(Upload, entries["upload"], words, readers=readers)


def _read_tag(spot: Spot) -> str:
    value = spot.scalar()
    if not isinstance(value, str) or not _TAG.fullmatch(value):
        raise spot.error("is not a tag. Write a word of small letters, digits, - and _.")
    if value == ANY_JOB or value in CANONICAL_STATES:
        raise spot.error("means something else already. Take another word.")
    return value


def _read_tenant(spot: Spot) -> str:
    value = spot.scalar()
    if not isinstance(value, str) or not _TAG.fullmatch(value):
        raise spot.error("is not the name of a tenant. Write a word of small letters, digits, - and _.")
    return value


def _read_steps(spot: Spot, words: Vocabulary) -> tuple[Step, ...]:
    spots = spot.items()
    if not spots:
        raise spot.error("is empty. Begin with `initiate`.")
    steps = [_read_step(item, words) for item in spots]
    _check_order(steps, spots)
    return tuple(steps)


def _read_step(spot: Spot, words: Vocabulary) -> Step:
    if isinstance(spot.node.value, Mapping):
        entries = spot.entries()
        if len(entries) != 1:
            raise spot.error("must be one step: `{name: {…}}`. Begin each step with a dash of its own.")
        [(name, parameters)] = entries.items()
        if name not in STEPS:
            raise spot.key_error(parameters, name, f"is not a step.{did_you_mean(name, STEPS)}")
        if name == "wait":
            return _read_wait(parameters, words)
        return build(STEPS[name], parameters, words)
    word = spot.scalar()
    if word == "wait":
        raise spot.error(
            "lacks what for. Write `{wait: past_deadline}`, `{wait: {state: …}}` or `{wait: {s: …}}`."
        )
    if not isinstance(word, str) or word not in STEPS:
        raise spot.unknown("a step", STEPS)
    return STEPS[word]()


def _read_wait(spot: Spot, words: Vocabulary) -> Wait:
    if not isinstance(spot.node.value, Mapping):
        if spot.scalar() != PAST_DEADLINE:
            raise spot.error(f"is nothing to wait for. Write {PAST_DEADLINE}, {{state: …}} or {{s: …}}.")
        return Wait(past_deadline=True)
    wait = build(Wait, spot, words, spelled={"seconds": "s"})
    if [wait.state is None, wait.seconds is None, not wait.past_deadline].count(False) != 1:
        raise spot.error("must wait for exactly one thing. Keep one of state, s and past_deadline.")
    return wait


def _check_order(steps: Sequence[Step], spots: Sequence[Spot]) -> None:
    """A client announces its upload first and once, and puts it the way that it announced."""
    first = steps[0]
    if not isinstance(first, Initiate):
        raise spots[0].error("cannot come first. Begin with `initiate`.")
    for step, spot in zip(steps[1:], spots[1:], strict=True):
        if isinstance(step, Initiate):
            raise spot.error("announces the upload again. Give the second one a client of its own.")
        if isinstance(step, Put) and first.parts:
            raise spot.error("puts a whole object, but a multipart upload was announced. Use `put_parts`.")
        if isinstance(step, PutParts) and not first.parts:
            raise spot.error("puts parts, but none were announced. Begin with `{initiate: {parts: 2}}`.")
        if isinstance(step, PutParts) and step.only is not None and step.only > first.parts:
            raise spot.error(f"puts {step.only} parts, but {first.parts} were announced. Take fewer.")
