"""Scenario files as they are shipped, and a folder for each simulation."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from pathlib import Path

import pytest

from unstuck.checks.verdict import RunVerdict
from unstuck.scenario import Scenario
from unstuck.simulation import simulate

Simulated = Callable[..., tuple[RunVerdict, bytes]]


@pytest.fixture
def run(tmp_path: Path) -> Simulated:
    """Runs one case and returns its verdict and the bytes of its history."""
    numbers = itertools.count()

    def run(scenario: Scenario, seed: int, *defences_off: str) -> tuple[RunVerdict, bytes]:
        folder = tmp_path / str(next(numbers))
        folder.mkdir()
        verdict = simulate(scenario, seed, folder, defences_off)
        return verdict, (folder / "history.jsonl").read_bytes()

    return run
