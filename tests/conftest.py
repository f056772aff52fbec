"""Options of the soak, what every test may rely on, and which tests share what takes long to set up."""

from __future__ import annotations

import signal
from collections.abc import Mapping
from pathlib import Path

import pytest

TOGETHER: Mapping[str, str] = {
    # folder or module -> what its tests share. The first to fit counts, and the first begin first: campaigns
    # wait for most of their time, and the rest of the tests fill it.
    "scenarios/test_alarms.py": "the campaign of the alarms",
    "scenarios": "campaigns of runs",
    "conformance/reference": "a database and the emulators",
    "conformance/worlds": "a session of each world",
    "containers": "a session of each world",
    "process": "a session",
    "conformance/links": "a proxy",
    "sim": "generated scenarios",
}
HERE = Path(__file__).parent


def pytest_configure() -> None:
    """Lets Ctrl-C reach what tests start: a shell starts a job in the background with SIGINT ignored, and
    whoever that job starts inherits it, so that tests which interrupt would wait for ever."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.hookimpl(tryfirst=True)  # xdist reads the marks in its own hook
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """With several workers: what tests share is set up in one of them; what takes longest begins first."""
    if not config.getoption("loadgroup", False):  # set in its workers
        return
    ranks = [*TOGETHER]

    def place(item: pytest.Item) -> str:
        inside = item.path.relative_to(HERE).as_posix()
        return next((one for one in ranks if f"{inside}/".startswith(f"{one}/")), inside)

    for item in items:
        where = place(item)
        item.add_marker(pytest.mark.xdist_group(TOGETHER.get(where, where)))
    items.sort(key=lambda item: ranks.index(where) if (where := place(item)) in TOGETHER else len(ranks))


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("generated scenarios")
    group.addoption(
        "--generate-seed",
        type=int,
        help="seed of the soak's scenarios; left out: another one each time, which is printed",
    )
    group.addoption("--generate-count", type=int, default=200, help="how many the soak runs (200)")
