"""What `unstuck explore --save` writes: a file for each trial that broke a promise, and how to run it."""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.unit.explorer.test_trials import APPROACH, point
from unstuck.campaign import RunRecord
from unstuck.cli.choosing import ChosenTarget
from unstuck.cli.explore import _save
from unstuck.errors import ExitCode
from unstuck.explorer.exploring import Attempted
from unstuck.explorer.outcomes import Outcome
from unstuck.explorer.trials import trial


def attempted(label: str) -> Attempted:
    made = trial(APPROACH, replace(point("SET result:*", "request"), label=label), "kill", ())
    record = RunRecord(
        scenario=made.scenario, verdict=None, error=None, exit_code=ExitCode.FAIL, folder=None, duration_s=1.0
    )
    return Attempted(trial=made, record=record, outcome=Outcome(word="lost", allowed=False))


def flags(place: Path, **given: Any) -> argparse.Namespace:
    return argparse.Namespace(**{"save": place, "defence_off": [], "allow_host": [], **given})


def test_points_whose_names_come_to_the_same_have_a_file_each(tmp_path: Path) -> None:
    """`SET a:b` and `SET a b` are one word in the name of a file; the scenario is named as its file."""
    same = [attempted(label) for label in ("SET a:b", "SET a b", "SET a;b")]
    assert len({one.trial.scenario.name for one in same}) == 1
    paths = [Path(path) for path in _save(same, ChosenTarget(), flags(tmp_path))]
    name = same[0].trial.scenario.name
    assert [path.stem for path in paths] == [name, f"{name}-2", f"{name}-3"]
    assert [f"name: {path.stem}\n" in path.read_text(encoding="utf-8") for path in paths] == [True] * 3


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({}, "unstuck run {path} --target reference"),
        (
            {"defence_off": ["a", "b"], "allow_host": ["db.example"]},
            "unstuck run {path} --target reference --defence-off a --defence-off b --allow-host db.example",
        ),
    ],
)
def test_the_command_in_the_file_is_the_run_that_was_seen(
    given: dict[str, Any], told: str, tmp_path: Path
) -> None:
    """With the defences that were off, and the hosts that could be reached."""
    (path,) = _save([attempted("SET a")], ChosenTarget(), flags(tmp_path, **given))
    text = Path(path).read_text(encoding="utf-8")
    assert f"# Run it: {told.format(path=path)}\n" in text
