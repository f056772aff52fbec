"""Options of the soak, what every test may rely on, and which tests share what takes long to set up."""

from __future__ import annotations

import signal
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

TOGETHER: Mapping[str, str] = {
    # folder or module -> what its tests share. The first to fit counts, and the first begin first: campaigns
    # wait for most of their time, and the rest of the tests fill it. One after the other, since what they run
    # has to keep its time.
    "incidents/test_incidents.py": "a campaign of incidents",
    "scenarios": "campaigns of runs",
    "containers": "campaigns of runs",
    "systems": "campaigns of ready-made targets",
    "process/declared": "sessions of small services",
    "conformance/declared": "a session of small services",
    "conformance/dependencies": "a session with dependencies",
    "conformance/reference": "a database and the emulators",
    "conformance/worlds": "a session of each world",
    "process": "a session",
    "conformance/links": "a proxy",
    "sim": "generated scenarios",
}


def pytest_configure() -> None:
    """Lets Ctrl-C reach what tests start: a shell starts a job in the background with SIGINT ignored, and
    whoever that job starts inherits it, so that tests which interrupt would wait for ever.

    How long it takes to draw an example says how busy the machine is, and nothing of what is tested.
    """
    settings.register_profile("any machine", deadline=None, suppress_health_check=[HealthCheck.too_slow])
    settings.load_profile("any machine")
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.hookimpl(optionalhook=True)  # of pytest-xdist
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> object:
    """What belongs together goes to one worker, in the order in which it was collected.

    Not by xdist's own groups: they rename tests by a field that pytest 9 no longer reads.
    """
    from xdist.scheduler import LoadScopeScheduling  # noqa: PLC0415  not needed where tests run one by one

    class Together(LoadScopeScheduling):  # type: ignore[misc]  # xdist is untyped
        def _split_scope(self, nodeid: str) -> str:
            return together(nodeid)

    config.option.loadscopereorder = False
    return Together(config, log)


SLOW = (
    # Brokers, databases and other people's systems; each defence of the gate switched off in turn.
    "systems",
    "conformance/dependencies",
    "process/declared",
    "process/test_explore.py",
    "scenarios/test_alarms.py",
    "scenarios/test_base_cases.py",  # real processes under generated faults are in the default run
    "scenarios/test_toxics.py",
    # The plugin with all of a real campaign; what it does with the outcomes is in the tests beside it.
    "unit/plugin/test_processes.py",
)


@pytest.hookimpl(tryfirst=True)  # before pytest takes out what `-m` leaves out
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Marks what is slow. In a worker of xdist: what takes longest begins first."""
    for item in items:
        module = item.nodeid.partition("::")[0]
        if any(f"{module}/".startswith(f"tests/{place}/") for place in SLOW):
            item.add_marker("slow")
    if hasattr(config, "workerinput"):
        ranks = {name: rank for rank, name in reversed([*enumerate(TOGETHER.values())])}
        items.sort(key=lambda item: ranks.get(together(item.nodeid), len(ranks)))


def together(nodeid: str) -> str:
    """What a test shares with others, as `TOGETHER` names it, else its own module."""
    module = nodeid.partition("::")[0]
    return next(
        (name for place, name in TOGETHER.items() if f"{module}/".startswith(f"tests/{place}/")), module
    )


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("generated scenarios")
    group.addoption(
        "--generate-seed",
        type=int,
        help="seed of the soak's scenarios; left out: another one each time, which is printed",
    )
    group.addoption("--generate-count", type=int, default=200, help="how many the soak runs (200)")
