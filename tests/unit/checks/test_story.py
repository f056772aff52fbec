"""The story: a history, indexed in one pass."""

from __future__ import annotations

from tests.unit.checks.draft import Draft
from unstuck.checks.result import spread
from unstuck.checks.run_story import BUDGET_S
from unstuck.checks.story import Stay, Story
from unstuck.history import Event, History


def test_a_jobs_stays_and_stage() -> None:
    """Each state with its times; the last one is open. The stage is the last that was seen."""
    draft = Draft()
    draft.queued("j-1")
    draft.add("stage", job="j-1", stage="inspect", attempt=1, token=1)
    draft.add("stage", job="j-1", stage=None, attempt=1, token=1)
    job = draft.story().jobs["j-1"]
    assert job.stays == [Stay("awaiting_upload", 0.03, 0.08), Stay("queued", 0.08, None)]
    assert job.stage is None
    draft.move("j-1", "queued>active", token=1, attempt=1, stage="inspect")
    draft.move("j-2", ">awaiting_upload", tag="poison")
    jobs = draft.story().jobs
    assert (jobs["j-1"].stage, jobs["j-1"].tag) == ("inspect", "job")
    assert (jobs["j-2"].stage, jobs["j-2"].tag) == (None, "poison")
    assert Draft().story().jobs == {}


def test_an_op_is_ok_failed_or_unknown() -> None:
    """An op without an end is as good as `info`; its status is the answer's."""
    draft = Draft()
    draft.answer(draft.invoke("cancel", "j-1"), "fail", "j-1", status=409)
    draft.answer(draft.invoke("cancel", "j-1"), "info", "j-1", status="none")
    draft.op("cancel", "j-1")
    draft.invoke("cancel", "j-1")
    ops = draft.story().jobs["j-1"].ops
    assert [op.outcome for op in ops] == ["fail", "info", "ok", "info"]
    assert [op.status for op in ops] == [409, None, None, None]
    assert [op.job for op in ops] == ["j-1"] * 4


def test_an_answer_without_invocation_is_taken_as_it_is() -> None:
    """A history may begin in the middle of an op."""
    event = Event(0, 0, "op", "ok", "j-1", None, {"id": "x", "action": "initiate_upload"})
    again = Event(1, 5, "op", "ok", "j-1", None, {"id": "y", "action": "submit"})
    story = Story(History((event, again)))
    assert len(story.jobs["j-1"].ops) == 2
    assert story.jobs["j-1"].acknowledged == 0
    assert story.jobs["j-1"].tag is None


def test_an_op_without_a_job_belongs_to_none() -> None:
    """An announcement that timed out may have made a job; nobody knows which."""
    draft = Draft()
    draft.answer(draft.invoke("initiate_upload", tag="job"), "info")
    story = draft.story()
    assert (len(story.ops), story.jobs) == (1, {})
    assert story.ops[0].job is None


def test_a_process_lives_from_start_to_start() -> None:
    """A name may live several times; a role may come with any event."""
    draft = Draft()
    draft.process("worker-1", "start", role="worker")
    draft.process("worker-1", "exit", code=1)
    draft.process("worker-1", "restart", number=1)
    draft.process("worker-1", "start", role="worker")
    process = draft.story().processes["worker-1"]
    assert (process.role, len(process.lives)) == ("worker", 2)
    assert process.life_at(0.02) is process.lives[0]
    assert process.life_at(0.035) is None
    assert process.life_at(9.0) is process.lives[1]


def test_facts_of_the_run() -> None:
    """Budget and promise have defaults; wrong types count as absent."""
    run = Draft(budget_s="x", promise=3).story().run
    assert (run.budget_s, run.promise) == (BUDGET_S, "effectively_once")
    assert (run.end_reason, run.played_out) == (None, False)
    assert Draft(budget_s=5, faults=3).story().run.budget_s == 5.0


def test_a_stroke_is_a_landing_with_its_firing() -> None:
    """Where they are not paired one to one, the landing stands for the firing."""
    draft = Draft()
    draft.fault("fired", "landed", "landed", "struck")
    draft.fault("healed", name="kill")
    first, second = draft.story().faults[0].strokes
    assert (first.fired.number, first.over_s) == (1, 0.06)
    assert (second.fired.number, second.healed, second.struck_s) == (3, None, 0.04)
    assert (second.in_flight, second.jobs, second.processes) == (None, None, None)


def test_blows_that_overlap_are_paired_by_their_number() -> None:
    """The first one missed, the third landed before the second: each keeps its own firing and healing."""
    draft = Draft()
    for blow in (1, 2, 3):
        draft.fault("fired", blow=blow)
    draft.fault("missed", blow=1)
    draft.fault("landed", "healed", blow=3)
    draft.fault("landed", blow=2)
    third, second = draft.story().faults[0].strokes
    assert (third.fired.number, third.healed and third.healed.number) == (3, 6)
    assert (second.fired.number, second.healed) == (2, None)


def test_actors_are_paired_with_moves_in_order() -> None:
    """The nth move between two states is the nth in the log; where that is shorter, nobody is named."""
    draft = Draft()
    draft.queued("j-1")
    for token in (1, 2):
        draft.claimed("j-1", token=token)
        draft.move("j-1", "active>queued", token=token)
    draft.logged("j-1", "active>queued", actor="worker-1")
    draft.logged("j-1", "queued>active", actor="worker-1")
    assert draft.story().jobs["j-1"].actors() == [None, None, "worker-1", "worker-1", None, None]


def test_what_no_property_asks_for_is_passed_over() -> None:
    """Messages, evidence and kinds of a later version do no harm."""
    draft = Draft()
    draft.add("message", link="worker.database")
    draft.add("evidence", "received", job="j-1")
    draft.add("novelty", "appeared")
    draft.add("point", "reached", job="j-1", point="api.complete.committed")
    assert draft.story().jobs == {}
    assert round(draft.story().end_s, 6) == 0.05


def test_spread_is_by_nearest_rank() -> None:
    """Median, 99th percentile and maximum; nothing of nothing."""
    assert spread("claim", []) == {}
    assert spread("claim", [3.0]) == {"claim_p50_s": 3.0, "claim_p99_s": 3.0, "claim_max_s": 3.0}
    hundred = [float(n) for n in range(100, 0, -1)]
    assert spread("x", hundred) == {"x_p50_s": 50.0, "x_p99_s": 100.0, "x_max_s": 100.0}
