"""The stop signal is one that the program ends in order on."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from unstuck.preflight.finding import Broken, Kept, Open, Outcome, Severity
from unstuck.preflight.model import Kind, Workload
from unstuck.preflight.programs import GRACEFUL
from unstuck.preflight.rules.port import Context, Example, unreadable

ID: Final = "US007"
TITLE: Final = "The stop signal is one that the program handles"
SEVERITY: Final = Severity.ERROR
WHY: Final = (
    "Programs differ in the signal on which they end their work before they go: gunicorn on SIGTERM, "
    "nginx and php-fpm on SIGQUIT. Another signal ends them at once, with whatever they were doing; "
    "SIGKILL ends everything so. fly sends SIGINT unless told otherwise."
)
FIX: Final = (
    "Set the stop signal to the one of the program: STOPSIGNAL, stop_signal, KillSignal, kill_signal."
)
BAD: Final = Example(
    file="Dockerfile",
    text='FROM python:3.12-slim\nSTOPSIGNAL SIGQUIT\nCMD ["gunicorn", "video.web:app"]\n',
)
GOOD: Final = Example(
    file="Dockerfile",
    text='FROM python:3.12-slim\nSTOPSIGNAL SIGTERM\nCMD ["gunicorn", "video.web:app"]\n',
)
_NO_CHANCE: Final = frozenset({"SIGKILL", "SIGSTOP"})


def judge(workload: Workload, context: Context) -> Iterator[Outcome]:
    """Judges where the signal is said, or is the platform's own.

    Of programs that nothing is known of only SIGTERM is taken as handled.
    """
    del context
    signal = workload.stop_signal
    if signal is None or not (workload.ours or workload.kind is Kind.IMAGE):
        return
    program = workload.program
    handled = GRACEFUL.get(program or "")
    if signal.value is None:
        yield unreadable(signal)
    elif signal.value in _NO_CHANCE:
        text = f"{signal.text} ends the program without a chance to hand its jobs back"
        yield Broken(line=signal.line, text=text, step="Use SIGTERM.")
    elif handled is not None and signal.value not in handled:
        wanted = " or ".join(sorted(handled, reverse=True))
        text = f"{signal.text} is not what {program} ends in order on: that is {wanted}"
        yield Broken(line=signal.line, text=text, step=f"Use {max(handled)}.")
    elif handled is not None or signal.value == "SIGTERM":
        yield Kept()
    else:
        yield Open(
            line=signal.line,
            lacks="whether "
            f"{program or 'the program'} ends in order on {signal.text.rstrip(',')} is not known",
            step="Look, or use SIGTERM.",
        )
