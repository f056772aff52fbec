"""Runs ready-made targets as a user does, and says what became of their jobs."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from unstuck.errors import TargetError
from unstuck.targets.declared.reading import load_target
from unstuck.targets.declared.requirements import what_is_missing
from unstuck.targets.dependencies.kinds.redis import find_server
from unstuck.targets.ready import ready_folder, ready_targets

WITHIN_S = 220.0  # a machine that does much else takes ten times as long


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What a run's verdict says."""

    verdict: str
    jobs: tuple[Mapping[str, Any], ...]
    reasons: tuple[str, ...]

    @property
    def classes(self) -> Counter[str]:
        """How many jobs of each class; one that ended, but not well, counts as how it ended."""
        return Counter(
            job["state"] if job["outcome"] == "ok" and job["state"] != "succeeded" else job["outcome"]
            for job in self.jobs
        )


NOT_OURS_TO_INSTALL = frozenset({"bullmq"})  # its packages are npm's

Run = Callable[..., dict[str, Told]]


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """`run(target, configuration, *scenarios, budget_s=…)`: title of the case -> what its verdict says."""

    def execute(
        target: str, configuration: str | None, *scenarios: str, budget_s: float | None = None
    ) -> dict[str, Told]:
        skip_unless_there(target)
        files = [_shortened(tmp_path, scenario, budget_s) for scenario in scenarios]
        words = [sys.executable, "-m", "unstuck", "run", *files, "--target", target]
        words += ["--jobs", "2", "--reports", str(tmp_path / "reports")]
        if configuration is not None:
            words += ["--configuration", configuration]
        done = subprocess.run(
            words, capture_output=True, text=True, check=False, timeout=WITHIN_S, stdin=subprocess.DEVNULL,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        )  # fmt: skip
        assert done.returncode in (0, 1, 3), done.stderr + done.stdout
        paths = {path.resolve() for path in (tmp_path / "reports").rglob("verdict.json")}
        said = [json.loads(path.read_text(encoding="utf-8")) for path in paths]
        return {one["title"]: _told(one) for one in said if one.get("summary")}

    return execute


def _told(said: Mapping[str, Any]) -> Told:
    summary = said["summary"]
    return Told(verdict=said["verdict"], jobs=tuple(summary["jobs"]), reasons=tuple(summary["reasons"]))


def _shortened(folder: Path, scenario: str, budget_s: float | None) -> str:
    """A scenario by its name; or a copy that gives up earlier, for what is known not to come back."""
    if budget_s is None:
        return scenario
    lines = (ready_folder() / "scenarios" / f"{scenario}.yaml").read_text(encoding="utf-8").splitlines()
    changed = [f"budget_s: {budget_s:g}" if line.startswith("budget_s:") else line for line in lines]
    assert changed != lines
    path = folder / f"{scenario}.yaml"
    path.write_text("\n".join(changed) + "\n", encoding="utf-8")
    return str(path)


def skip_unless_there(target: str) -> None:
    """Skips where a server is missing, and says which. Packages are in the group `dev`, so they are there."""
    file = load_target(ready_targets()[target])
    if target not in NOT_OURS_TO_INSTALL:
        assert what_is_missing(file) == []
    elif missing := what_is_missing(file):
        pytest.skip(f"{', '.join(missing)} is not installed")
    kinds = {one.kind for one in file.dependencies.values()}
    if "redis" in kinds:
        try:
            find_server()
        except TargetError as error:
            pytest.skip(str(error))
    if "rabbitmq" in kinds and shutil.which("rabbitmq-server") is None:
        pytest.skip("there is no rabbitmq-server on PATH")
