"""Trials: each is a scenario that loads again from its file and strikes where the point is."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from tests.unit.explorer.made_up import one_job
from unstuck.explorer.points import CrashPoint, named_points
from unstuck.explorer.trials import (
    Approach,
    Mode,
    baseline,
    budget_s_of,
    modes_of,
    pause_s_of,
    trial,
    untried,
)
from unstuck.faults import cut_message, kill, pause
from unstuck.scenario import OnMessage, OnPoint, Submit, Upload
from unstuck.scenario_file import loads
from unstuck.scenario_writer import dump
from unstuck.targets.declared.names import catalogue_of
from unstuck.targets.declared.reading import load_target

TARGET = load_target(Path("tests/process/programs/list_queue/unstuck.yaml"))
APPROACH = Approach(
    name="list-queue",
    workload=(Upload(video="", steps=(Submit(),)),),
    promise="at_least_once",
    budget_s=2.0,
    pause_s=3.0,
    replicas={"worker": 1, "web": 2},
    workers=frozenset({"worker"}),
)


def point(label: str, on: str) -> CrashPoint:
    return next(one for one in one_job().points() if (one.label, one.on) == (label, on))


def when(mode: Mode, on: str) -> OnMessage:
    scenario = trial(APPROACH, point("SET result:*", on), mode, ()).scenario
    trigger = scenario.faults[0].when
    assert isinstance(trigger, OnMessage)
    return trigger


def test_a_kill_takes_the_message_with_it() -> None:
    """Before or on reply: it never arrives, as if its sender had died a moment earlier."""
    assert [when("kill", on).then for on in ("request", "reply")] == ["cut", "cut"]
    fault = trial(APPROACH, point("SET result:*", "request"), "kill", ()).scenario.faults[0]
    assert fault.parameters == kill.Parameters(role="worker", which="here", scope="tree")


def test_a_message_of_a_paused_sender_arrives_late_and_a_second_worker_is_beside() -> None:
    """That is what a fencing token is for; a reply is there when the sleeper wakes."""
    assert [when("pause", on).then for on in ("request", "reply")] == ["late", "forward"]
    scenario = trial(APPROACH, point("SET result:*", "request"), "pause", ()).scenario
    assert scenario.faults[0].parameters == pause.Parameters(role="worker", which="here", for_s=3.0)
    assert {role: options.replicas for role, options in scenario.roles.items()} == {"worker": 2}
    assert baseline(APPROACH, number=3, beside=True).roles == scenario.roles


def test_a_client_is_not_killed_but_cut_off() -> None:
    """Whatever modes are asked for."""
    assert modes_of(point("LPUSH jobs", "reply"), ["kill", "pause"]) == ("cut",)
    assert modes_of(point("SET result:*", "reply"), ["kill", "pause"]) == ("kill", "pause")
    cut = trial(APPROACH, point("LPUSH jobs", "reply"), "cut", ()).scenario.faults[0]
    assert (cut.name, cut.parameters) == (cut_message.NAME, cut_message.Parameters())


@pytest.mark.parametrize("mode", ["kill", "pause", "cut"])
@pytest.mark.parametrize("label", ["LPUSH jobs", "BRPOP jobs", "SET result:*"])
def test_every_trial_can_be_saved_and_loaded_again(label: str, mode: Mode) -> None:
    """The file says the same as the data, and its name is one that a scenario may have."""
    scenario = trial(APPROACH, point(label, "reply"), mode, ()).scenario
    if label == "LPUSH jobs" and mode != "cut":
        return  # a client is only ever cut off
    loaded = loads(dump(scenario), Path("found.yaml"), catalogue_of(TARGET)).base_case()
    faults = [replace(fault, line=None) for fault in loaded.faults]
    assert (loaded.name, tuple(faults), loaded.budget_s) == (
        scenario.name,
        scenario.faults,
        scenario.budget_s,
    )


def test_names_differ_by_point_and_mode_and_are_never_too_long() -> None:
    """They are names of files, too."""
    long = replace(point("SET result:*", "request"), label="EXEC: " + ", ".join(["HSET rq:job:*"] * 8))
    names = {
        trial(APPROACH, one, mode, ()).scenario.name
        for one in (long, replace(long, nth=2), replace(long, on="reply"))
        for mode in ("kill", "pause")
    }
    assert len(names) == 6
    assert all(len(name) <= 80 for name in names)


def test_pauses_and_budgets_outlast_a_lease_that_can_be_waited_for() -> None:
    """A lease of an hour is not waited for."""
    assert (pause_s_of(None), pause_s_of(4.0), pause_s_of(3600.0)) == (3.0, 5.0, 3.0)
    assert (budget_s_of(None), budget_s_of(4.0), budget_s_of(3600.0)) == (5.0, 6.0, 5.0)


def test_a_test_point_is_a_crash_point_of_the_role_that_stands_there() -> None:
    """Its name begins with the role, or there is one role of workers only; else nobody is known there."""
    points = named_points(["web.sent", "job.end"], ("web", "worker"), frozenset({"worker"}))
    assert [(one.label, one.role, one.place) for one in points] == [
        ("job.end", "worker", "at it"),
        ("web.sent", "web", "at it"),
    ]
    assert not named_points(["job.end"], ("web", "worker"), frozenset({"web", "worker"}))
    made = trial(APPROACH, points[0], "kill", ()).scenario
    assert made.faults[0].when == OnPoint(point="job.end")
    assert modes_of(points[0], ["kill", "pause", "cut"]) == ("kill", "pause")
    loaded = loads(dump(made), Path("found.yaml"), catalogue_of(TARGET)).base_case()
    assert loaded.faults[0].when == made.faults[0].when


def test_a_test_point_without_a_trial_is_told_with_its_reason() -> None:
    """Nobody known stands there, or no mode that was asked for strikes there."""
    names = ["web.sent", "job.end"]
    two = named_points(names, ("web", "worker"), frozenset({"web", "worker"}))
    [(name, why)] = untried(names, two, ["kill"]).items()
    assert (name, why[:27]) == ("job.end", "no role begins its name, an")
    one = named_points(names, ("web", "worker"), frozenset({"worker"}))
    assert not untried(names, one, ["kill", "cut"])
    assert list(untried(names, one, ["cut"])) == ["job.end", "web.sent"]
