"""memory_within: processes stay below their limit."""

from __future__ import annotations

from tests.unit.checks.draft import Draft
from unstuck.checks import memory_within as subject
from unstuck.checks.port import Verdict

MIB = 1024 * 1024


def used(mib: int, *, limit_mib: int = 100) -> Draft:
    draft = Draft()
    draft.process("worker-1", "start", role="worker")
    draft.process("worker-1", "usage", rss_bytes=MIB, rss_bytes_max=MIB, limit_bytes=limit_mib * MIB)
    draft.process("worker-1", "usage", rss_bytes=1, rss_bytes_max=mib * MIB, limit_bytes=limit_mib * MIB)
    return draft


def test_nothing_sampled_is_nothing_judged() -> None:
    """Without samples, without a limit, or with a sample that is none, nothing is judged."""
    draft = Draft()
    draft.process("worker-1", "start", role="worker")
    draft.process("worker-2", "usage", rss_bytes=5)
    draft.process("worker-3", "usage", rss_bytes=5, limit_bytes=0)
    draft.process("worker-4", "usage", limit_bytes=5)
    assert draft.check(subject).verdict is Verdict.INCONCLUSIVE


def test_below_the_limit_passes() -> None:
    """The highest sample counts; the current figure does where no highest is given."""
    result = used(80).check(subject)
    assert (result.verdict, result.figures) == (Verdict.PASS, {"highest_part": 0.8})
    draft = Draft()
    draft.process("worker-1", "usage", rss_bytes=5, limit_bytes=10)
    assert draft.check(subject).judged == 1


def test_above_the_declared_part_fails() -> None:
    """`below` is a part of the limit."""
    result = used(95).check(subject, role="worker", below=0.9)
    assert result.verdict is Verdict.FAIL
    assert "worker-1 used 95.0 MiB of 100.0 MiB, more than 90% of its limit" in result.summary
    assert result.evidence[0].events == (3,)


def test_other_roles_are_left_alone() -> None:
    """With `role` only that role is judged."""
    assert used(200).check(subject, role="api").judged == 0


def test_the_harnesss_own_balloon_is_no_fault_of_the_process() -> None:
    """Where a balloon landed, the process is not judged; other faults excuse nobody."""
    draft = used(200)
    draft.fault("armed", "fired", "landed", name="kill", processes=["worker-1"])
    assert draft.check(subject).verdict is Verdict.FAIL
    draft.fault("armed", "fired", "landed", index=1, name="allocate_here", processes=["worker-1"])
    assert draft.check(subject).judged == 0
