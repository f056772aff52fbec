"""no_live_job_rescued: nobody takes a job from a worker that is alive and at it."""

from __future__ import annotations

from typing import Any

import pytest

from tests.unit.checks.draft import Draft
from unstuck.checks import no_live_job_rescued as subject
from unstuck.checks.port import Verdict


def held(*, started: bool = True) -> Draft:
    """worker-1 lives and has claimed j-1."""
    draft = Draft()
    if started:
        draft.process("worker-1", "start", role="worker")
    draft.queued("j-1")
    draft.claimed("j-1")
    return draft


def taken(draft: Draft, actor: str | None = "sweeper-1", after: str = "queued") -> Draft:
    """Somebody moves j-1 out of active, and the service's log says who."""
    draft.move("j-1", f"active>{after}", attempt=1, token=1)
    for way, who in (
        (">awaiting_upload", "api-1"),
        ("awaiting_upload>queued", "api-1"),
        ("queued>active", "worker-1"),
        (f"active>{after}", actor),
    ):
        said: dict[str, Any] = {} if who is None else {"actor": who}
        draft.logged("j-1", way, **said)
    draft.end()
    return draft


def test_nothing_to_judge_is_inconclusive() -> None:
    """No claim, a holder that is no process of ours, and one whose start nobody saw."""
    draft = Draft()
    draft.queued("j-1")
    draft.move("j-2", "queued>active", token=1)
    assert draft.check(subject).verdict is Verdict.INCONCLUSIVE
    assert taken(held(started=False)).check(subject).verdict is Verdict.INCONCLUSIVE


def test_a_holder_that_finishes_or_hands_back_passes() -> None:
    """Whoever claimed may let go; a claim that still runs is nobody's rescue."""
    assert taken(held(), "worker-1").check(subject).verdict is Verdict.PASS
    assert taken(held(), "worker-1", "succeeded").check(subject).verdict is Verdict.PASS
    assert held().check(subject).judged == 1


@pytest.mark.parametrize("after", ["queued", "failed"])
@pytest.mark.parametrize("actor", ["sweeper-1", "worker-2"])
def test_taking_it_from_a_living_holder_fails(actor: str, after: str) -> None:
    """By a sweeper or by another worker's clean-up, to be tried again or to be given up."""
    result = taken(held(), actor, after).check(subject)
    assert result.verdict is Verdict.FAIL
    assert f"was made {after} by {actor} at 0.120 s, while worker-1 was alive" in result.summary


def test_a_cancelled_job_was_not_rescued() -> None:
    """Clients may take a job from anybody."""
    assert taken(held(), "api-1", "cancelled").check(subject).verdict is Verdict.PASS


def test_without_the_services_log_it_is_unclear() -> None:
    """Nothing says whether a job was handed back or taken."""
    result = taken(held(), None).check(subject)
    assert (result.verdict, result.judged) == (Verdict.INCONCLUSIVE, 1)
    assert "nothing says by whom" in result.summary


def test_a_dead_holder_may_be_rescued_from() -> None:
    """Dead before the rescue; also when its successor has the same name."""
    draft = held()
    draft.process("worker-1", "exit", code=None, signal="SIGKILL")
    draft.process("worker-1", "start", role="worker")
    assert taken(draft).check(subject).verdict is Verdict.INCONCLUSIVE


def test_a_paused_holder_may_be_rescued_from() -> None:
    """A lease that nobody renews runs out, whether or not the holder goes on later."""
    draft = held()
    draft.process("worker-1", "signal", signal="SIGSTOP", scope="tree")
    assert taken(draft).check(subject).judged == 0
    again = held()
    again.process("worker-1", "signal", signal="SIGSTOP", scope="tree")
    again.process("worker-1", "signal", signal="SIGCONT", scope="tree")
    assert taken(again).check(subject).judged == 0


def test_a_pause_at_another_time_is_no_excuse() -> None:
    """Before the claim, or after the rescue."""
    draft = Draft()
    draft.process("worker-1", "start", role="worker")
    draft.process("worker-1", "signal", signal="SIGUSR1", scope="main")
    draft.process("worker-1", "signal", signal="SIGCONT", scope="main")
    draft.process("worker-1", "signal", signal="SIGSTOP", scope="main")
    draft.process("worker-1", "signal", signal="SIGCONT", scope="main")
    draft.queued("j-1")
    draft.claimed("j-1")
    taken(draft)
    draft.process("worker-1", "signal", signal="SIGSTOP", scope="main")
    assert draft.check(subject).verdict is Verdict.FAIL


def test_a_holder_that_is_held_at_a_point_may_be_rescued_from() -> None:
    """The harness held it, so that it could not renew its lease; a stage's point holds only the child."""
    draft = held()
    draft.process("worker-1", "ready")
    draft.add("point", "reached", process="worker-1", point="worker.claim.committed")
    assert taken(draft).check(subject).judged == 0
    released = held()
    released.add("point", "reached", process="worker-1", point="worker.claim.committed")
    released.add("point", "released", process="worker-1", point="worker.claim.committed")
    assert taken(released).check(subject).judged == 0
    of_child = held()
    of_child.add("point", "reached", process="worker-1", point="worker.stage.started", stage="scenes")
    of_child.add("point", "reached", job="j-1", point="nobody's")
    assert taken(of_child).check(subject).verdict is Verdict.FAIL


def test_a_point_at_another_time_is_no_excuse() -> None:
    """Released before the claim, or reached after the rescue."""
    draft = Draft()
    draft.process("worker-1", "start", role="worker")
    draft.add("point", "released", process="worker-1", point="worker.start")
    draft.add("point", "reached", process="worker-1", point="worker.claim.before_commit")
    draft.add("point", "released", process="worker-1", point="worker.claim.before_commit")
    draft.queued("j-1")
    draft.claimed("j-1")
    taken(draft)
    draft.add("point", "reached", process="worker-1", point="worker.claim.before_commit")
    assert draft.check(subject).verdict is Verdict.FAIL


def test_a_fault_in_the_way_is_an_excuse() -> None:
    """A lasting one may reach anybody; another one must name the holder or the job."""
    lasting = held()
    lasting.fault("armed", "fired", "landed", name="link_down", link="worker.database")
    lasting.fault("healed", name="link_down")
    assert taken(lasting).check(subject).judged == 0
    named: tuple[dict[str, Any], ...] = ({"jobs": ["j-1"]}, {"processes": ["worker-1"]})
    for facts in named:
        draft = held()
        draft.fault("armed", "fired", "landed", **facts)
        assert taken(draft).check(subject).judged == 0


def test_other_faults_are_no_excuse() -> None:
    """One that was over before, one that hit somebody else, one that came after."""
    draft = Draft()
    draft.fault("armed", "fired", "landed", "healed", name="link_down")
    draft.fault("armed", "fired", "landed", index=3, processes=["worker-1"], jobs=["j-1"])
    draft.process("worker-1", "start", role="worker")
    draft.queued("j-1")
    draft.claimed("j-1")
    draft.fault("armed", "fired", "landed", index=1, processes=["worker-2"], jobs=["j-2"])
    taken(draft)
    draft.fault("armed", "fired", "landed", index=2, processes=["worker-1"])
    assert draft.check(subject).verdict is Verdict.FAIL
