"""Command lines that deploy: `gcloud run …`, `gcloud scheduler …`, `gcloud pubsub …`, `aws sqs …`.

Which flag belongs to which command is from their own references
(https://cloud.google.com/sdk/gcloud/reference/run/deploy and …/run/jobs/deploy). `deploy` and `create` of
something new take Cloud Run's defaults; `update` leaves alone what it does not name. SQS hides a message
for 30 s unless told otherwise (SQS API, `VisibilityTimeout`), Pub/Sub for 10 s (`--ack-deadline`).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from unstuck.preflight import units
from unstuck.preflight.model import Entry, Kind, Misplaced, Platform, Setting, Workload
from unstuck.preflight.readers import cloud_run
from unstuck.preflight.readers.kinds import kind_of
from unstuck.preflight.shell_words import Word

SWITCHES: Final = frozenset(
    {
        *(
            "--async",
            "--wait",
            "--execute-now",
            "--quiet",
            "-q",
            "--allow-unauthenticated",
            "--cpu-throttling",
        ),
        *(
            "--cpu-boost",
            "--use-http2",
            "--session-affinity",
            "--clear-env-vars",
            "--clear-secrets",
            "--clear-labels",
        ),
        *("--clear-vpc-connector", "--clear-network", "--enable-message-ordering", "--help", "--log-http"),
        *("--default-url", "--deploy-health-check", "--invoker-iam-check", "--iap", "--automatic-updates"),
    }
)
"""Flags without a value; so is every `--no-…`."""

JOBS_ONLY: Final[Mapping[str, str]] = {
    "--task-timeout": "--timeout",
    "--max-retries": "",
    "--tasks": "",
    "--parallelism": "--max-instances",
    "--execute-now": "",
    "--wait": "",
}
"""Flag of jobs -> the one of services that means about the same."""

SERVICES_ONLY: Final[Mapping[str, str]] = {
    "--timeout": "--task-timeout",
    "--concurrency": "",
    "--min-instances": "",
    "--max-instances": "--parallelism",
    "--min": "",
    "--max": "",
    "--port": "",
    "--allow-unauthenticated": "",
    "--no-allow-unauthenticated": "",
    "--ingress": "",
    "--no-traffic": "",
    "--tag": "",
    "--cpu-boost": "",
    "--no-cpu-boost": "",
    "--cpu-throttling": "",
    "--no-cpu-throttling": "",
    "--session-affinity": "",
    "--use-http2": "",
}
"""Flag of services -> the one of jobs that means about the same."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Flag:
    value: str | None
    line: int


@dataclass(frozen=True, slots=True, kw_only=True)
class _Call:
    """One command line, taken apart. `verbs`: the words before the first flag, names included."""

    verbs: tuple[str, ...]
    flags: Mapping[str, _Flag]
    line: int

    def text(self, *names: str) -> str | None:
        return next((self.flags[name].value for name in names if name in self.flags), None)

    def line_of(self, *names: str) -> int:
        return next((self.flags[name].line for name in names if name in self.flags), self.line)


def workloads(commands: Iterator[tuple[Word, ...]]) -> list[Workload]:
    """What the commands of a script or a build step deploy; other commands are left alone."""
    return [found for command in commands if (found := _workload(command)) is not None]


def _workload(command: Sequence[Word]) -> Workload | None:
    names = [word.text.rsplit("/", 1)[-1] for word in command]
    for program, read in (("gcloud", _gcloud), ("aws", _aws)):
        if program in names:  # `exec gcloud`, `sudo gcloud`, `time gcloud`
            return read(_call(command[names.index(program) :]))
    return None


def _call(command: Sequence[Word]) -> _Call:
    verbs: list[str] = []
    flags: dict[str, _Flag] = {}
    rest = list(command[1:])
    while rest:
        word = rest.pop(0)
        if not word.text.startswith("-"):
            verbs.append(word.text)
            continue
        name, equals, value = word.text.partition("=")
        given: str | None = value if equals else None
        takes = not equals and name not in SWITCHES and not name.startswith("--no-")
        if takes and rest and not rest[0].text.startswith("--"):
            given = rest.pop(0).text
        flags[name] = _Flag(value=given, line=word.line)
    return _Call(verbs=tuple(verbs), flags=flags, line=command[0].line)


