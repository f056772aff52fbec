"""The stop signal reaches the program, and not a shell in front of it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from unstuck.preflight.finding import Broken, Kept, Outcome, Severity
from unstuck.preflight.model import Entry, Kind, Workload
from unstuck.preflight.programs import INITS, LAUNCHERS, execs, name_of, program_of, shell_text
from unstuck.preflight.rules.port import Context, Example

ID: Final = "US006"
TITLE: Final = "The stop signal reaches the program"
SEVERITY: Final = Severity.ERROR
WHY: Final = (
    "The platform sends SIGTERM to process 1. When that is a shell, it keeps the signal for itself: "
    "the program never learns that it is to stop, does not drain, and is killed when the grace is "
    "over. (Some shells replace themselves by a single last command; which one an image has, its "
    "manifest does not say.)"
)
FIX: Final = "Use the exec form (a list), or put `exec` before the last command of the shell's text."
BAD: Final = Example(file="Dockerfile", text="FROM python:3.12-slim\nCMD python -m video.worker\n")
GOOD: Final = Example(file="Dockerfile", text='FROM python:3.12-slim\nCMD ["python", "-m", "video.worker"]\n')


def judge(workload: Workload, context: Context) -> Iterator[Outcome]:
    """Judges what says how it starts, where the platform signals process 1 only."""
    del context
    entry = workload.entry
    if entry is None or entry.reaches_all or not (workload.ours or workload.kind is Kind.IMAGE):
        return
    keeper, step = _keeper(entry)
    if keeper is None:
        yield Kept()
        return
    yield Broken(line=entry.line, text=f"{_cut(entry.text)} {keeper}", step=step)


def _keeper(entry: Entry) -> tuple[str | None, str]:
    """(what keeps the signal, the next step)."""
    program = program_of(entry.words)
    if program in LAUNCHERS:
        step = f"Start the program itself: `node …` instead of `{program} …`."
        return f"has {program} run the program in a shell of its own, which keeps SIGTERM", step
    text = entry.text.partition(" ")[2] if entry.in_shell else shell_text(entry.words)
    if text is None or execs(text) or (_whole_group(entry) and not entry.in_shell):
        return None, ""
    if entry.in_shell:
        return "is in shell form: /bin/sh keeps SIGTERM", 'Use the exec form: ["program", "argument"].'
    return (
        "starts a shell, which keeps SIGTERM",
        "Put `exec` before its last command, or leave the shell out.",
    )


def _whole_group(entry: Entry) -> bool:
    """True for an init that signals every process: dumb-init does, tini only with `-g`."""
    first = name_of(entry.words[0])
    return first == "dumb-init" or (
        first in INITS and "-g" in entry.words[: entry.words.index("--") if "--" in entry.words else 3]
    )


def _cut(text: str) -> str:
    return text if len(text) <= 70 else f"{text[:69]}…"
