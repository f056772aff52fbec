"""drains_cleanly: asked to stop, a process ends by itself, with 0, and refuses work with 503 only."""

from __future__ import annotations

from typing import Any

import pytest

from tests.unit.checks.draft import Draft
from unstuck.checks import drains_cleanly as subject
from unstuck.checks.port import Verdict


def stopped(role: str = "worker", **exit_facts: Any) -> Draft:
    """A process that got SIGTERM, and its exit."""
    draft = Draft()
    draft.process(f"{role}-1", "start", role=role, pid=7)
    draft.process(f"{role}-1", "ready", role=role)
    draft.process(f"{role}-1", "signal", signal="SIGTERM", scope="main", sent_to=[7])
    facts = {"code": 0, "signal": None, "expected": True, "grace_s": 5.0, "took_s": 0.4, **exit_facts}
    draft.process(f"{role}-1", "exit", **facts)
    return draft


KILLED: dict[str, Any] = {"code": None, "signal": "SIGKILL", "took_s": 5.01}


def test_nothing_to_judge_is_inconclusive() -> None:
    """Nobody was asked to stop; a kill without warning, or to a child only, is no request."""
    draft = Draft()
    draft.process("worker-1", "start", role="worker")
    draft.process("worker-1", "signal", signal="SIGTERM", scope="child")
    draft.process("worker-1", "signal", signal="SIGKILL", scope="tree")
    draft.process("worker-1", "exit", code=None, signal="SIGKILL", expected=True)
    draft.end()
    assert draft.check(subject).verdict is Verdict.INCONCLUSIVE


def test_who_was_not_ready_yet_has_nothing_to_drain() -> None:
    """SIGTERM in the first moments of a process, before it has a handler for it."""
    draft = Draft()
    draft.process("api-1", "start", role="api", pid=7)
    draft.process("api-1", "signal", signal="SIGTERM", scope="main", sent_to=[7])
    draft.process("api-1", "exit", code=None, signal="SIGTERM", expected=True, grace_s=5.0, took_s=0.03)
    draft.end()
    assert draft.check(subject).verdict is Verdict.INCONCLUSIVE


def test_exit_with_zero_within_the_grace_passes() -> None:
    """The refused calls of the drain are counted."""
    draft = stopped()
    draft.process("worker-1", "refused", status=503)
    draft.end()
    result = draft.check(subject, exit_zero=True)
    assert result.verdict is Verdict.PASS
    assert result.figures == {"drained": 1, "killed": 0, "refused": 1}


@pytest.mark.parametrize(
    ("facts", "how"),
    [({"code": 1}, "exited with 1"), ({"code": None, "signal": "SIGTERM"}, "died of SIGTERM")],
)
def test_another_end_fails(facts: dict[str, Any], how: str) -> None:
    """Dying of the signal, or with another code, leaves behind what was held."""
    draft = stopped()
    draft.events.pop()
    draft.claimed("j-1")
    draft.claimed("j-2", worker="worker-2")
    draft.claimed("j-3")
    draft.move("j-3", "active>queued")
    draft.process("worker-1", "exit", **{"code": 0, "signal": None, "grace_s": 5, "took_s": 0.1, **facts})
    draft.move("j-1", "active>queued", token=1)
    result = draft.check(subject)
    assert result.verdict is Verdict.FAIL
    assert f"worker-1 was asked to stop, and {how}, leaving j-1" in result.summary
    assert result.evidence[0].events == (3, 8)


def test_a_kill_at_the_end_of_the_grace_counts_only_when_asked_for() -> None:
    """With `exit_zero` it has broken the promise; else there is nothing to judge in it."""
    draft = stopped(**KILLED)
    draft.end()
    plain = draft.check(subject)
    assert (plain.verdict, plain.judged, plain.figures["killed"]) == (Verdict.INCONCLUSIVE, 0, 1)
    assert "and died of SIGKILL" in draft.check(subject, exit_zero=True).summary


def test_a_missing_duration_is_taken_from_the_stamps() -> None:
    """From the signal to the exit, where the exit does not say."""
    draft = stopped(code=None, signal="SIGKILL", took_s=None, grace_s=0.01)
    assert draft.check(subject).figures["killed"] == 1
    unasked = Draft()
    unasked.process("worker-1", "exit", code=None, signal="SIGKILL", expected=True, grace_s=1.0)
    assert unasked.check(subject).judged == 0