_RUN: Final[Mapping[tuple[str, ...], tuple[Kind, bool]]] = {
    ("run", "deploy"): (Kind.SERVICE, True),
    ("run", "services", "update"): (Kind.SERVICE, False),
    ("run", "jobs", "deploy"): (Kind.JOB, True),
    ("run", "jobs", "create"): (Kind.JOB, True),
    ("run", "jobs", "update"): (Kind.JOB, False),
    ("run", "jobs", "execute"): (Kind.JOB, False),
    ("run", "worker-pools", "deploy"): (Kind.WORKER, True),
    ("run", "worker-pools", "update"): (Kind.WORKER, False),
}
"""Command -> what it deploys, and whether what it does not name takes a default."""


def _gcloud(call: _Call) -> Workload | None:
    verbs = call.verbs[1:] if call.verbs[:1] in (("alpha",), ("beta",)) else call.verbs
    for length in (2, 3):
        if verbs[:length] in _RUN:
            kind, new = _RUN[verbs[:length]]
            return _run(call, kind, verbs[length:], new=new)
    if verbs[:2] == ("scheduler", "jobs") and verbs[2:3] in (("create",), ("update",)):
        return _schedule(call, verbs[4:])
    if verbs[:3] == ("pubsub", "subscriptions", "create"):
        return _subscription(call, verbs[3:])
    return None


def _run(call: _Call, kind: Kind, names: Sequence[str], *, new: bool) -> Workload:
    name = names[0] if names else "unnamed"
    words = (call.text("--command") or "").split(",") + (call.text("--args") or "").split(",")
    words = [word for word in words if word]
    if kind is Kind.SERVICE:
        kind = kind_of(name, words)
        kind = Kind.SERVICE if kind is Kind.JOB else kind
    pool = call.verbs.count("worker-pools") > 0
    timeout = "--task-timeout" if kind is Kind.JOB else "--timeout"
    entry = Entry(
        text=f"--command={call.text('--command')}", words=tuple(words), line=call.line_of("--command")
    )
    return Workload(
        platform=Platform.CLOUD_RUN,
        kind=kind,
        name=name,
        line=call.line,
        entry=entry if words else None,
        stop_signal=cloud_run.sigterm(call.line),
        grace_s=cloud_run.grace(call.line),
        grace_fixed=True,
        limits_memory=True,
        memory_limit_mib=_memory(call, new=new),
        timeouts_s=() if pool else _timeouts(call, timeout, new=new),
        environment=_environment(call),
        scales_to_zero=_scales_to_zero(call, new=new) if kind is not Kind.JOB and not pool else None,
        misplaced=() if pool else tuple(_misplaced(call, kind)),
        image=call.text("--image"),
    )


def _memory(call: _Call, *, new: bool) -> Setting[float]:
    text = call.text("--memory")
    line = call.line_of("--memory")
    if text is not None:
        return Setting(value=units.mebibytes(text, decimal=True), line=line, text=f"--memory={text}")
    if new:
        return cloud_run.memory_default(line)
    return Setting(value=None, line=line, text="the memory of an earlier deploy", default=True)


def _timeouts(call: _Call, flag: str, *, new: bool) -> tuple[Setting[float], ...]:
    text = call.text(flag)
    line = call.line_of(flag)
    if text is not None:
        return (Setting(value=units.seconds(text), line=line, text=f"{flag}={text}"),)
    if not new:
        return ()
    task = flag == "--task-timeout"
    value = cloud_run.TASK_S if task else cloud_run.REQUEST_S
    what = "task time-out of 600 s" if task else "request time-out of 300 s"
    return (Setting(value=value, line=line, text=f"Cloud Run's default {what}", default=True),)


