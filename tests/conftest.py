"""Options of the soak: which generated scenarios it explores."""

from __future__ import annotations

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("generated scenarios")
    group.addoption(
        "--generate-seed",
        type=int,
        help="seed of the soak's scenarios; left out: another one each time, which is printed",
    )
    group.addoption("--generate-count", type=int, default=200, help="how many the soak runs (200)")
