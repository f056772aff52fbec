"""roles_recover: the processes of the service come back, and stay."""

from __future__ import annotations

from tests.unit.checks.draft import Draft
from unstuck.checks import roles_recover as subject
from unstuck.checks.port import Verdict


def test_nothing_ended_is_inconclusive() -> None:
    """Processes that live on have nothing to recover from."""
    draft = Draft()
    draft.process("worker-1", "start", role="worker", pid=1)
    draft.end()
    assert draft.check(subject).verdict is Verdict.INCONCLUSIVE


def test_a_process_that_is_started_again_passes() -> None:
    """However often, as long as the supervisor does not give up."""
    draft = Draft()
    for pid in (1, 2, 3):
        draft.process("worker-1", "start", role="worker", pid=pid)
        draft.process("worker-1", "exit", role="worker", pid=pid, code=1, expected=False)
    draft.process("worker-1", "start", role="worker", pid=4)
    draft.end()
    result = draft.check(subject)
    assert (result.verdict, result.figures) == (Verdict.PASS, {"restarts": 3})


def test_a_process_that_the_supervisor_gave_up_on_fails() -> None:
    """The exit that was one too many is the evidence."""
    draft = Draft()
    draft.process("worker-1", "start", role="worker", pid=1)
    last = draft.process(
        "worker-1", "exit", role="worker", pid=1, code=1, expected=False, restart="starts_max=1 reached"
    )
    draft.end()
    result = draft.check(subject)
    assert (result.verdict, result.evidence[0].events) == (Verdict.FAIL, (last,))
    assert "worker-1 has crashed 1 times" in result.evidence[0].message


def test_a_role_that_is_not_up_when_the_budget_begins_fails() -> None:
    """Its processes' last exits are shown beside it."""
    draft = Draft()
    draft.process("worker-1", "start", role="worker", pid=1)
    crash = draft.process("worker-1", "exit", role="worker", pid=1, code=3, expected=False)
    down = draft.add("evidence", "roles_down", roles=["worker"], after_s=15)
    draft.end()
    result = draft.check(subject)
    assert (result.verdict, result.evidence[0].events) == (Verdict.FAIL, (down, crash))


def test_a_process_that_was_meant_to_go_is_no_crash() -> None:
    """A stop of the harness's own has no restart, and needs none."""
    draft = Draft()
    draft.process("worker-1", "start", role="worker", pid=1)
    draft.process("worker-1", "exit", role="worker", pid=1, code=0, expected=True, restart=None)
    draft.end()
    assert draft.check(subject).verdict is Verdict.PASS
