"""Scenario files as test files, and each of their cases as a test."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from concurrent.futures import Future
from pathlib import Path
from typing import Any, Final

import pytest

from unstuck.cases import parse_selection
from unstuck.errors import ExitCode, UnstuckError, UsageError
from unstuck.pytest_plugin.choices import Choices, read_choices
from unstuck.pytest_plugin.evidence import explain
from unstuck.pytest_plugin.order import Order
from unstuck.pytest_plugin.session import campaign_of
from unstuck.pytest_plugin.verdict import NotJudgedError, PromiseBrokenError, Run
from unstuck.report.publish import shown
from unstuck.scenario import Scenario
from unstuck.scenario_file import ScenarioFile, load

SUFFIXES: Final = (".yaml", ".yml")
ONLY: Final = "base"  # the name of the one case of a file without cases


class Scenarios:
    """Collects what `unstuck_paths` names. Raises `pytest.UsageError` for a wrong path or option."""

    NAME: Final = "unstuck_scenarios"

    def __init__(self, config: pytest.Config) -> None:
        self._paths: tuple[Path, ...] = tuple(config.getini("unstuck_paths"))
        for path in self._paths:
            if not path.exists():  # else a mistyped path would be a test suite that is always green
                raise pytest.UsageError(f"unstuck_paths: {path}: no such file or folder.")
        try:
            self._choices = read_choices(config)
        except UsageError as error:
            raise pytest.UsageError(str(error)) from None
        if config.args_source is pytest.Config.ArgsSource.TESTPATHS:
            config.args += [str(path) for path in self._paths if not _covered(path, config)]

    def pytest_report_header(self) -> str:
        """What scenarios are run with."""
        return f"unstuck: world {self._choices.world}, seed {self._choices.seed}, cases {self._choices.cases}"

    def pytest_collect_file(self, file_path: Path, parent: pytest.Collector) -> ScenarioTests | None:
        """A scenario file for each YAML file that is, or lies in, a path that was named."""
        if file_path.suffix not in SUFFIXES:
            return None
        if not any(path == file_path or path in file_path.parents for path in self._paths):
            return None
        tests: ScenarioTests = ScenarioTests.from_parent(parent, path=file_path)
        tests.choices = self._choices
        return tests

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(
        self, item: pytest.Item, call: pytest.CallInfo[None]
    ) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        """A case took as long as its run, not as long as somebody waited; its evidence is its traceback."""
        report = yield
        if isinstance(item, CaseTest) and call.when == "setup":
            if item.run is not None:
                report.duration = item.run.line.duration_s
            if call.excinfo is not None:  # pytest asks `repr_failure` about the test itself only
                report.longrepr = explain(call.excinfo.value, item.path) or report.longrepr
        return report


class ScenarioTests(pytest.File):
    """A scenario file; its tests are the cases that were asked for, by option or by name."""

    choices: Choices

    def collect(self) -> Iterator[CaseTest]:
        """One test a case. Raises `CollectError` with file, line and rule for a file that is not valid."""
        try:
            file = load(Path(shown(self.path)), self.choices.target.catalogue())
            cases = {_case_name(case): case for case in _cases(file, self.choices.cases)}
            for name in _asked_for(self.path, self.config):
                if name not in cases:
                    cases[name] = file.case(parse_selection(name))
        except UnstuckError as error:
            raise self.CollectError(str(error)) from None
        for name, case in cases.items():
            test: CaseTest = CaseTest.from_parent(self, name=name)
            test.case = case
            test.extra_keyword_matches.add(case.name)
            yield test

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException]) -> Any:  # type: ignore[override]  # as pytest has it
        """The one line, also with --full-trace: where we raised it is of no use to anybody."""
        if isinstance(excinfo.value, self.CollectError):
            return str(excinfo.value)
        return super().repr_failure(excinfo)


class CaseTest(pytest.Item):
    """One case. To be run is its set-up, so that what cannot be judged is an error, and not a failure."""

    case: Scenario
    run: Run | None = None
    begun: Future[Run] | None = None

    def setup(self) -> None:
        """Waits for the verdict. Raises `NotJudgedError` for a run that proves nothing either way."""
        if self.config.getoption("setuponly", default=False):
            return
        if self.begun is None:
            _begin(self)
        assert self.begun is not None
        self.run = run = self.begun.result()
        self.user_properties += [
            (name, value) for name, value in (("report", run.report), ("replay", run.replay)) if value
        ]
        if run.line.exit_code not in (ExitCode.PASS, ExitCode.FAIL):
            raise NotJudgedError(run)

    def runtest(self) -> None:
        """Says what the run came to. Raises `PromiseBrokenError`."""
        if self.run is not None and not self.run.passed:
            raise PromiseBrokenError(self.run)

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], style: Any = None) -> Any:
        """The evidence, as `unstuck run` shows it."""
        return explain(excinfo.value, self.path) or super().repr_failure(excinfo, style)

    def reportinfo(self) -> tuple[Path, int, str]:
        """Where it is (line 0: the whole file), and what it is called."""
        return self.path, 0, self.case.title

    def order(self) -> Order:
        """The run that this test asks for."""
        assert isinstance(self.parent, ScenarioTests)
        choices = self.parent.choices
        return Order(case=self.case, world=choices.world, seed=choices.seed, grouped=True)


def _begin(test: CaseTest) -> None:
    """Begins the test's run; unless xdist shares the tests out, those of all other tests with it."""
    campaign = campaign_of(test.config)
    tests = [test]
    if not campaign.choices.shared_out:
        others = [one for one in test.session.items if isinstance(one, CaseTest)]
        tests += [one for one in others if one is not test and one.get_closest_marker("skip") is None]
    for one in tests:
        if one.begun is None:
            one.begun = campaign.begin(one.order())


def _case_name(case: Scenario) -> str:
    """`stage=publish,grace_s=5`: what stands in the brackets of its title."""
    return case.title.removeprefix(case.name).removeprefix("[").removesuffix("]") or ONLY


def _cases(file: ScenarioFile, which: str) -> tuple[Scenario, ...]:
    if which == "base":
        return (file.base_case(),)
    return file.pairwise_cases() if which == "pairwise" else file.all_cases()


def _asked_for(path: Path, config: pytest.Config) -> list[str]:
    """The cases of this file that the command line names: `scenarios/x.yaml::stage=publish`."""
    words = [word.split("::", 1) for word in config.args if "::" in word]
    here = config.invocation_params.dir
    names = [name for file, name in words if (here / file).resolve() == path.resolve()]
    return [name for name in names if "=" in name]


def _covered(path: Path, config: pytest.Config) -> bool:
    """True when pytest looks there anyway."""
    folders = [(config.invocation_params.dir / word).resolve() for word in config.args]
    return any(folder == path.resolve() or folder in path.resolve().parents for folder in folders)
