"""A lease or a visibility time-out lasts for the longest stage, or is renewed."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from typing import Final

from unstuck.preflight.finding import Broken, Kept, Outcome, Severity
from unstuck.preflight.model import Kind, Setting, Workload
from unstuck.preflight.rules.port import Context, Example, lacks_stage, unreadable
from unstuck.preflight.units import show_s
from unstuck.preflight.variables import duration_s

ID: Final = "US008"
TITLE: Final = "A lease lasts for the longest stage, or is renewed"
SEVERITY: Final = Severity.ERROR
WHY: Final = (
    "While a job is worked on, its message is hidden and its lease runs. When they end before the "
    "work does, the job is given to a second worker while the first is still at it: the work is done "
    "twice, and so are its effects."
)
FIX: Final = (
    "Renew it by a heartbeat several times within its length, or make it longer than the longest stage."
)
BAD: Final = Example(
    file="deploy.sh",
    text="aws sqs create-queue --queue-name jobs --attributes VisibilityTimeout=30\n",
    longest_stage_s=95,
)
GOOD: Final = Example(
    file="deploy.sh",
    text="aws sqs create-queue --queue-name jobs --attributes VisibilityTimeout=180\n",
    longest_stage_s=95,
)

_UNIT: Final = r"(_(S|SEC|SECS|SECONDS|MS|MILLISECONDS|M|MIN|MINUTES))?"
_LEASE: Final = re.compile(
    rf"(.*_)?(VISIBILITY(_TIMEOUT)?|ACK_DEADLINE|LEASE(_(TIME|TIMEOUT|DURATION|LENGTH|TTL))?|"
    rf"(JOB|TASK|CLAIM)_LOCK(_(TIME|TIMEOUT|DURATION|TTL))?){_UNIT}",
    re.IGNORECASE,
)
_HEARTBEAT: Final = re.compile(
    rf"(.*_)?(HEARTBEAT|LEASE_RENEW(AL)?|RENEW_LEASE|VISIBILITY_EXTEND|EXTEND_VISIBILITY|LOCK_RENEW(AL)?)"
    rf"(_(EVERY|INTERVAL|PERIOD|TIME))?{_UNIT}",
    re.IGNORECASE,
)
_OF_CONNECTION: Final = re.compile(r"(.*_)?(BROKER|AMQP|RABBIT(MQ)?)_.*", re.IGNORECASE)
"""These heartbeats keep a connection to the broker, and renew no lease."""
_IN_OPTIONS: Final = re.compile(r"visibility_timeout[\"']?\s*[:=]\s*[\"']?(\d+)", re.IGNORECASE)


def leases(workload: Workload) -> Iterator[Setting[float]]:
    """Each lease that a workload is told of, in seconds."""
    if workload.lease_s is not None:
        yield workload.lease_s
    for name, setting in workload.environment.items():
        if _LEASE.fullmatch(name):
            yield _in_seconds(name, setting)
        elif setting.value is not None and (inside := _IN_OPTIONS.search(setting.value)):
            yield Setting(
                value=duration_s("", inside[1]), line=setting.line, text=f"visibility_timeout={inside[1]}"
            )


def heartbeat(environment: Mapping[str, Setting[str]]) -> Setting[float] | None:
    """The period by which a lease is renewed, in seconds; None: nothing speaks of one."""
    return next(
        (
            _in_seconds(name, one)
            for name, one in environment.items()
            if _HEARTBEAT.fullmatch(name) and not _OF_CONNECTION.fullmatch(name)
        ),
        None,
    )


def _in_seconds(name: str, setting: Setting[str]) -> Setting[float]:
    return Setting(value=duration_s(name, setting.value), line=setting.line, text=setting.text)


def _within(beat: Setting[float], lease: Setting[float]) -> bool:
    """True unless both are known, and the lease has ended when the heartbeat comes."""
    return beat.value is None or lease.value is None or beat.value < lease.value


def judge(workload: Workload, context: Context) -> Iterator[Outcome]:
    """Judges each lease of a queue or of what does the work, unless a heartbeat renews it.

    A queue's lease is renewed by what does the work, whichever workload of that it is.
    """
    queue = workload.kind is Kind.QUEUE
    if not queue and not context.works(workload):
        return
    renewing = [one for one in context.workloads if context.works(one)] if queue else [workload]
    beats = [beat for one in renewing if (beat := heartbeat(one.environment)) is not None]
    stage_s = context.measured.longest_stage_s
    for lease in leases(workload):
        if any(_within(beat, lease) for beat in beats):
            yield Kept()
        elif stage_s is None:
            yield lacks_stage(lease.line, context.measured)
        elif lease.value is None:
            yield unreadable(lease)
        elif lease.value <= stage_s:
            yield Broken(
                line=lease.line,
                text=f"{lease.text} is no longer than the longest stage, {show_s(stage_s)}, "
                f"and {'no heartbeat renews it' if not beats else f'{beats[0].text} comes too late for it'}",
                step=f"Renew it while the work goes on, or make it {math.ceil(stage_s * 1.5)} s.",
                about=lease.text.partition("=")[0],
            )
        else:
            yield Kept()
