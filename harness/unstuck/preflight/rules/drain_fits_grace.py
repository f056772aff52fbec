"""The grace before SIGKILL holds the drain that the service takes."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from unstuck.preflight import units
from unstuck.preflight.finding import Broken, Kept, Outcome, Severity
from unstuck.preflight.model import Setting, Workload
from unstuck.preflight.programs import option_of
from unstuck.preflight.rules.grace import cut_by_deploys, raise_grace, shown_grace, usable_s
from unstuck.preflight.rules.port import Context, Example, unreadable
from unstuck.preflight.variables import duration_s

ID: Final = "US002"
TITLE: Final = "The grace is longer than the drain"
SEVERITY: Final = Severity.ERROR
WHY: Final = (
    "On SIGTERM a worker ends what it has begun, or hands it back. Killed before that is done, it "
    "leaves jobs `processing` with nobody at work on them, and at a deploy this happens to every "
    "worker at once."
)
FIX: Final = "Set the grace to the drain and some seconds more, or shorten the drain."
BAD: Final = Example(
    file="docker-compose.yml",
    text="""\
services:
  worker:
    image: video
    command: [python, -m, video.worker]
    environment: {DRAIN_TIMEOUT_S: "60"}
""",
)
GOOD: Final = Example(
    file="docker-compose.yml",
    text="""\
services:
  worker:
    image: video
    command: [python, -m, video.worker]
    environment: {DRAIN_TIMEOUT_S: "60"}
    stop_grace_period: 75s
""",
)

_NAME: Final = re.compile(
    r".*(DRAIN|GRACEFUL|SHUTDOWN)(_(GRACE|TIMEOUT|PERIOD|WAIT|DEADLINE))*(_(S|SEC|SECS|SECONDS|MS))?",
    re.IGNORECASE,
)
_SWITCHES: Final = frozenset({"true", "false", "on", "off"})
_FLAGS: Final = ("--graceful-timeout", "--timeout-graceful-shutdown", "--graceful-shutdown-timeout")


def _is_switch(name: str, setting: Setting[str]) -> bool:
    """`GRACEFUL_SHUTDOWN=1` says whether, and not how long."""
    value = setting.text.lower().rpartition("=")[2]
    return value in _SWITCHES or (value in ("0", "1") and name.upper().endswith(("GRACEFUL", "SHUTDOWN")))


def declared(workload: Workload) -> Setting[float] | None:
    """The drain that the manifest itself speaks of: a variable or a flag; the longest."""
    found = [
        Setting(value=duration_s(name, setting.value), line=setting.line, text=setting.text)
        for name, setting in workload.environment.items()
        if _NAME.fullmatch(name) and not _is_switch(name, setting)
    ]
    if workload.entry is not None:
        said = option_of(workload.entry.words, *_FLAGS)
        if said is not None:
            text = f"a graceful time-out of {said}"
            found.append(Setting(value=units.seconds(said), line=workload.entry.line, text=text))
    return max(found, key=lambda one: -1.0 if one.value is None else one.value, default=None)


def judge(workload: Workload, context: Context) -> Iterator[Outcome]:
    """Judges what does the work, where a grace is known, and a drain: declared, else measured."""
    if not context.works(workload) or workload.grace_s is None or not cut_by_deploys(workload):
        return
    drain = declared(workload)
    if drain is None and context.measured.drain_s is not None:
        measured_s = context.measured.drain_s
        drain = Setting(
            value=measured_s,
            line=workload.grace_s.line,
            text=f"the measured drain of {units.show_s(measured_s)}",
        )
    if drain is None:
        return
    grace_s = usable_s(workload)
    if drain.value is None:
        yield unreadable(drain)
    elif grace_s is None:
        yield unreadable(workload.grace_s)
    elif grace_s <= drain.value:
        yield Broken(
            line=workload.grace_s.line,
            text=f"{shown_grace(workload)} is no longer than {drain.text}: SIGKILL cuts the drain",
            step=raise_grace(workload, drain.value),
        )
    else:
        yield Kept()
