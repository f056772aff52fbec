"""Faults on processes and links: who is gone, who was hit, and what healing brings back."""

from __future__ import annotations

from typing import Any

import pytest

from tests.unit.faults.blows import ACTIVE, PLACE, landed, struck, why_missed
from tests.unit.runner.stage import fault, in_turn, stage

# kill


@pytest.mark.parametrize(
    ("given", "gone"),
    [
        ({"which": "here"}, ["worker-1"]),
        ({"which": "holder"}, ["worker-1"]),
        ({"which": "any"}, ["worker-1"]),
        ({"which": "all"}, ["worker-1", "worker-2"]),
    ],
)
def test_a_kill_has_landed_when_its_processes_are_gone(given: dict[str, Any], gone: list[str]) -> None:
    """It names them, and the jobs that they held."""
    with stage(fault("kill", PLACE, {"role": "worker", **given})) as made:
        struck(made)
        assert landed(made)["processes"] == gone
        assert landed(made)["jobs"] == ["j-1"]
        assert not set(gone) & set(made.world.running("worker"))


def test_a_kill_lands_when_the_world_has_said_so_as_well() -> None:
    """The operating system knows first; until its exit is told, the process would count as ready."""
    with stage(fault("kill", PLACE, {"role": "worker"})) as made:
        made.world.silent.add("worker-1")
        struck(made)
        assert made.history.faults(0) == ["armed", "fired"]
        made.world.say("exit", "worker-1")
        made.after(0.1)
        assert landed(made)["processes"] == ["worker-1"]


def test_a_kill_that_finds_nobody_has_missed() -> None:
    """No such process, nobody who got the signal, or somebody who stays."""
    with stage(fault("kill", PLACE, {"role": "api"})) as made:
        struck(made)
        assert why_missed(made) == "no process of role api was there (any)"
    with stage(fault("kill", PLACE, {"role": "worker", "which": "holder"})) as made:
        made.begin()
        made.stand(None)
        made.after(0.1)
        assert "(holder)" in why_missed(made)
    with stage(fault("kill", PLACE, {"role": "worker", "which": "holder"})) as made:
        made.begin()
        made.stand("j-unknown")
        made.after(3)
        assert "(holder)" in why_missed(made)
    with stage(fault("kill", PLACE, {"role": "worker"})) as made:
        made.world.deaf.add("worker-1")
        struck(made)
        assert why_missed(made) == "nobody got SIGKILL: worker-1 had no tree"
    with stage(fault("kill", PLACE, {"role": "worker"})) as made:
        made.world.stays.add("worker-1")
        struck(made)
        made.after(16)
        assert "worker-1 is still there 15 s after SIGKILL" in why_missed(made)


def test_a_killed_child_hits_the_job_at_the_place_only_if_it_is_that_child() -> None:
    """The newest child may work on another job: then nobody says which was hit."""
    child = {"role": "worker", "which": "here", "scope": "child"}
    with stage(fault("kill", PLACE, child)) as made:
        struck(made)  # the stand's pid is that of the process's only child
        assert landed(made)["jobs"] == ["j-1"]
    with stage(fault("kill", PLACE, child)) as made:
        made.begin()
        made.job()
        made.world.pids["worker-1"] += 7  # what stands there is not the newest child
        stand_pid = made.world.pids["worker-1"]
        made.world.pids["worker-1"] = stand_pid - 7
        made.stand()
        made.world.pids["worker-1"] = stand_pid
        made.after(0.1)
        assert "jobs" not in landed(made)
        assert landed(made)["processes"] == ["worker-1"]


def test_the_job_of_a_request_dies_with_the_process_that_serves_it() -> None:
    """An API process holds no lease, and is yet whom the job depended on."""
    with stage(fault("kill", PLACE, {"role": "worker", "which": "here"})) as made:
        made.begin()
        made.job(state="queued")
        made.stand()
        made.after(0.1)
        assert landed(made)["jobs"] == ["j-1"]


# pause, down, link_down, rolling_replace


def test_a_pause_hits_and_is_undone_for_each() -> None:
    """SIGSTOP for all of them, SIGCONT for all of them."""
    with stage(fault("pause", PLACE, {"role": "worker", "which": "all", "for_s": 3})) as made:
        struck(made)
        assert landed(made)["jobs"] == ["j-1"]
        made.after(4)
        sent = [call[:2] for call in made.world.done]
        assert sent == [
            ("SIGSTOP", "worker-1"),
            ("SIGSTOP", "worker-2"),
            ("SIGCONT", "worker-1"),
            ("SIGCONT", "worker-2"),
        ]


