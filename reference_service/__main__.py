"""`python -m reference_service ROLE`, configured by the environment; `ROLES` are what it can be.

`python -m reference_service COMMAND …`: what an operator asks or tells the service once, see `COMMANDS`.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from importlib import import_module

ROLES = ("api", "worker", "sweeper", "relay", "push", "vision", "sink", "migrate", "init")
COMMANDS: Mapping[str, str] = {
    # command -> the module whose `main(command, arguments)` carries it out
    "diagnose": "reference_service.operations",
    "reset-stuck": "reference_service.operations",
}
FLAGS = frozenset({"--resources", "--no-notification"})
USAGE = (
    f"usage: python -m reference_service {'|'.join(ROLES)} [--resources [--no-notification]], "
    f"or {'|'.join(COMMANDS)} [--help]"
)


def main(argv: Sequence[str]) -> int:
    """Runs one role to its end, or a command. 0: it stopped, or did, as told; 1: a dependency is away;
    2: bad usage or settings.
    """
    role, flags = (argv[0], argv[1:]) if argv else ("", [])
    fits = not flags or (role == "init" and FLAGS.issuperset(flags))
    if role not in COMMANDS and not (role in ROLES and fits):
        sys.stderr.write(f"{' '.join(argv)!r}: {USAGE}\n")
        return 2
    from reference_service.ports import Unavailable  # noqa: PLC0415  heavy: not before the usage is known to be right
    from reference_service.settings import BadSettings  # noqa: PLC0415  same

    try:
        if role in COMMANDS:
            return int(import_module(COMMANDS[role]).main(role, flags))
        return _live(role, flags)
    except BadSettings as error:
        sys.stderr.write(f"{error}\n")
        return 2
    except Unavailable as error:
        sys.stderr.write(f"{role}: {error}\n")
        return 1


def _live(role: str, flags: Sequence[str]) -> int:
    from reference_service import app  # noqa: PLC0415  heavy: not before the usage is known to be right
    from reference_service.settings import read_settings  # noqa: PLC0415  same

    return app.run(read_settings(), role, flags)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
