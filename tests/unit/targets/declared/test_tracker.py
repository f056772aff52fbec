"""States folded from a client, the ledger and looks: which witness is believed, in each order of arrival."""

from __future__ import annotations

from tests.unit.targets.declared.witnesses import Told
from unstuck.targets.declared.tracker import NOWHERE


def test_a_look_that_began_before_the_client_was_told_says_nothing() -> None:
    """1. a look finds no job, 2. the client hands it over and is told, 3. the look is taken."""
    told = Told(ledger=False, absent="succeeded")
    told.tracker.expect("j-1", "any")
    began_ns = told.tick()
    told.tracker.acknowledge("j-1", "any")
    told.tracker.saw("j-1", NOWHERE, began_ns)
    assert told.moves() == ["queued"]
    told.saw()
    assert told.moves() == ["queued", "succeeded"]


def test_an_older_look_does_not_undo_what_the_ledger_said() -> None:
    """1. a look finds the job in its queue, 2. it begins, 3. the look is taken."""
    told = Told()
    told.tracker.acknowledge("j-1", "any")
    began_ns = told.tick()
    told.reported("begin")
    told.tracker.saw("j-1", NOWHERE, began_ns)
    assert told.moves() == ["queued", "active"]


def test_a_job_that_the_system_calls_active_again_has_left_its_end() -> None:
    """It is claimed once more and has not begun: whoever asks the system hears that it is not done."""
    told = Told()
    told.tracker.acknowledge("j-1", "any")
    told.reported("begin")
    told.reported("end")
    told.saw("succeeded")
    told.saw("active", "lease")
    assert told.moves() == ["queued", "active", "succeeded", "queued"]
    assert told.outcome() == {"state": "queued", "held": "lease"}


def test_the_same_key_of_two_jobs_is_two_effects() -> None:
    """A key tells repeats of one job apart, and no jobs."""
    told = Told()
    assert told.reported("end", "j-1", key="charge")
    assert told.reported("end", "j-2", key="charge")
    assert not told.reported("end", "j-1", key="charge")
    assert told.reported("end", "j-1")
    assert told.reported("end", "j-1")
    assert [data["applied"] for data in told.of("effect")] == [True, True, False, True, True]


def test_a_reason_that_comes_after_the_state_is_kept() -> None:
    """A system may say `failed` first, and why in its next breath."""
    told = Told()
    told.tracker.acknowledge("j-1", "any")
    told.saw("failed")
    told.saw("failed", reason="ValueError: no")
    assert told.outcome() == {"state": "failed", "held": None, "reason": "ValueError: no"}


def test_a_stamp_of_another_clock_is_not_believed() -> None:
    """Before the run began, or still to come: the report is taken as of now, and that is told once."""
    told = Told()
    for at_ns in (5, 1_700_000_000_000_000_000):
        told.reported("begin", at_ns=at_ns)
    told.reported("begin", at_ns=told.now_ns)
    begins = [data["at_ns"] for data in told.of("attempt", "begin")]
    assert begins == [1_010, 1_020, 1_020]
    assert len(told.of("evidence", "foreign_clock")) == 1


def test_nothing_is_told_after_the_outcome() -> None:
    """1. the last look is over, 2. its outcomes are told, 3. a job begins once more: not in this run."""
    told = Told()
    told.tracker.acknowledge("j-1", "any")
    told.reported("begin")
    told.reported("end")
    told.saw("succeeded")
    assert told.outcome()["state"] == "succeeded"
    count = len(told.events)
    assert not told.reported("begin")
    assert not told.reported("end")
    told.saw("queued", "queue")
    told.tracker.acknowledge("j-2", "any")
    assert len(told.events) == count


def test_a_move_that_was_looked_at_says_how_long_nobody_had_looked() -> None:
    """What was seen now may have happened at any time since the look before."""
    told = Told()
    told.tracker.acknowledge("j-1", "any")
    told.saw("queued", "queue")
    told.now_ns += 2_000_000_000
    told.saw("succeeded")
    assert [round(data["unseen_s"], 3) for data in told.of("transition") if data["to"] == "succeeded"] == [
        2.0
    ]


def test_an_ended_job_that_nobody_holds_is_looked_at_from_time_to_time() -> None:
    """Those that are open, or that somebody may take up again, at each look; the others in turn."""
    told = Told()
    for number in range(1, 5):
        told.tracker.acknowledge(f"j-{number}", "any")
    told.saw("succeeded", job="j-2")
    told.saw("succeeded", "lease", job="j-3")
    told.saw("failed", "dead_letter", job="j-4")
    looked = [told.tracker.due(nth) for nth in range(20)]
    assert all({"j-1", "j-3"} <= set(jobs) for jobs in looked)
    assert sum("j-2" in jobs for jobs in looked) == 1
    assert sum("j-4" in jobs for jobs in looked) == 1
    assert set(told.tracker.jobs()) == {"j-1", "j-2", "j-3", "j-4"}