def _scales_to_zero(call: _Call, *, new: bool) -> Setting[bool]:
    least = call.text("--min-instances", "--min")
    stays = 0 if least is None else units.whole(least)
    cpu = "--no-cpu-throttling" in call.flags
    said = [name for name in ("--min-instances", "--min", "--no-cpu-throttling") if name in call.flags]
    unknown = not new and not (cpu and least is not None)
    return Setting(
        value=None if unknown else cloud_run.scales_to_zero(throttled=not cpu, least=stays),
        line=call.line_of(*said),
        text=f"{'--no-cpu-throttling' if cpu else 'CPU during requests only'}"
        f" with min-instances={least or 0}",
        default=not said,
    )


def _misplaced(call: _Call, kind: Kind) -> Iterator[Misplaced]:
    job = kind is Kind.JOB
    for name, flag in call.flags.items():
        instead = (SERVICES_ONLY if job else JOBS_ONLY).get(name)
        if instead is None:
            continue
        whose, command = ("services", "gcloud run jobs") if job else ("jobs", "gcloud run deploy")
        text = name if flag.value is None else f"{name}={flag.value}"
        step = f"Write {instead}." if instead else "Take it out."
        yield Misplaced(
            name=name,
            line=flag.line,
            text=text,
            rule=f"is a flag of {whose}, and `{command}` refuses it",
            step=step,
        )


def _environment(call: _Call) -> Mapping[str, Setting[str]]:
    """`--set-env-vars A=1,B=2`, also with a separator of one's own (`^;^A=1;B=2`)."""
    found: dict[str, Setting[str]] = {}
    for flag in ("--set-env-vars", "--update-env-vars"):
        text, line = call.text(flag), call.line_of(flag)
        own = re.match(r"\^(.+?)\^", text or "")
        for pair in (text or "")[own.end() if own else 0 :].split(own[1] if own else ","):
            name, equals, value = pair.partition("=")
            if equals:
                known = None if "$" in value else value
                found[name.strip()] = Setting(value=known, line=line, text=f"{name.strip()}={value}")
    return found


def _schedule(call: _Call, names: Sequence[str]) -> Workload:
    text = call.text("--schedule")
    target = " ".join(filter(None, (call.text("--uri"), call.text("--topic"), call.text("--message-body"))))
    return Workload(
        platform=Platform.SCHEDULE,
        kind=Kind.SCHEDULE,
        name=names[0] if names else "unnamed",
        line=call.line,
        entry=Entry(text=target, words=(target,), line=call.line) if target else None,
        schedule=Setting(value=text, line=call.line_of("--schedule"), text=f"--schedule={text}"),
    )


def _subscription(call: _Call, names: Sequence[str]) -> Workload:
    text, line = call.text("--ack-deadline"), call.line_of("--ack-deadline")
    lease = (
        Setting(value=10.0, line=line, text="Pub/Sub's default ack deadline of 10 s", default=True)
        if text is None
        else Setting(value=units.seconds(text), line=line, text=f"--ack-deadline={text}")
    )
    return Workload(
        platform=Platform.QUEUE,
        kind=Kind.QUEUE,
        name=names[0] if names else "unnamed",
        line=call.line,
        lease_s=lease,
    )


def _aws(call: _Call) -> Workload | None:
    if call.verbs[:2] not in (("sqs", "create-queue"), ("sqs", "set-queue-attributes")):
        return None
    text, line = call.text("--attributes") or "", call.line_of("--attributes")
    said = re.search(r"VisibilityTimeout[\"']?\s*[:=]\s*[\"']?([^\s,\"'}]+)", text)
    if said is not None:
        lease = Setting(value=units.seconds(said[1]), line=line, text=f"VisibilityTimeout={said[1]}")
    elif call.verbs[1] == "create-queue" and not text.startswith("file:"):
        lease = Setting(value=30.0, line=line, text="SQS's default VisibilityTimeout of 30 s", default=True)
    else:
        return None
    name = call.text("--queue-name", "--queue-url") or "unnamed"
    return Workload(
        platform=Platform.QUEUE, kind=Kind.QUEUE, name=name.rsplit("/", 1)[-1], line=call.line, lease_s=lease
    )
