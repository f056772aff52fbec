"""`python -m reference_service ROLE`, configured by the environment; `ROLES` are what it can be."""

from __future__ import annotations

import sys
from collections.abc import Sequence

ROLES = ("api", "worker", "sweeper", "relay", "vision", "sink", "migrate", "init", "alerts")
FLAGS = {"init": frozenset({"--resources", "--no-notification"}), "alerts": frozenset({"--prometheus"})}
USAGE = (
    f"usage: python -m reference_service {'|'.join(ROLES)}; init [--resources [--no-notification]]; "
    "alerts [--prometheus]"
)


def main(argv: Sequence[str]) -> int:
    """Runs one role, or one command, to its end. 0: it stopped as told; 1: a dependency is away; 2: bad usage or settings."""
    role, flags = (argv[0], argv[1:]) if argv else ("", [])
    if role not in ROLES or not FLAGS.get(role, frozenset()).issuperset(flags):
        sys.stderr.write(f"{' '.join(argv)!r}: {USAGE}\n")
        return 2
    from reference_service import app  # noqa: PLC0415  heavy: not before the usage is known to be right
    from reference_service.ports import Unavailable  # noqa: PLC0415  same
    from reference_service.settings import BadSettings, read_settings  # noqa: PLC0415  same

    try:
        if role == "alerts" and flags:
            return app.run_rules()
        return app.run(read_settings(), role, flags)
    except BadSettings as error:
        sys.stderr.write(f"{error}\n")
        return 2
    except Unavailable as error:
        sys.stderr.write(f"{role}: {error}\n")
        return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
