"""Scenarios from Python: what the fixture `unstuck_run` does."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

import pytest

from unstuck.cases import Value, parse_selection
from unstuck.cli.choosing import ChosenTarget
from unstuck.cli.inputs import check_defences, find_scenarios
from unstuck.errors import ExitCode, UsageError, did_you_mean
from unstuck.pytest_plugin.choices import WORLDS
from unstuck.pytest_plugin.evidence import RUNS, Evidence
from unstuck.pytest_plugin.order import Order
from unstuck.pytest_plugin.session import campaign_of
from unstuck.pytest_plugin.verdict import NotJudgedError, Run
from unstuck.report.publish import shown
from unstuck.scenario import Scenario
from unstuck.scenario_file import ScenarioFile, load, loads
from unstuck.worlds.port import WorldName

TEXT: Final = Path("<text>")  # stands for a scenario without a file, in messages


class RunScenario:
    """Runs scenarios for one test; what did not pass is shown with the test when it fails."""

    def __init__(self, request: pytest.FixtureRequest) -> None:
        self._config = request.config
        self._root = request.config.rootpath
        self._runs = request.node.stash.setdefault(RUNS, [])
        plugins = request.config.pluginmanager
        if plugins.get_plugin(Evidence.NAME) is None:
            plugins.register(Evidence(), Evidence.NAME)

    def __call__(
        self,
        scenario: Scenario | Path | str,
        *,
        case: str | Mapping[str, Value] = "",
        defences_off: Sequence[str] = (),
        seed: int | None = None,
        world: WorldName | None = None,
        allow_inconclusive: bool = False,
    ) -> Run:
        """Runs one case and returns its verdict; by default the base case, with the session's options.

        `scenario`: a `Scenario`, the text of a scenario file (with line breaks), a path (from pytest's
        root folder) or the name of a bundled scenario. `case` is what differs from the base case.
        Raises `ScenarioError` or `UsageError` for what is wrong with any of these, and `NotJudgedError` for
        a run that proves nothing, unless `allow_inconclusive`.
        """
        campaign = campaign_of(self._config)
        known = campaign.choices.target.catalogue()
        if world is not None and world not in WORLDS:
            raise UsageError(f"world={world!r} is unknown.{did_you_mean(world, WORLDS)}")
        selection = parse_selection(case) if isinstance(case, str) else dict(case)
        order = Order(
            case=self._case(scenario, selection, campaign.choices.target),
            world=world or campaign.choices.world,
            seed=campaign.choices.seed if seed is None else seed,
            defences_off=check_defences(defences_off, known),
        )
        run = campaign.begin(order).result()
        self._runs.append(run)
        inconclusive = run.line.exit_code is ExitCode.INCONCLUSIVE
        if run.line.exit_code not in (ExitCode.PASS, ExitCode.FAIL) and not (
            inconclusive and allow_inconclusive
        ):
            raise NotJudgedError(run)
        return run

    def _case(
        self, scenario: Scenario | Path | str, selection: Mapping[str, Value], target: ChosenTarget
    ) -> Scenario:
        if isinstance(scenario, Scenario):
            if selection:
                raise UsageError(f"case={dict(selection)!r}: a Scenario is one case. Give its file instead.")
            return scenario
        file, chosen = self._file(scenario, target)
        return file.case({**chosen, **selection})

    def _file(self, scenario: Path | str, target: ChosenTarget) -> tuple[ScenarioFile, Mapping[str, Value]]:
        if isinstance(scenario, str) and "\n" in scenario:
            return loads(scenario, TEXT, target.catalogue()), {}
        found = find_scenarios([str(scenario)], base=self._root, known=target.scenarios())
        if len(found) != 1:
            raise UsageError(f"{scenario}: holds {len(found)} scenarios. Give one.")
        return load(Path(shown(found[0].path)), target.catalogue()), found[0].selection
