"""`python -m reference_service ROLE|COMMAND`, configured by the environment.

`ROLES` are what a process can be, `COMMANDS` what an operator can ask for.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from reference_service.service import Service

ROLES = (
    "api",
    "worker",
    "sweeper",
    "scheduler",
    "relay",
    "push",
    "vision",
    "sink",
    "migrate",
    "init",
    "alerts",
)
COMMANDS: Mapping[str, str] = {
    "diagnose": "reference_service.operations:diagnose",
    "reset-stuck": "reference_service.operations:reset_stuck",
    "find-stuck": "reference_service.recovery_commands:find_stuck",
    "retry-stuck": "reference_service.recovery_commands:retry_stuck",
    "recovery": "reference_service.recovery_commands:recovery",
}
"""Command -> `module:function`: the function reads the arguments (argparse: exit code 2 for bad ones) and
returns what is to be done with the service, which returns the exit code."""
FLAGS = {"init": frozenset({"--resources", "--no-notification"}), "alerts": frozenset({"--prometheus"})}
USAGE = (
    f"usage: python -m reference_service {'|'.join(ROLES)}; init [--resources [--no-notification]]; "
    f"alerts [--prometheus]\n       python -m reference_service {'|'.join(COMMANDS)} --help"
)


def main(argv: Sequence[str]) -> int:
    """Runs one role, or one command, to its end.

    0: it stopped as told, was done, or said how it is used; 1: a dependency is away, or a command could not
    do it; 2: bad usage or settings.
    """
    name, rest = (argv[0], argv[1:]) if argv else ("", [])
    command = _command(name, rest) if name in COMMANDS else None
    fits = name in ROLES and FLAGS.get(name, frozenset()).issuperset(rest)
    if command is None and not fits:
        return _tell_usage(argv)
    from reference_service import app  # noqa: PLC0415  heavy: not before the usage is known to be right
    from reference_service.ports import Unavailable  # noqa: PLC0415  same
    from reference_service.settings import (  # noqa: PLC0415  same
        BadSettings,
        read_operator_settings,
        read_settings,
    )

    try:
        if name == "alerts" and rest:
            return app.run_rules()
        if command is not None:
            return app.run_command(read_operator_settings(), command)
        return app.run(read_settings(), name, rest)
    except BadSettings as error:
        sys.stderr.write(f"{error}\n")
        return 2
    except Unavailable as error:
        sys.stderr.write(f"{name}: {error}\n")
        return 1


def _tell_usage(argv: Sequence[str]) -> int:
    """Help that was asked for is no mistake."""
    if argv and argv[0] in {"-h", "--help"}:
        sys.stdout.write(f"{USAGE}\n")
        return 0
    sys.stderr.write(f"{' '.join(argv)!r}: {USAGE}\n")
    return 2


def _command(name: str, arguments: Sequence[str]) -> Callable[[Service], int]:
    module, _, function = COMMANDS[name].partition(":")
    read: Callable[[Sequence[str]], Callable[[Service], int]] = getattr(import_module(module), function)
    return read(arguments)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
