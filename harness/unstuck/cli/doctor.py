"""`unstuck doctor`: tries a target step by step, and says what to mend."""

from __future__ import annotations

import argparse
import json
import shlex
import threading
from contextlib import nullcontext
from typing import TYPE_CHECKING, Final

from unstuck.cli.choosing import ChosenTarget, choose_target
from unstuck.cli.console import make_console, screen_width, show
from unstuck.cli.environment import shut_out
from unstuck.cli.interrupt import stopping
from unstuck.cli.output import say
from unstuck.errors import ExitCode, ScenarioError, UsageError
from unstuck.report.sheet import Sheet, Span
from unstuck.report.words import plural
from unstuck.scenario_file import load

if TYPE_CHECKING:
    from unstuck.doctor import Examination, Step

MARKS: Final = {"ok": ("✓", "green"), "note": ("!", "yellow"), "bad": ("✗", "red"), "skipped": ("-", "dim")}
NAME_WIDTH: Final = 13
SCENARIOS: Final = ("worker-killed", "baseline")  # to begin with: the first that the target can run


def execute(chosen: argparse.Namespace) -> ExitCode:
    """Examines, prints, and says whether a run makes sense."""
    target = choose_target(chosen.target, chosen.configuration, allowed_hosts=chosen.allow_host)
    if target.file is None:
        raise UsageError(
            "there is no target file here. `unstuck init` writes one; --target names another one."
        )
    shut_out()
    from unstuck.declared_stage import DeclaredStage  # noqa: PLC0415  same
    from unstuck.doctor import examine  # noqa: PLC0415  heavy
    from unstuck.targets.declared.requirements import what_is_missing  # noqa: PLC0415  heavy

    stop = threading.Event()
    screen = make_console(stderr=True)
    stage = DeclaredStage(target.file, target.configuration, word=target.word, stop=stop)
    # What is missing is a step like any other: a stage would refuse the target before there is one.
    entered = nullcontext() if what_is_missing(target.file) else stage
    with stopping(stop), entered:
        done = examine(
            target.file, target.configuration, word=target.word, stage=stage, interrupted=stop.is_set,
            logs=chosen.logs,
            tell=lambda text: None if chosen.json or not screen.is_terminal else screen.print(f"… {text}"),
        )  # fmt: skip
    if chosen.json:
        say(
            json.dumps({**done.as_json(), "next": next_command(done, target)}, indent=2, ensure_ascii=False)
            + "\n"
        )
    else:
        show(sheet_of(done, target))
    return ExitCode.PASS if done.ready else ExitCode.USAGE


def sheet_of(done: Examination, target: ChosenTarget) -> Sheet:
    """Every step, what to mend, the verdict, and what to type next."""
    sheet = Sheet(width=screen_width())
    for step in done.steps:
        _step(sheet, step)
    sheet.blank()
    name = done.target if done.configuration is None else f"{done.target}, configuration {done.configuration}"
    if done.ready:
        sheet.line(Span("READY", "bold green"), f"  {name}  {done.took_s:.1f} s")
    else:
        count = plural(len(done.problems), "step")
        sheet.line(Span("NOT READY", "bold red"), f"  {name}: {count} to mend  {done.took_s:.1f} s")
    sheet.whole(Span("Next    ", "dim"), next_command(done, target))
    return sheet


def next_command(done: Examination, target: ChosenTarget) -> str:
    """What to type next: a run, or the doctor again."""
    words = ["unstuck", "run", _scenario(target)] if done.ready else ["unstuck", "doctor"]
    if target.word != "unstuck.yaml":
        words += ["--target", target.word]
    if done.configuration is not None:
        words += ["--configuration", done.configuration]
    for host in sorted(target.file.hosts_allowed if target.file is not None else ()):
        words += ["--allow-host", host]
    return shlex.join(words)


def _scenario(target: ChosenTarget) -> str:
    """One that the target can run: a scenario may ask for values that jobs here do not take."""
    known, catalogue = target.scenarios(), target.catalogue()
    for name in SCENARIOS:
        try:
            load(known[name], catalogue)
        except (KeyError, ScenarioError):
            continue
        return name
    return "mine.yaml"


def _step(sheet: Sheet, step: Step) -> None:
    mark, style = MARKS[step.state]
    told = step.told or ("not tried",)
    head = f"{mark} {step.name:<{NAME_WIDTH}}"
    for number, text in enumerate(told):
        first = Span(head, style) if number == 0 else Span(" " * len(head))
        sheet.paragraph(text, first=first, style="dim" if step.state == "skipped" else "")
    for text in step.advice:
        sheet.paragraph(text, first=Span(" " * len(head) + "→ ", "bold"), style="bold")
