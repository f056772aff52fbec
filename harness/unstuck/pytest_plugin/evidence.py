"""Verdicts as pytest shows failures: the evidence, and none of our own traceback."""

from __future__ import annotations

from collections.abc import Generator
from pathlib import Path
from typing import Final

import pytest
from _pytest._code.code import (  # the only shape that keeps its short message on the way through xdist
    ExceptionChainRepr,
    ExceptionRepr,
    ReprFileLocation,
    ReprTracebackNative,
)

from unstuck.errors import UnstuckError
from unstuck.pytest_plugin.verdict import NotJudgedError, PromiseBrokenError, Run

RUNS: Final = pytest.StashKey[list[Run]]()
"""The runs that a test has asked for by the fixture."""


def explain(error: BaseException, path: Path) -> ExceptionChainRepr | None:
    """The verdict of a run for an error of ours, one line for any other of Unstuck; None: neither."""
    if isinstance(error, NotJudgedError | PromiseBrokenError):
        run = error.run
        return _repr(str(run), f"{run.word}: {'; '.join(run.reasons[:1])}", path)
    if isinstance(error, UnstuckError):
        return _repr(f"{error}\n", str(error), path)
    return None


def _repr(text: str, message: str, path: Path) -> ExceptionChainRepr:
    lines = ReprTracebackNative(text.splitlines(keepends=True))
    return ExceptionChainRepr([(lines, ReprFileLocation(str(path), 1, message), None)])


class Evidence:
    """Adds to a failing test the verdicts of its runs that did not pass."""

    NAME: Final = "unstuck_evidence"

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(
        self, item: pytest.Item
    ) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        """Each verdict once, also in JUnit XML and on the way through xdist."""
        report = yield
        runs = item.stash.get(RUNS, [])
        if report.failed and isinstance(report.longrepr, ExceptionRepr):
            for run in runs:
                if not run.passed:
                    report.longrepr.addsection(f"Unstuck: {run.line.title}", str(run))
            runs.clear()  # told once; the teardown may fail, too
        return report
