"""No time-out cuts the longest stage."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Final

from unstuck.preflight import shell_words, units
from unstuck.preflight.finding import Broken, Kept, Outcome, Severity
from unstuck.preflight.model import Kind, Setting, Workload
from unstuck.preflight.programs import behind_shells, option_of
from unstuck.preflight.rules.port import Context, Example, lacks_stage, of_service, unreadable
from unstuck.preflight.units import show_s

ID: Final = "US010"
TITLE: Final = "Time-outs are longer than the longest stage"
SEVERITY: Final = Severity.ERROR
WHY: Final = (
    "A request may take 300 s on Cloud Run and a task 600 s, unless something else is said; gunicorn "
    "kills a worker that was silent for 30 s. Work that takes longer is cut, tried again, and cut "
    "again at the same place."
)
FIX: Final = "Raise the time-out above the longest stage, or do the work outside of the request."
BAD: Final = Example(
    file="deploy.sh",
    text="gcloud run jobs deploy transcode --image=video --memory=2Gi\n",
    longest_stage_s=900,
)
GOOD: Final = Example(
    file="deploy.sh",
    text="gcloud run jobs deploy transcode --image=video --memory=2Gi --task-timeout=30m\n",
    longest_stage_s=900,
)
GUNICORN_S: Final = 30.0
"""`timeout` of gunicorn, https://docs.gunicorn.org/en/stable/settings.html; 0 is none."""
_TIMEOUT: Final = ("--timeout", "-t")


def judge(workload: Workload, context: Context) -> Iterator[Outcome]:
    """Judges each time-out of what does the work."""
    if not context.works(workload):
        return
    stage_s = context.measured.longest_stage_s
    for timeout in (*workload.timeouts_s, *_of_server(workload)):
        if stage_s is None:
            yield lacks_stage(timeout.line, context.measured)
        elif timeout.value is None:
            yield unreadable(timeout)
        elif timeout.value <= stage_s:
            yield Broken(
                line=timeout.line,
                text=f"{timeout.text} is no longer than the longest stage, "
                f"{show_s(stage_s)}: it is cut each time",
                step=f"Raise it to {math.ceil(stage_s * 1.5)} s or more.",
                about=timeout.text.partition("=")[0],
                severity=of_service(workload),
            )
        else:
            yield Kept()


def _of_server(workload: Workload) -> Iterator[Setting[float]]:
    """gunicorn's watchdog; with threads or an event loop it is the loop that must not be silent.

    GUNICORN_CMD_ARGS counts where the command line does not say it.
    """
    if workload.entry is None or workload.kind is not Kind.SERVICE or workload.program != "gunicorn":
        return
    variable = workload.environment.get("GUNICORN_CMD_ARGS")
    words = behind_shells(workload.entry.words)
    told = () if variable is None else shell_words.split(variable.value or "")
    both = (*told, *words)
    if option_of(both, "--threads") or option_of(both, "-k", "--worker-class") not in (None, "sync"):
        return
    said, line = option_of(words, *_TIMEOUT), workload.entry.line
    if said is None and variable is not None:
        if variable.value is None:
            yield Setting(value=None, line=variable.line, text=variable.text)
            return
        said, line = option_of(told, *_TIMEOUT), variable.line
    if said is None:
        text = "gunicorn's default --timeout of 30 s"
        yield Setting(value=GUNICORN_S, line=workload.entry.line, text=text, default=True)
    elif (value := units.seconds(said)) != 0:
        yield Setting(value=value, line=line, text=f"gunicorn's --timeout={said}")
