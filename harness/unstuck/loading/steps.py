"""Reads the workload of a scenario: uploads, and the steps of each client."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Final

from unstuck.errors import did_you_mean
from unstuck.loading.fields import build
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
    Upload,
    Wait,
)

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
_TAG = re.compile(r"[a-z][a-z0-9_-]*")


def read_workload(spot: Spot, words: Vocabulary) -> tuple[Upload, ...]:
    """The uploads of a workload, at least one. Raises `ScenarioError`."""
    uploads = tuple(_read_upload(item, words) for item in spot.items())
    if not uploads:
        raise spot.error("names no upload. Add one: `- upload: {count: 1}`.")
    if (total := sum(upload.count for upload in uploads)) > CLIENTS_MAX:
        raise spot.error(f"has {total} clients. Take {CLIENTS_MAX} at most.")
    return uploads


def _read_upload(spot: Spot, words: Vocabulary) -> Upload:
    entries = spot.entries({"upload"})
    if "upload" not in entries:
        raise spot.error("names no upload. Write `upload: {count: 1}`.")
    readers = {"tag": _read_tag, "steps": lambda steps: _read_steps(steps, words)}
    return build(Upload, entries["upload"], words, readers=readers)


def _read_tag(spot: Spot) -> str:
    value = spot.scalar()
    if not isinstance(value, str) or not _TAG.fullmatch(value):
        raise spot.error("is not a tag. Write a word of small letters, digits, - and _.")
    if value == ANY_JOB or value in CANONICAL_STATES:
        raise spot.error("means something else already. Take another word.")
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
