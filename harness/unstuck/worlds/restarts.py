"""What a supervisor does when a process exits: the same in every world."""

from __future__ import annotations

from unstuck.worlds.port import Restart


def restart_after(
    restart: Restart, *, code: int | None, starts: int, asked: bool
) -> tuple[float | None, str | None]:
    """What the supervisor does after an exit: (delay_s, None), or (None, why there is no restart).

    `code` is None after a signal; `starts` counts the incarnations so far; `asked` means that the
    harness wanted this exit.
    """
    if asked:
        return None, None
    if restart.policy == "never" or (restart.policy == "on_failure" and code == 0):
        return None, f"restart={restart.policy!r}"
    if starts >= restart.starts_max:
        return None, f"starts_max={restart.starts_max!r} reached"
    return restart.delay_s, None
