"""Campaigns on real processes, each run once and judged by many tests."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from functools import cache
from pathlib import Path

import pytest

from unstuck.campaign import ProcessStage
from unstuck.cli.inputs import incident_of
from unstuck.scenario_file import ScenarioFile, load
from unstuck.targets.reference import catalogue

ROOT = Path(__file__).parents[2]
JOBS = max(2, os.cpu_count() or 2)


@cache
def scenario_files() -> Sequence[ScenarioFile]:
    """Every scenario of every day, with the real names, read once; those of incidents: `tests/incidents`."""
    names = catalogue()
    paths = sorted((ROOT / "scenarios").rglob("*.yaml"))
    return [load(path, names) for path in paths if incident_of(path) is None]


@pytest.fixture(scope="module")
def reports(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("reports")


@pytest.fixture(scope="session")
def shared() -> Iterator[nullcontext[ProcessStage]]:
    """A place for campaigns one after the other, whose database and emulator take seconds to start."""
    with ProcessStage(stop=threading.Event()) as stage:
        yield nullcontext(stage)
