"""no_premature_claim: nobody works on a video that is not there yet."""

from __future__ import annotations

from tests.unit.checks.draft import Draft
from unstuck.checks import no_premature_claim as subject
from unstuck.checks.port import Verdict


def announced(job: str = "j-1") -> Draft:
    draft = Draft()
    draft.op("initiate_upload", job)
    draft.move(job, ">awaiting_upload")
    return draft


def test_nothing_to_judge_is_inconclusive() -> None:
    """A job that still waits, one of nobody's, and the job of a retry are not judged."""
    draft = announced()
    draft.move("j-2", "awaiting_upload>queued")
    draft.op("cancel", "j-3")
    draft.move("j-3", ">queued")
    assert draft.check(subject).verdict is Verdict.INCONCLUSIVE


def test_a_job_that_ends_without_its_upload_was_not_taken() -> None:
    """Expired, though somebody may have asked for it: the promise was kept."""
    draft = announced()
    draft.op("complete_upload", "j-1", "fail")
    draft.move("j-1", "awaiting_upload>expired")
    result = draft.check(subject)
    assert (result.verdict, result.judged) == (Verdict.PASS, 1)


def test_put_before_queued_passes() -> None:
    """Also when the put's own answer came after the move, as a notification may be faster."""
    draft = announced()
    op = draft.invoke("put_object", "j-1")
    draft.move("j-1", "awaiting_upload>queued")
    draft.answer(op, "ok", "j-1")
    assert draft.check(subject).verdict is Verdict.PASS


def test_a_job_that_was_never_put_fails() -> None:
    """A claim of a job without an upload is premature, and so is one after a failed put."""
    draft = announced()
    draft.op("put_object", "j-1", "fail")
    move = draft.move("j-1", "awaiting_upload>active", token=1)
    result = draft.check(subject)
    assert result.verdict is Verdict.FAIL
    assert result.evidence[0].events == (move,)
    assert "its upload was put never" in result.summary


def test_a_put_after_the_move_fails() -> None:
    """By order of the events, and by their stamps where the order says nothing."""
    draft = announced()
    draft.move("j-1", "awaiting_upload>queued")
    draft.op("put_object", "j-1")
    result = draft.check(subject)
    assert result.verdict is Verdict.FAIL
    assert "was queued at 0.050 s, and its upload was put only at 0.060 s" in result.summary
    late = announced()
    late.now_s = 1.0
    late.op("put_object", "j-1")
    late.move("j-1", "awaiting_upload>queued", at_s=0.5)
    assert late.check(subject).verdict is Verdict.FAIL


def test_stamps_of_two_sources_may_differ_a_little() -> None:
    """A trigger's stamp 20 ms before the put's is no proof."""
    draft = announced()
    draft.now_s = 1.0
    draft.op("put_object", "j-1")
    draft.move("j-1", "awaiting_upload>queued", at_s=0.99)
    assert draft.check(subject).verdict is Verdict.PASS


def test_all_parts_make_an_object() -> None:
    """A multipart upload is there when its last part is; with some parts it is not."""
    draft = announced()
    draft.op("put_part", "j-1", number=1, of=2)
    half = draft.check(subject)
    assert half.verdict is Verdict.INCONCLUSIVE
    draft.move("j-1", "awaiting_upload>queued")
    assert draft.check(subject).verdict is Verdict.FAIL
    whole = announced()
    whole.op("put_part", "j-1", "fail", number=2, of=2)
    whole.op("put_part", "j-1", number=1, of=2)
    whole.op("put_part", "j-1", number=2, of=2)
    whole.move("j-1", "awaiting_upload>queued")
    assert whole.check(subject).verdict is Verdict.PASS
    unnumbered = announced()
    unnumbered.op("put_part", "j-1")
    unnumbered.move("j-1", "awaiting_upload>queued")
    assert unnumbered.check(subject).verdict is Verdict.PASS


def test_an_unknown_put_is_unclear() -> None:
    """A put that timed out, or one of its parts, may have worked."""
    draft = announced()
    draft.op("put_object", "j-1", "info")
    draft.move("j-1", "awaiting_upload>queued")
    result = draft.check(subject)
    assert (result.verdict, result.judged) == (Verdict.INCONCLUSIVE, 1)
    assert "its put may or may not have worked" in result.summary
    parts = announced()
    parts.op("put_part", "j-1", number=1, of=2)
    parts.invoke("put_part", "j-1", number=2, of=2)
    parts.move("j-1", "awaiting_upload>queued")
    assert parts.check(subject).verdict is Verdict.INCONCLUSIVE
