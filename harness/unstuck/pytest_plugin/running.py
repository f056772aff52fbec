"""Runs the cases of a session side by side, and hands their verdicts out as they come."""

from __future__ import annotations

import threading
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Final, Self

import pytest

from unstuck import __version__, rundir
from unstuck.campaign import run_one
from unstuck.cli.carry_out import keep, report_on
from unstuck.clock import monotonic_ns, utc_date
from unstuck.errors import ExitCode, UsageError
from unstuck.pytest_plugin.choices import Choices, read_choices
from unstuck.pytest_plugin.order import Order
from unstuck.pytest_plugin.stages import Stages, Surroundings
from unstuck.pytest_plugin.verdict import Run
from unstuck.report.group import Group, RunLine
from unstuck.report.publish import shown

GROUP: Final = "pytest"


class Campaign:
    """The runs of one session, each begun once; registered as a plugin, so that it ends with the session.

    Nothing is started before the first run is asked for. Once the session is over, however it ended,
    what still runs is healed and taken down, and nothing is left.
    """

    NAME: Final = "unstuck_campaign"

    def __init__(self, choices: Choices) -> None:
        self.choices = choices
        self._stop = threading.Event()
        self._stages = Stages(self._stop, choices.target)
        self._surroundings = Surroundings()
        self._pool: ThreadPoolExecutor | None = None
        self._lock = threading.Lock()
        self._group: rundir.GroupFolder | None = None
        self._lines: list[RunLine] = []  # of the group, in the order in which they ended
        self._newest: Path | None = None
        self._begun_ns = 0
        self._shown: list[str] = []

    @classmethod
    def of(cls, config: pytest.Config) -> Self:
        """As the options of the session have it. Raises `UsageError`."""
        return cls(read_choices(config))

    def begin(self, order: Order) -> Future[Run]:
        """Runs it as soon as one of `choices.jobs` is free. Raises `UsageError` for a bad reports folder."""
        if self._pool is None:
            rundir.prepare(self.choices.reports)
            self._begun_ns = monotonic_ns()
            self._pool = ThreadPoolExecutor(self.choices.jobs, thread_name_prefix="run")
        if order.grouped and self._group is None and not self.choices.shared_out:
            self._group = rundir.create_group(self.choices.reports, GROUP)
        return self._pool.submit(self._run, order)

    def _run(self, order: Order) -> Run:
        place = self.choices.reports
        if order.grouped and self._group is not None:
            place = self._group.path
        with self._surroundings.shut_out():
            record = run_one(
                order.case, stage=self._stages.stage(order.world, order.seed), reports=place, seed=order.seed,
                stop=self._stop, defences_off=order.defences_off,
            )  # fmt: skip
        troubles: list[str] = []
        line = report_on(record, order.case.title, troubles)
        if troubles and line.exit_code is ExitCode.PASS:  # what could not be kept is no evidence
            line = replace(line, error=troubles[0], exit_code=ExitCode.USAGE)
        with self._lock:
            self._newest = record.folder or self._newest
            if order.grouped:
                self._lines.append(line)
        return Run(scenario=order.case, line=line, folder=record.folder)

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """Stops what still runs, takes everything down, and writes the pages of the whole."""
        self._stop.set()
        try:
            if self._pool is not None:
                self._pool.shutdown(cancel_futures=True)
        finally:
            self._stages.close()
        try:
            self._keep()
        except UsageError as error:
            self._shown.append(str(error))
        except Exception as error:  # noqa: BLE001  a bug of ours must not cost the summary of all tests
            self._shown.append(f"{type(error).__name__}: {error}. This is a bug of Unstuck.")
            session.exitstatus = pytest.ExitCode.INTERNAL_ERROR

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Says where the reports are, and what could not be written."""
        if self._shown:
            terminalreporter.section("Unstuck")
            for line in self._shown:
                terminalreporter.write_line(line)

    def _keep(self) -> None:
        if self._group is None:
            if self._newest is not None:
                rundir.point_latest(self.choices.reports, self._newest)
            return
        group = keep(
            Group(
                name=GROUP,
                lines=tuple(self._lines),
                seed=self.choices.seed,
                version=__version__,
                date=utc_date().isoformat(timespec="seconds"),
                duration_s=(monotonic_ns() - self._begun_ns) / 1e9,
                folder=shown(self._group.path),
            ),
            self.choices.reports,
            self._group,
            (),
        )
        self._shown += [*group.notes, f"Report  {shown(self._group.report)}"]
