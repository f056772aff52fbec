"""Runs of our own command, for claims: what the reports for programs say of them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

ROOT: Final = Path(__file__).parents[2]
WITHIN_S: Final = 3_600.0
VERDICTS: Final = (0, 1, 3)  # pass, fail, inconclusive: with any other exit code nothing was judged


class NothingJudgedError(RuntimeError):
    """The command came to no verdict on the service."""


def reproduced(name: str, *flags: str) -> Mapping[str, Any]:
    """What `unstuck reproduce NAME --json` says. Raises `NothingJudgedError`."""
    with tempfile.TemporaryDirectory(prefix="unstuck-claim-") as folder:
        said: Mapping[str, Any] = json.loads(unstuck(["reproduce", name, *flags, "--json"], folder))
    return said


def ran(name: str, *flags: str) -> Mapping[str, Any]:
    """`summary` of the one run of `unstuck run NAME`: states, outcomes, recovery, …

    Raises `NothingJudgedError`.
    """
    with tempfile.TemporaryDirectory(prefix="unstuck-claim-") as folder:
        unstuck(["run", name, *flags], folder)
        [path] = {path.resolve() for path in Path(folder).rglob("verdict.json")}
        summary: Mapping[str, Any] = json.loads(path.read_text(encoding="utf-8"))["summary"]
    return summary


def unstuck(words: list[str], folder: str) -> str:
    """`unstuck …` with its reports in `folder`; its standard output. Raises `NothingJudgedError`."""
    paths = os.pathsep.join([str(ROOT / "harness"), str(ROOT)])
    done = subprocess.run(
        [sys.executable, "-m", "unstuck", *words, "--reports", folder],
        cwd=ROOT, env={**os.environ, "PYTHONPATH": paths}, capture_output=True, text=True, check=False,
        timeout=WITHIN_S, stdin=subprocess.DEVNULL,
    )  # fmt: skip
    if done.returncode not in VERDICTS:
        said = (done.stderr or done.stdout).strip().splitlines()
        raise NothingJudgedError(f"unstuck {' '.join(words)}: exit code {done.returncode}: {said[-1:]}")
    return done.stdout
