"""every_job_terminal: every job ends within the recovery budget."""

from __future__ import annotations

from tests.unit.checks.draft import Draft
from unstuck.checks import every_job_terminal as subject
from unstuck.checks.port import Verdict


def test_nothing_to_judge_is_inconclusive() -> None:
    """A run without jobs proves nothing."""
    draft = Draft()
    draft.end()
    result = draft.check(subject)
    assert (result.verdict, result.judged, result.summary) == (Verdict.INCONCLUSIVE, 0, "nothing to judge")


def test_terminal_jobs_pass() -> None:
    """Jobs that ended before the budget was over are as promised."""
    draft = Draft()
    draft.succeeded("j-1")
    draft.end()
    result = draft.check(subject, within_s=5)
    assert result.verdict is Verdict.PASS
    assert result.summary == "1 of 1 job terminal, the last at 0.120 s"


def test_a_terminal_last_look_is_enough() -> None:
    """A job whose moves nobody saw is judged by our own last look."""
    draft = Draft()
    draft.outcome("j-1", "succeeded")
    draft.end()
    assert draft.check(subject).verdict is Verdict.PASS


def test_a_stuck_job_is_told_with_holder_and_mover() -> None:
    """The message says state, stage, since when, who held it, and what should have moved it on."""
    draft = Draft()
    draft.process("worker-1", "start", role="worker")
    draft.queued("j-1")
    claim = draft.claimed("j-1", token=7, attempt=2)
    draft.add("stage", job="j-1", stage="scenes", attempt=2, token=7)
    draft.process("worker-1", "exit", code=None, signal="SIGKILL", expected=True)
    draft.outcome("j-1", "active", "lease")
    draft.end("budget")
    result = draft.check(subject)
    assert result.verdict is Verdict.FAIL
    assert result.evidence[0].events == (claim,)
    assert result.evidence[0].message == (
        "is still active (stage scenes, attempt 2, token 7) since 0.110 s, "
        "held by the lease of worker-1 (that worker ended at 0.130 s); to be moved on by the sweeper "
        "once the lease has expired"
    )


def stuck_without(role: str | None = None, *defences_off: str, state: str = "active") -> str:
    """What is said of a job that nobody moves on, after the process of a role has died."""
    draft = Draft(defences_off=list(defences_off))
    for one in ("api", "relay", "sweeper", "worker"):
        draft.process(f"{one}-1", "start", role=one)
    draft.queued("j-1")
    if state == "active":
        draft.claimed("j-1")
    if role is not None:
        draft.process(f"{role}-1", "exit", role=role, code=None, signal="SIGKILL", expected=True)
    draft.outcome("j-1", state)
    draft.end("budget")
    for one in ("api", "relay", "sweeper", "worker"):
        if one != role:
            draft.process(f"{one}-1", "exit", role=one, code=None, signal="SIGKILL", expected=True)
    return draft.check(subject).evidence[0].message.rpartition("; ")[2]


def test_who_is_dead_or_switched_off_is_not_named_as_who_moves_a_job_on() -> None:
    """A dead worker moves nothing; what the harness takes down after the run was there until then."""
    holder, sweeper = "the worker that holds its lease", "the sweeper once the lease has expired"
    assert stuck_without() == f"to be moved on by {holder}, or {sweeper}"
    assert stuck_without("worker") == f"to be moved on by {sweeper}"
    assert stuck_without("sweeper") == f"to be moved on by {holder}"
    assert stuck_without(None, "lease_recovery") == f"to be moved on by {holder}"
    assert stuck_without("worker", "lease_recovery") == (
        "to be moved on by nobody: worker-1 has ended, lease_recovery is off"
    )
    assert stuck_without("worker", state="queued") == "to be moved on by nobody: no worker is left"


def test_a_stuck_job_that_nobody_holds_says_so() -> None:
    """Without a lease the last holder is named as such."""
    draft = Draft()
    draft.queued("j-1")
    draft.claimed("j-1")
    draft.outcome("j-1", "active")
    draft.queued("j-2")
    draft.outcome("j-2", "queued", "queue")
    draft.queued("j-3")
    draft.outcome("j-3", "queued")
    draft.queued("j-4")
    draft.end("budget")
    messages = [evidence.message for evidence in draft.check(subject).evidence]
    assert "held nowhere; its holder was worker-1; to be" in messages[0]
    assert "held by the queue; to be moved on by a worker" in messages[1]
    assert "held nowhere; to be" in messages[2]
    assert "nobody looked who holds it" in messages[3]


