"""legal_transitions: canonical moves only, tokens grow, and the current one is needed."""

from __future__ import annotations

import pytest

from tests.unit.checks.draft import Draft
from unstuck.checks import legal_transitions as subject
from unstuck.checks.port import Verdict
from unstuck.scenario import CANONICAL_STATES, TERMINAL_STATES


def test_nothing_to_judge_is_inconclusive() -> None:
    """Without moves there is nothing to judge."""
    assert Draft().check(subject).verdict is Verdict.INCONCLUSIVE


def test_a_healthy_life_passes() -> None:
    """Claimed, handed back, claimed again under a new token, and done, by whoever held it."""
    draft = Draft()
    draft.queued("j-1")
    draft.claimed("j-1", token=1)
    draft.move("j-1", "active>queued", attempt=1, token=1)
    draft.claimed("j-1", attempt=2, token=2)
    draft.move("j-1", "active>succeeded", attempt=2, token=2)
    draft.logged("j-1", ">awaiting_upload", actor="api-1")
    draft.logged("j-1", "awaiting_upload>queued", actor="api-1")
    draft.logged("j-1", "queued>active", token=1, actor="worker-1")
    draft.logged("j-1", "active>queued", token=1, actor="sweeper-1")
    draft.logged("j-1", "queued>active", token=2, actor="worker-2")
    draft.logged("j-1", "active>succeeded", token=2, actor="worker-2")
    assert draft.check(subject).verdict is Verdict.PASS


def test_every_canonical_state_has_its_moves() -> None:
    """The table covers each state, and nothing leaves a terminal one."""
    assert set(subject.LEGAL) == {None, *CANONICAL_STATES}
    assert {state for state, moves in subject.LEGAL.items() if not moves} == TERMINAL_STATES


@pytest.mark.parametrize(
    "ways",
    [
        [">active"],
        [">queued", "queued>succeeded"],
        [">awaiting_upload", "awaiting_upload>active"],
        [">queued", "queued>active", "active>succeeded", "succeeded>queued"],
        [">queued", "queued>lost"],
        [">lost", "lost>queued"],
    ],
)
def test_an_illegal_move_fails(ways: list[str]) -> None:
    """A move that the table does not have is named."""
    draft = Draft()
    for way in ways:
        draft.move("j-1", way, token=1)
    result = draft.check(subject)
    assert result.verdict is Verdict.FAIL
    assert "not a legal move" in result.summary


def test_a_gap_between_moves_fails() -> None:
    """A move must begin where the one before ended."""
    draft = Draft()
    first = draft.move("j-1", ">awaiting_upload")
    second = draft.move("j-1", "queued>active", token=1)
    result = draft.check(subject)
    assert result.evidence[0].events == (first, second)
    assert "moved queued -> active at 0.030 s, but it was awaiting_upload" in result.evidence[0].message


def test_a_token_that_does_not_grow_fails() -> None:
    """A second claim under the first one's token fences nobody."""
    draft = Draft()
    draft.queued("j-1")
    draft.claimed("j-1", token=4)
    draft.move("j-1", "active>queued", token=4)
    draft.claimed("j-1", token=4)
    assert "was claimed with token 4 at 0.120 s, after token 4" in draft.check(subject).summary


def test_a_stale_token_on_the_way_out_fails() -> None:
    """Only the current claim's token moves a job out of active."""
    draft = Draft()
    draft.queued("j-1")
    draft.claimed("j-1", token=4)
    draft.move("j-1", "active>succeeded", token=3)
    assert "with token 3, while 4 held it" in draft.check(subject).summary


def test_a_stale_writer_in_the_services_log_fails() -> None:
    """The service's log names the token that the writer had."""
    draft = Draft()
    draft.succeeded("j-1")
    draft.logged("j-1", "active>queued", token=1)  # what was before is not known: no finding
    claim = draft.logged("j-1", "queued>active", token=2)
    write = draft.logged("j-1", "active>failed", token=1)
    result = draft.check(subject)
    assert result.evidence[0].events == (claim, write)
    assert "was made failed with token 1, while 2 held it" in result.summary


def test_success_by_somebody_else_fails() -> None:
    """Only who claimed a job can have finished it."""
    draft = Draft()
    draft.succeeded("j-1")
    draft.logged("j-1", "queued>active", token=1, actor="worker-1")
    draft.logged("j-1", "active>queued", token=1, actor="sweeper-1")
    draft.logged("j-1", "queued>active", token=2, actor="worker-2")
    draft.logged("j-1", "active>succeeded", token=2, actor="worker-1")
    assert "was made succeeded by worker-1, while worker-2 held it" in draft.check(subject).summary


def test_a_log_without_names_is_not_held_against_the_service() -> None:
    """Who finished a job is not judged where the log does not say."""
    draft = Draft()
    draft.succeeded("j-1")
    draft.logged("j-1", "queued>active", token=1)
    draft.logged("j-1", "active>succeeded", token=1, actor="worker-1")
    assert draft.check(subject).verdict is Verdict.PASS
