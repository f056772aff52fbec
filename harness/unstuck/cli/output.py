"""Plain text to stdout and stderr, which may be closed, full, or read by nobody. Imports nothing heavy."""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from pathlib import Path
from typing import IO


def say(text: str) -> None:
    """Writes to stdout. Never raises: what cannot be shown must not change the verdict.

    A reader that has left (`| head`) is met with silence, a full disk with a line on stderr.
    """
    try:
        sys.stdout.write(text)
        sys.stdout.flush()
    except BrokenPipeError:
        silence(sys.stdout)
    except OSError as error:
        silence(sys.stdout)
        complain(f"unstuck: stdout cannot be written ({error.strerror}). Send it elsewhere.")


def complain(text: str) -> None:
    """Writes a line to stderr; what a user typed comes back in it, and cannot act on the terminal."""
    with suppress(OSError, ValueError):  # closed; the exit code still tells
        sys.stderr.write("".join(char if char.isprintable() else repr(char)[1:-1] for char in text) + "\n")
        sys.stderr.flush()


def stand_in() -> None:
    """Opens what our caller has closed (`>&-`), before a file of a run gets its number."""
    if sys.stdout is None:
        sys.stdout = Path(os.devnull).open("w", encoding="utf-8")  # noqa: SIM115  until we end
    if sys.stderr is None:
        sys.stderr = Path(os.devnull).open("w", encoding="utf-8")  # noqa: SIM115  until we end


def silence(stream: IO[str]) -> None:
    """Points a stream at nothing, so that neither we nor the interpreter's exit trip over it."""
    with open(os.devnull, "wb") as nothing:
        os.dup2(nothing.fileno(), stream.fileno())
