"""Every case again and again: which cases, how they are counted, and what the page says of them."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import pytest

from bench import repetitions
from bench.repetitions import Tally, joined, page, parts, tallies
from unstuck.cli.inputs import bundled
from unstuck.errors import ExitCode


def tally(scenario: str, ends: dict[str, int], version: str = "abc") -> Tally:
    return Tally(
        scenario=scenario,
        part="base",
        cases=1,
        runs=sum(ends.values()),
        ends=ends,
        date="2026-01-02",
        version=version,
    )


def test_base_cases_are_of_the_gate_and_the_rest_is_everything_else() -> None:
    """Each case of each bundled scenario is in one of the two parts, and in no other."""
    base, rest = parts(None)
    titles = [case.title for case in (*base, *rest)]
    assert len(titles) == len(set(titles))
    assert {case.name for case in (*base, *rest)} == set(bundled())
    assert "deployment-resilience" in {case.name for case in rest}
    assert "deployment-resilience" not in {case.name for case in base}


def test_a_scenario_may_be_chosen() -> None:
    """Its base case, and its others."""
    base, rest = parts(["worker-killed"])
    assert len(base) == 1
    assert {case.name for case in (*base, *rest)} == {"worker-killed"}
    assert base[0].title not in {case.title for case in rest}


def test_runs_are_counted_by_how_they_ended() -> None:
    """For each part of a scenario; a case that did not run is not one of those."""
    base, rest = parts(["worker-killed"])
    ends = {base[0].title: {"PASS": 49, "FAIL": 1}, rest[0].title: {"PASS": 5}}
    first, second = tallies({"base": base, "rest": rest}, ends, date="2026-01-02", version="abc")
    assert first == tally("worker-killed", {"PASS": 49, "FAIL": 1})
    assert (second.part, second.cases, second.runs) == ("rest", 1, 5)


def test_nothing_that_ran_is_no_success(capsys: pytest.CaptureFixture[str]) -> None:
    """A name that no scenario has is told with the nearest; no time at all is inconclusive."""
    assert repetitions.main(["--only", "worker-kiled"]) == ExitCode.USAGE
    assert (
        capsys.readouterr().err
        == "--only 'worker-kiled' is no bundled scenario. Did you mean 'worker-killed'?\n"
    )


def test_the_page_tells_of_runs_that_did_not_pass() -> None:
    """A run is counted as what it was."""
    told = page([tally("a", {"PASS": 48, "FAIL": 1, "INCONCLUSIVE": 1})])
    assert "Base cases: 1 in all, 48 of 50 runs passed." in told
    assert "| `a` | base | 1 | 50 | 48 | 1 fail, 1 inconclusive | 2026-01-02 | `abc` | - |" in told


def test_a_scenario_that_ran_again_takes_the_place_of_what_it_was() -> None:
    """The others stay as they were recorded, unless there is no such scenario any more."""
    before = [
        tally("baseline", {"PASS": 50}),
        tally("gone", {"PASS": 50}),
        tally("worker-killed", {"FAIL": 50}),
    ]
    after = joined(before, [tally("worker-killed", {"PASS": 50}, version="def")])
    assert [(one.scenario, one.ends, one.version, one.before) for one in after] == [
        ("baseline", {"PASS": 50}, "abc", ""),
        ("worker-killed", {"PASS": 50}, "def", "50 of 50 at `abc`"),
    ]
    assert joined(after, [tally("worker-killed", {"PASS": 50})])[1].before == "50 of 50 at `abc`"
    rest = replace(before[2], part="rest")
    assert joined([before[2], rest], [tally("worker-killed", {"PASS": 50})])[1] == rest


def test_the_record_has_every_case() -> None:
    """Of each scenario that is shipped, so many as there are: a new one is run before it is told of."""
    base, rest = parts(None)
    cases = Counter((part, case.name) for part, those in (("base", base), ("rest", rest)) for case in those)
    assert {(one.part, one.scenario): one.cases for one in repetitions.read()} == cases


def test_the_page_is_made_of_what_was_kept() -> None:
    """It says what docs/repetitions.json says."""
    found = repetitions.read()
    assert not found or repetitions.PAGE.read_text(encoding="utf-8") == page(found)
