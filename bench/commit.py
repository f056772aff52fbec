"""Which commit a figure was measured at, and what has changed since."""

from __future__ import annotations

import subprocess
from collections.abc import Iterable
from functools import cache
from typing import Final

from bench.claims.runs import ROOT

MEASURED: Final = ("bench", "harness", "reference_service", "scenarios", "targets")
"""What a figure depends on. That a page is being made anew changes none."""

DIRTY: Final = "-dirty"


@cache  # a command that writes pages does not measure another commit for that
def measured_at() -> str:
    """As `git describe --always --dirty`, but that only `MEASURED` counts; empty without git."""
    found = _git("describe", "--always")
    if found is None:
        return ""
    changed = _git("status", "--porcelain", "--", *MEASURED)
    return found.strip() + (DIRTY if changed else "")


def stale(commit: str, paths: Iterable[str]) -> str | None:
    """Why a figure of that commit may not be true of these files any more; None: none has changed since.

    `paths` are relative to the repository, folders among them.
    """
    if not commit:
        return "no commit was recorded"
    if commit.endswith(DIRTY):
        return f"measured with changes that no commit has ({commit})"
    said = _git("diff", "--name-only", commit, "--", *paths)
    if said is None:
        return f"commit {commit} is not there"
    changed = said.split()
    if not changed:
        return None
    more = f" and {len(changed) - 1} more" if len(changed) > 1 else ""
    return f"{changed[0]}{more} changed since {commit}"


def _git(*words: str) -> str | None:
    try:
        done = subprocess.run(
            ["git", *words], cwd=ROOT, capture_output=True, text=True, check=False, timeout=60.0,
            stdin=subprocess.DEVNULL,
        )  # fmt: skip
    except OSError:
        return None
    return done.stdout if done.returncode == 0 else None