def test_a_job_that_the_service_does_not_know_never_ended() -> None:
    """An acknowledged job without any trace is not terminal."""
    draft = Draft()
    draft.op("initiate_upload", "j-1")
    draft.outcome("j-1", None)
    draft.end()
    result = draft.check(subject)
    assert result.verdict is Verdict.FAIL
    assert result.evidence[0].message == "is still unknown to the service, held nowhere"


def test_a_late_end_breaks_the_promise() -> None:
    """Terminal after `within_s` is late, even when the run waited longer."""
    draft = Draft()
    draft.queued("j-1")
    draft.add("run", "budget")
    draft.claimed("j-1")
    draft.now_s += 3
    draft.move("j-1", "active>failed", attempt=1, token=1)
    draft.end(budget=False)
    assert draft.check(subject).verdict is Verdict.PASS
    result = draft.check(subject, within_s=2)
    assert result.verdict is Verdict.FAIL
    assert "was failed 3.020 s after the last fault was healed, not within 2 s" in result.summary


def test_an_unfinished_run_is_unclear() -> None:
    """While the budget runs, a job that is not terminal may still end."""
    draft = Draft()
    draft.queued("j-1")
    assert draft.check(subject).verdict is Verdict.INCONCLUSIVE
    draft.end("interrupted")
    result = draft.check(subject)
    assert (result.verdict, result.judged) == (Verdict.INCONCLUSIVE, 1)
    assert "j-1 was queued when the history ends" in result.summary


def test_an_interrupted_run_whose_budget_was_over_is_clear() -> None:
    """What had not ended when the budget was over has broken the promise, however the run ended."""
    draft = Draft()
    draft.queued("j-1")
    draft.add("run", "budget")
    draft.now_s += 11
    draft.end("interrupted", budget=False)
    assert draft.check(subject).verdict is Verdict.FAIL


def test_the_end_of_a_restarted_holder_is_that_of_the_life_that_claimed() -> None:
    """A process that was restarted keeps its name; its later end explains nothing."""
    draft = Draft()
    draft.process("worker-1", "start")
    draft.queued("j-1")
    draft.claimed("j-1")
    draft.process("worker-1", "exit", code=None, signal="SIGKILL", expected=True)
    draft.process("worker-1", "start")
    draft.outcome("j-1", "active", "lease")
    draft.process("worker-1", "exit", code=0, expected=True)
    draft.end("budget")
    (first, _) = draft.story().processes["worker-1"].lives
    assert first.exit is not None
    assert (
        f"worker-1 (that process ended at {first.exit.at_ns / 1e9:.3f} s);"
        in draft.check(subject).evidence[0].message
    )


def looked_at(unseen_s: float) -> Draft:
    """A job that is seen to have ended 0.5 s after its time, `unseen_s` after the look before."""
    draft = Draft(budget_s=2.0)
    draft.move("j-1", ">queued", sampled=True)
    draft.add("run", "budget")
    draft.move("j-1", "queued>succeeded", sampled=True, unseen_s=unseen_s, at_s=draft.now_s + 2.5)
    draft.outcome("j-1", "succeeded")
    draft.end("budget", budget=False)
    return draft


def test_a_job_that_may_have_ended_while_nobody_could_look_is_not_late() -> None:
    """What a look sees has happened since the one before; only a look in between can tell."""
    assert looked_at(1.0).check(subject).verdict is Verdict.INCONCLUSIVE
    assert looked_at(0.05).check(subject).verdict is Verdict.FAIL


def test_a_job_that_came_to_the_same_end_again_ended_when_it_first_did() -> None:
    """It was done in time; that it was delivered again later is judged elsewhere."""
    for again, verdict in (("succeeded", Verdict.PASS), ("failed", Verdict.FAIL)):
        draft = Draft(budget_s=2.0)
        draft.move("j-1", ">queued", sampled=True)
        draft.move("j-1", "queued>succeeded", sampled=True)
        draft.add("run", "budget")
        draft.now_s += 3
        draft.move("j-1", "succeeded>active", sampled=True)
        draft.move("j-1", f"active>{again}", sampled=True)
        draft.outcome("j-1", again)
        draft.end(budget=False)
        assert draft.check(subject).verdict is verdict