def test_a_pause_of_nobody_has_missed() -> None:
    """No process was there, or it ended before the signal came."""
    with stage(fault("pause", PLACE, {"role": "api", "for_s": 3})) as made:
        struck(made)
        assert why_missed(made) == "no process of role api was there (holder)"
    with stage(fault("pause", PLACE, {"role": "worker", "for_s": 3})) as made:
        made.world.deaf.add("worker-1")
        struck(made)
        assert why_missed(made) == "worker-1 had ended before SIGSTOP came"


def test_a_role_is_down_until_it_is_healed() -> None:
    """Nobody of it runs; afterwards as many as before, under new names."""
    with stage(fault("down", ACTIVE, {"role": "worker", "for_s": 3, "grace_s": 0.1})) as made:
        struck(made, ACTIVE)
        assert landed(made)["processes"] == ["worker-1", "worker-2"]
        assert made.world.running("worker") == []
        made.after(4)
        assert made.world.running("worker") == ["worker-3", "worker-4"]


def test_a_role_that_is_not_all_down_has_missed() -> None:
    """Nobody was there to be stopped, somebody stayed, or another one came up meanwhile."""
    with stage(fault("down", ACTIVE, {"role": "api", "for_s": 3})) as made:
        struck(made, ACTIVE)
        assert why_missed(made) == "no process of role api was running"
    with stage(fault("down", ACTIVE, {"role": "worker", "for_s": 3, "grace_s": 0})) as made:
        made.world.stays.add("worker-2")
        struck(made, ACTIVE)
        made.after(15)
        assert why_missed(made) == "worker-2 is still there 10 s after the stop signal"
    with stage(fault("down", ACTIVE, {"role": "worker", "for_s": 3, "grace_s": 1})) as made:
        made.scheduler.spawn("another", in_turn(lambda: made.after(1), lambda: made.world.come("worker-9")))
        struck(made, ACTIVE)
        made.after(3)
        assert why_missed(made) == "still running: worker-9"


def test_a_link_is_down_until_it_is_healed() -> None:
    """The target's links are told twice, once each way."""
    with stage(fault("link_down", ACTIVE, {"link": "worker.database", "for_s": 2})) as made:
        struck(made, ACTIVE)
        assert landed(made)["how"] == "worker.database is down"
        made.after(2)
        assert made.running.done == [("link", "worker.database", "down"), ("link", "worker.database", "up")]


@pytest.mark.parametrize(
    ("overlap", "order"),
    [
        (False, ["stop worker-1", "start worker-3", "stop worker-2", "start worker-4"]),
        (True, ["start worker-3", "stop worker-1", "start worker-4", "stop worker-2"]),
    ],
)
def test_processes_are_replaced_one_by_one(overlap: bool, order: list[str]) -> None:
    """With overlap the new one is ready before the old one is told; they may be of another version."""
    given = {"role": "worker", "grace_s": 0.1, "overlap": overlap, "version": "abc"}
    with stage(fault("rolling_replace", PLACE, given)) as made:
        struck(made)
        assert landed(made)["processes"] == ["worker-1", "worker-2"]
        assert [" ".join(call[:2]) for call in made.world.done] == order
        assert {call[2] for call in made.world.done if call[0] == "start"} == {"abc"}


def test_whoever_stands_at_the_place_is_replaced_first_and_goes_on_when_told_to_stop() -> None:
    """Otherwise the blow would land somewhere else than the trigger says."""
    with stage(fault("rolling_replace", PLACE, {"role": "worker", "grace_s": 5})) as made:
        made.world.pids = {name: made.world.pids[name] for name in ("worker-2", "worker-1")}
        stand = struck(made)
        assert made.world.done[0][:2] == ("stop", "worker-1")
        assert stand.told == ["go"]
        signal = made.history.of("process", "signal")[0]
        assert signal.number < made.history.of("point", "released")[0].number
        assert made.history.faults(0) == ["armed", "fired"]
        made.after(11)
        landed(made)


def test_a_replacement_of_somebody_who_was_gone_has_missed() -> None:
    """It ended by itself before it could be told: no stop was seen. Nobody at all is missed as well."""
    with stage(fault("rolling_replace", PLACE, {"role": "worker", "grace_s": 0})) as made:
        made.world.deaf.add("worker-2")
        stand = struck(made)
        assert why_missed(made) == "worker-2 had ended before the stop signal came"
        assert stand.told == ["go"]
    with stage(fault("rolling_replace", PLACE, {"role": "api"})) as made:
        struck(made)
        assert why_missed(made) == "no process of role api was running"
