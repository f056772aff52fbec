"""`terminate`: who gets the signal, and what happens when the grace is over."""

from __future__ import annotations

from typing import Any

import pytest

from tests.unit.faults.blows import PLACE, landed, struck, why_missed
from tests.unit.runner.stage import fault, in_turn, stage
from unstuck.faults.terminate import Parameters


@pytest.mark.parametrize("scope", ["main", "group", "tree"])
def test_who_goes_within_its_grace_is_not_killed(scope: str) -> None:
    """The signal goes to the scope; the landing names the processes and the jobs that they held."""
    with stage(fault("terminate", PLACE, {"role": "worker", "scope": scope, "grace_s": 5})) as made:
        made.scheduler.spawn(
            "ends", in_turn(lambda: made.after(2), lambda: made.world.go("worker-1", expected=True))
        )
        struck(made)
        made.after(3)
        assert landed(made)["how"] == "worker-1: pid 101 gone within its grace"
        assert landed(made)["processes"] == ["worker-1"]
        assert landed(made)["jobs"] == ["j-1"]
        assert made.world.done == [("SIGTERM", "worker-1", scope)]


def test_who_stays_longer_than_its_grace_is_killed_with_its_tree() -> None:
    """SIGKILL comes when the grace is over, for all that is left; grace runs for all of them at once."""
    given = {"role": "worker", "which": "all", "grace_s": 2}
    with stage(fault("terminate", PLACE, given)) as made:
        struck(made)
        made.after(1)
        assert made.history.faults(0) == ["armed", "fired"]
        made.after(1.6)
        assert landed(made)["how"] == (
            "worker-1: pid 101 killed after 2 s of grace; worker-2: pid 102 killed after 2 s of grace"
        )
        assert made.world.done == [
            ("SIGTERM", "worker-1", "main"),
            ("SIGTERM", "worker-2", "main"),
            ("SIGKILL", "worker-1", "tree"),
            ("SIGKILL", "worker-2", "tree"),
        ]


def test_who_went_while_another_used_up_the_grace_is_not_killed_again() -> None:
    """It was started again under its name: SIGKILL would hit its successor."""
    given = {"role": "worker", "which": "all", "grace_s": 2}
    with stage(fault("terminate", PLACE, given)) as made:
        made.scheduler.spawn(
            "restarts",
            in_turn(
                lambda: made.after(1),
                lambda: made.world.go("worker-2", expected=True),
                lambda: made.world.come("worker-2"),
            ),
        )
        struck(made)
        made.after(4)
        assert landed(made)["how"] == (
            "worker-1: pid 101 killed after 2 s of grace; worker-2: pid 102 gone within its grace"
        )
        assert [name for signal, name, _ in made.world.done if signal == "SIGKILL"] == ["worker-1"]


def test_whoever_stands_at_the_place_goes_on_when_the_signal_is_out() -> None:
    """Let go before, it would run on, and the signal would come somewhere else."""
    with stage(fault("terminate", PLACE, {"role": "worker", "which": "here", "grace_s": 1})) as made:
        stand = struck(made)
        assert stand.told == ["go"]
        signal = made.history.of("process", "signal")[0]
        assert signal.number < made.history.of("point", "released")[0].number


def test_a_request_that_reaches_nobody_has_missed() -> None:
    """Nobody of the role, somebody who had ended, or somebody who survives SIGKILL."""
    with stage(fault("terminate", PLACE, {"role": "api"})) as made:
        struck(made)
        assert why_missed(made) == "no process of role api was there (any)"
    with stage(fault("terminate", PLACE, {"role": "worker"})) as made:
        made.world.deaf.add("worker-1")
        struck(made)
        assert why_missed(made) == "worker-1 had ended before SIGTERM came"
    with stage(fault("terminate", PLACE, {"role": "worker", "grace_s": 0})) as made:
        made.world.stays.add("worker-1")
        struck(made)
        made.after(16)
        assert why_missed(made) == "worker-1 is still there 15 s after SIGKILL"


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        (
            {"role": "worker"},
            (
                "send SIGTERM to the main process of any worker, and SIGKILL to all that is left of it "
                "after 10 s"
            ),
        ),
        (
            {"role": "api", "which": "here", "scope": "tree", "signal": "SIGINT", "grace_s": 0.5},
            (
                "send SIGINT to every process of the tree of the api that stands there, and SIGKILL to all "
                "that is left of it after 0.5 s"
            ),
        ),
    ],
)
def test_it_says_what_it_does(given: dict[str, Any], sentence: str) -> None:
    """`scenarios explain` shows it in these words."""
    assert Parameters(**given).sentence() == sentence
