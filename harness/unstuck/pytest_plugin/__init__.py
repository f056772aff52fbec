"""The pytest plugin: scenario files as tests, and a fixture that runs scenarios from Python.

In a project that asks for neither it adds a few options and nothing else: all that is heavy is imported
once a scenario file is to be collected, or the fixture is used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from unstuck.pytest_plugin.fixture import RunScenario

__all__ = ["unstuck_run"]

_FLAGS = (
    ("cases", "base|pairwise|all", "which cases of each scenario file are tests (default: base)"),
    ("world", "processes|sim|containers", "where they run (default: processes)"),
    ("target", "TARGET", "what they run against (default: as `unstuck run` has it)"),
    ("allow-host", "HOST", "a host off this machine that the target's file names, and may reach"),
    ("jobs", "N", "runs side by side (default: two a processor, at most 4; in the sim, 1)"),
    ("seed", "N", "of everything random (default: 1)"),
    ("reports", "DIR", "where the folders of runs go (default: as `unstuck run` has it)"),
)


def pytest_addoption(parser: pytest.Parser) -> None:
    """Declares the options; their values are checked when something is to be run."""
    parser.addini("unstuck_paths", "scenario files, or folders of them, that are tests", type="paths")
    group = parser.getgroup("unstuck", "Unstuck: scenarios as tests")
    for name, values, meaning in _FLAGS:
        group.addoption(
            f"--unstuck-{name}", dest=f"unstuck_{name.replace('-', '_')}", metavar=values, help=meaning
        )


def pytest_configure(config: pytest.Config) -> None:
    """Turns collection on where the project has `unstuck_paths`."""
    if config.getini("unstuck_paths"):
        from unstuck.pytest_plugin.collecting import Scenarios  # noqa: PLC0415  not in a foreign project

        config.pluginmanager.register(Scenarios(config), Scenarios.NAME)


@pytest.fixture
def unstuck_run(request: pytest.FixtureRequest) -> RunScenario:
    """Runs a scenario and returns its verdict: `unstuck_run(path_or_text_or_scenario, …)`.

    `unstuck.pytest_plugin.fixture.RunScenario` says what it takes.
    """
    from unstuck.pytest_plugin.fixture import RunScenario  # noqa: PLC0415  not in a foreign project

    return RunScenario(request)
