"""The gate's policy: read from pyproject.toml, and every mistake in it is one line that says where."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.unit.report.made_up import scenario
from unstuck.cli.policy import CASES_MAX, Exclusion, Policy, find_policy, load_policy, override
from unstuck.errors import UsageError


def written(folder: Path, text: str) -> Path:
    path = folder / "pyproject.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_without_a_policy_there_are_defaults(tmp_path: Path) -> None:
    """No file, or a file that does not speak of Unstuck."""
    path = written(tmp_path, "[tool.other]\n")
    assert find_policy(tmp_path) is None
    assert load_policy(None) == Policy()
    assert load_policy(path) == Policy(source=path)
    assert load_policy(path).cases_max == CASES_MAX


def test_a_whole_policy_is_read(tmp_path: Path) -> None:
    """Paths are relative to its own folder, wherever the command runs."""
    path = written(
        tmp_path,
        """
        [tool.unstuck]
        reports = "out"
        [tool.unstuck.gate]
        files = ["scenarios/*.yaml", "baseline"]
        exclude = [{scenario = "a", case = {stage = "frames"}, reason = " no memory limit there "}]
        cases_max = 7
        time_budget_s = 90
        jobs = 2
        seed = 0
        """,
    )
    (tmp_path / "deep").mkdir()
    assert find_policy(tmp_path / "deep") == path
    assert load_policy(path) == Policy(
        files=("scenarios/*.yaml", "baseline"),
        exclude=(Exclusion(scenario="a", case={"stage": "frames"}, reason="no memory limit there"),),
        cases_max=7,
        time_budget_s=90.0,
        jobs=2,
        seed=0,
        reports=tmp_path / "out",
        source=path,
    )


def test_a_package_inside_a_project_has_the_policy_of_the_project(tmp_path: Path) -> None:
    """Its own pyproject.toml says nothing of Unstuck, so the next one above is asked."""
    (tmp_path / "package").mkdir()
    written(tmp_path / "package", "[tool.other]\n")
    path = written(tmp_path, "[tool.unstuck]\n")
    assert find_policy(tmp_path / "package") == path


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[tool.unstuck]\nreprots = 'x'", "[tool.unstuck] has no key 'reprots'. Did you mean 'reports'?"),
        ("[tool.unstuck]\nreports = 3", "[tool.unstuck] reports=3 must be text."),
        ("[tool]\nunstuck = 3", "tool.unstuck=3 must be a table."),
        ("[tool.unstuck]\ngate = []", "[tool.unstuck] gate=[] must be a table."),
        ("[tool.unstuck.gate]\nfile = ['x']", "has no key 'file'. Did you mean 'files'?"),
        ("[tool.unstuck.gate]\nfiles = 'x'", "files='x' must be an array."),
        ("[tool.unstuck.gate]\nfiles = []", "files=[] must name something, or be left out."),
        ("[tool.unstuck.gate]\nfiles = [3]", "files=3 must be an array of text."),
        ("[tool.unstuck.gate]\ncases_max = 0", "cases_max=0 must be a whole number, 1 or more."),
        ("[tool.unstuck.gate]\njobs = true", "jobs=True must be a whole number, 1 or more."),
        ("[tool.unstuck.gate]\ntime_budget_s = -1", "time_budget_s=-1 must be a number of seconds"),
        (f"[tool.unstuck.gate]\ntime_budget_s = {10**400}", "must be a number of seconds"),
        ("[tool.unstuck.gate]\ntime_budget_s = inf", "time_budget_s=inf must be a number of seconds"),
        ("[tool.unstuck.gate]\nexclude = ['a']", "exclude[0]='a' must be a table."),
        ("[tool.unstuck.gate]\nexclude = [{reason = 'x'}]", "exclude[0]] scenario=None must be the name"),
        ("[tool.unstuck.gate]\nexclude = [{scenario = 'a'}]", "exclude[0]] reason=None must say why"),
        ("[tool.unstuck.gate]\nexclude = [{scenario = 'a', reason = ' '}]", "reason=' ' must say why"),
        ("[tool.unstuck", "is not TOML ("),
        ("a = " + "[" * 5000, "is not TOML ("),
    ],
)
def test_a_mistake_in_the_policy_is_one_line(tmp_path: Path, text: str, said: str) -> None:
    """It names the file, the key and the rule."""
    path = written(tmp_path, text)
    with pytest.raises(UsageError) as caught:
        load_policy(path)
    assert said in str(caught.value)
    assert str(caught.value).startswith(f"{path}: ")


def test_a_policy_that_is_not_there_is_a_mistake(tmp_path: Path) -> None:
    """When it was asked for by name."""
    with pytest.raises(UsageError, match="cannot be read"):
        load_policy(tmp_path / "none.toml")


def test_flags_beat_the_policy() -> None:
    """And what no flag says stays."""
    policy = override(Policy(jobs=2, seed=5), jobs=3, seed=None, cases_max=1)
    assert (policy.jobs, policy.seed, policy.cases_max) == (3, 5, 1)


def test_an_exclusion_covers_the_cases_that_it_names() -> None:
    """All of a scenario when it names no case; `5` is the case 5.0 too."""
    case = scenario()
    assert Exclusion(scenario=case.name, reason="x").covers(case)
    assert Exclusion(scenario=case.name, reason="x", case={"grace_s": 5.0}).covers(case)
    assert not Exclusion(scenario=case.name, reason="x", case={"grace_s": 0}).covers(case)
    assert not Exclusion(scenario="other", reason="x").covers(case)
