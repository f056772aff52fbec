"""One place for all runs of incidents, whose database and emulator take seconds to start."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from unstuck.campaign import ProcessStage


@pytest.fixture(scope="session")
def shared() -> Iterator[ProcessStage]:
    with ProcessStage(stop=threading.Event()) as stage:
        yield stage