def test_a_kill_within_the_grace_is_another_faults_doing() -> None:
    """Whoever is killed while draining is not judged."""
    assert stopped(code=None, signal="SIGKILL", took_s=0.2).check(subject, exit_zero=True).judged == 0


def test_no_grace_is_not_judged() -> None:
    """A process that was given no time cannot drain."""
    assert stopped(**{**KILLED, "grace_s": 0}).check(subject, exit_zero=True).judged == 0


def test_a_signal_alone_has_no_end_of_its_grace() -> None:
    """A SIGTERM by a fault sets no time; the exit must be clean all the same."""
    draft = stopped(grace_s=None, code=0)
    assert draft.check(subject).verdict is Verdict.PASS
    assert stopped(grace_s=None, code=3).check(subject).verdict is Verdict.FAIL


def test_an_expected_exit_without_a_recorded_signal_is_judged() -> None:
    """A world may record the stop by the exit alone."""
    draft = Draft()
    draft.process("worker-1", "start", role="worker")
    draft.process("worker-1", "exit", code=2, signal=None, expected=True, grace_s=1.0, took_s=0.1)
    draft.process("worker-2", "exit", code=2, signal=None, expected=True)
    result = draft.check(subject)
    assert (result.verdict, result.judged) == (Verdict.FAIL, 1)


def test_a_process_that_never_stops_fails_once_the_run_has_played_out() -> None:
    """Before the end of the run it may still be draining; after it, nobody judges."""
    draft = stopped()
    draft.events.pop()
    assert draft.check(subject).judged == 0
    draft.end()
    assert "worker-1 was asked to stop, and never did" in draft.check(subject).summary


def test_what_comes_after_the_end_of_the_run_is_not_judged() -> None:
    """Teardown is not part of the run."""
    draft = Draft()
    draft.process("worker-1", "start", role="worker")
    draft.process("worker-2", "start", role="worker")
    draft.end()
    draft.process("worker-1", "signal", signal="SIGTERM")
    draft.process("worker-1", "exit", code=1, signal=None, expected=True, grace_s=1, took_s=0.1)
    draft.process("worker-2", "signal", signal="SIGTERM")
    assert draft.check(subject).judged == 0


def test_the_role_can_be_chosen() -> None:
    """With `role` the others are left alone."""
    assert stopped("api", code=1).check(subject, role="worker").judged == 0
    assert stopped("api", code=1).check(subject, role="api").judged == 1


def test_a_draining_api_answers_503_only() -> None:
    """Other failures of the server while it drains break the promise; objects do not go to the API."""
    draft = Draft()
    draft.process("api-1", "start", role="api")
    draft.process("api-1", "ready", role="api")
    draft.answer(draft.invoke("cancel", "j-0"), "info", "j-0", status=500)  # before
    draft.process("api-1", "signal", signal="SIGTERM")
    draft.answer(draft.invoke("complete_upload", "j-1"), "fail", "j-1", status=503)
    draft.answer(draft.invoke("put_object", "j-1"), "fail", "j-1", status=500)
    draft.answer(draft.invoke("cancel", "j-1"), "fail", "j-1", status=500)
    draft.invoke("cancel", "j-2")
    draft.process("api-1", "exit", code=0, signal=None, expected=True, grace_s=1, took_s=0.1)
    draft.answer(draft.invoke("cancel", "j-3"), "fail", "j-3", status=500)  # after
    result = draft.check(subject)
    assert [evidence.job for evidence in result.evidence] == ["j-1"]
    assert "was answered 500 on cancel while api-1 was draining" in result.summary
    unasked = Draft()
    unasked.answer(unasked.invoke("cancel", "j-1"), "fail", "j-1", status=500)
    unasked.process("api-1", "exit", role="api", code=0, signal=None, expected=True, grace_s=1, took_s=0)
    assert unasked.check(subject).verdict is Verdict.PASS


def test_an_api_that_never_stops_is_judged_to_the_end() -> None:
    """Its answers count for as long as it drains."""
    draft = Draft()
    draft.process("api-1", "start", role="api")
    draft.process("api-1", "ready", role="api")
    draft.process("api-1", "signal", signal="SIGTERM")
    draft.answer(draft.invoke("cancel", "j-1"), "fail", "j-1", status=500)
    draft.end()
    assert len(draft.check(subject).evidence) == 2
