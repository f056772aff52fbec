"""What a recorded run tells of stages, drains and memory."""

from __future__ import annotations

import pytest

from tests.unit.checks.draft import Draft
from unstuck.preflight.measured import ANY, MIB, Measured, highest, measured_in


def stage(draft: Draft, job: str, name: str | None, at_s: float, *, token: int = 1) -> None:
    draft.add("stage", job=job, at_s=at_s, data={"stage": name, "attempt": token, "token": token})


def test_the_longest_stage_that_went_on() -> None:
    """From its beginning to that of the next, or to the job's success; what was cut short does not count."""
    draft = Draft()
    draft.claimed("j-1")
    stage(draft, "j-1", "frames", 1)
    stage(draft, "j-1", "captions", 3.5)
    stage(draft, "j-1", "publish", 4)
    draft.move("j-1", "active>succeeded", attempt=1, token=1, at_s=4.25)
    draft.claimed("j-2")
    stage(draft, "j-2", "frames", 5)
    stage(draft, "j-2", "frames", 60, token=2)  # the first attempt died in it
    measured = measured_in(draft.story(), "run")
    assert (measured.longest_stage_s, measured.stage) == (2.5, "frames")
    assert measured.sources == ("run",)


def test_a_stage_of_a_job_that_a_fault_hit_does_not_count() -> None:
    """Its length is the fault's."""
    draft = Draft()
    draft.claimed("j-1")
    stage(draft, "j-1", "frames", 1)
    draft.add("fault", "armed", data={"fault": 0, "name": "pause"})
    draft.add("fault", "fired", data={"fault": 0, "name": "pause"})
    draft.add("fault", "landed", data={"fault": 0, "name": "pause", "jobs": ["j-1"]})
    stage(draft, "j-1", "captions", 31)
    assert measured_in(draft.story(), "run").longest_stage_s is None


def test_a_drain_is_from_sigterm_to_the_exit() -> None:
    """The longest that ended by itself; one that was killed says nothing of how long it would have taken."""
    draft = Draft()
    for name, took_s, signal in (
        ("worker-1", 1.5, None),
        ("worker-2", 9.0, "SIGKILL"),
        ("worker-3", 0.5, None),
    ):
        draft.process(name, "start", role="worker", pid=1)
        draft.process(name, "signal", signal="SIGTERM", scope="process", sent_to=[1])
        draft.process(name, "exit", pid=1, code=0, signal=signal, expected=True, took_s=took_s)
    assert measured_in(draft.story(), "run").drain_s == 1.5


@pytest.mark.parametrize(("kind", "peak_mib"), [("cgroup", 200), (None, 290)])
def test_a_peak_has_the_largest_child_unless_a_group_counted_it(kind: str | None, peak_mib: float) -> None:
    """By role; the harness's own proxy is none, and neither is a process that was made to allocate."""
    draft = Draft()
    for name, role, mib in (
        ("worker-1", "worker", 200),
        ("worker-2", "worker", 900),
        ("links-1", "links", 50),
    ):
        draft.process(name, "start", role=role, pid=1)
        draft.process(name, "usage", rss_bytes=0, rss_bytes_max=mib * MIB, limit_kind=kind)
    draft.add("fault", "armed", data={"fault": 0, "name": "allocate_here"})
    draft.add("fault", "fired", data={"fault": 0, "name": "allocate_here"})
    draft.add("fault", "landed", process="worker-2", data={"fault": 0, "name": "allocate_here"})
    draft.claimed("j-1")
    for token, peak in ((1, 90 * MIB), (2, 40 * MIB)):
        said = {"attempt": token, "token": token, "instance": "worker-1", "peak_rss_bytes": peak}
        draft.add("said", "attempt", job="j-1", data=said)
    assert measured_in(draft.story(), "run").peaks_mib == {"worker": peak_mib}


def test_an_empty_run_measures_nothing() -> None:
    """Rules that need it will not judge."""
    assert measured_in(Draft().story(), "run") == Measured(sources=("run",))


def test_a_run_of_the_sim_measures_nothing() -> None:
    """Its stages are fakes in virtual time; beside a real run it is passed over."""
    simulated, real = (Draft(world=world) for world in ("sim", "processes"))
    for draft in (simulated, real):
        draft.claimed("j-1")
        stage(draft, "j-1", "frames", 1)
        stage(draft, "j-1", "captions", 1.5 if draft is real else 9)
        draft.process("worker-1", "start", role="worker", pid=1)
        draft.process("worker-1", "signal", signal="SIGTERM", scope="process", sent_to=[1])
        draft.process("worker-1", "exit", pid=1, code=0, signal=None, expected=True, took_s=0.5)
    nothing = measured_in(simulated.story(), "run")
    assert nothing == Measured(in_sim=("run",))
    both = highest([nothing, measured_in(real.story(), "real")])
    assert (both.longest_stage_s, both.sources, both.in_sim) == (0.5, ("real",), ("run",))


def test_of_several_runs_the_highest_counts() -> None:
    """Each figure by itself."""
    one = Measured(
        longest_stage_s=3, stage="a", drain_s=2, peaks_mib={"worker": 100, "api": 50}, sources=("x",)
    )
    other = Measured(longest_stage_s=5, stage="b", peaks_mib={"worker": 80, "relay": 20}, sources=("y",))
    assert highest([one, other, Measured()]) == Measured(
        longest_stage_s=5,
        stage="b",
        drain_s=2,
        peaks_mib={"worker": 100, "api": 50, "relay": 20},
        sources=("x", "y"),
    )


def test_flags_win_over_a_run() -> None:
    """One for all roles takes the place of every role's."""
    run = Measured(longest_stage_s=3, stage="a", drain_s=2, peaks_mib={"worker": 100}, sources=("run",))
    assert Measured(longest_stage_s=9).or_else(run).stage is None
    assert Measured(peaks_mib={"api": 5}).or_else(run).peaks_mib == {"worker": 100, "api": 5}
    assert Measured(peaks_mib={ANY: 5}).or_else(run).peaks_mib == {ANY: 5}
    assert Measured().or_else(run) == run
