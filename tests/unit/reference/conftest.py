"""What more than one file of tests asks for."""

from __future__ import annotations

import pytest


@pytest.fixture
def folder(tmp_path_factory: pytest.TempPathFactory) -> str:
    """For a worker's local files."""
    return str(tmp_path_factory.mktemp("work"))
