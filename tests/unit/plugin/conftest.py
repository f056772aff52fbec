"""A project with scenarios, tested by the plugin in a pytest inside of pytest."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

# pytester forgets what is imported inside of it, and half of SQLAlchemy twice does not work: import it here.
import unstuck.pytest_plugin.collecting
import unstuck.pytest_plugin.fixture
import unstuck.pytest_plugin.running
import unstuck.targets.reference.simulated.target
from tests.unit.plugin.fake_runs import JOB, FakeRuns

Faked = Callable[..., FakeRuns]


@pytest.fixture
def project(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty project with `unstuck_paths = scenarios`."""
    monkeypatch.delenv("CI", raising=False)
    # Hypothesis would be imported anew by each inner session, which takes longer than all the rest.
    monkeypatch.setenv("PYTEST_ADDOPTS", "-p no:hypothesispytest")
    pytester.makeini("[pytest]\nunstuck_paths = scenarios\n")
    (pytester.path / "scenarios").mkdir()
    return pytester.path


@pytest.fixture
def faked(project: Path, monkeypatch: pytest.MonkeyPatch) -> Faked:
    """Writes scenarios with these names, and puts made-up runs in the place of real ones."""

    def fake(*names: str, **how: object) -> FakeRuns:
        for name in names:
            (project / "scenarios" / f"{name}.yaml").write_text(JOB.format(name=name), encoding="utf-8")
        runs = FakeRuns(**how)  # type: ignore[arg-type]  # passed on as given
        monkeypatch.setattr(unstuck.pytest_plugin.running, "run_one", runs)
        return runs

    return fake
