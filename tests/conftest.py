"""Options of the soak, and what every test may rely on."""

from __future__ import annotations

import signal

import pytest


def pytest_configure() -> None:
    """Lets Ctrl-C reach what tests start: a shell starts a job in the background with SIGINT ignored, and
    whoever that job starts inherits it, so that tests which interrupt would wait for ever."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("generated scenarios")
    group.addoption(
        "--generate-seed",
        type=int,
        help="seed of the soak's scenarios; left out: another one each time, which is printed",
    )
    group.addoption("--generate-count", type=int, default=200, help="how many the soak runs (200)")
