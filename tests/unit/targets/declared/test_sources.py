"""Looks through the sources of a target file: what an answer says of each job, and when it says nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, cast

import pytest

from unstuck.targets.declared.agent_client import CallError
from unstuck.targets.declared.calls import Caller
from unstuck.targets.declared.file import HttpCall, JobSource, Look, RedisSource, RowsSource, Source
from unstuck.targets.declared.sources import Sources
from unstuck.targets.declared.tracker import NOWHERE, Seen

CALL = HttpCall(url="http://127.0.0.1/")


class Answering:
    """Stands for a caller: each call gets `answer`; a Redis has `members` by key."""

    def __init__(self, answer: Any = None, members: Mapping[str, Sequence[str]] | None = None) -> None:
        self.answer = answer
        self.members = members or {}

    def perform(self, *_: Any) -> Any:
        if isinstance(self.answer, CallError):
            raise self.answer
        return self.answer

    def redis(self, *_: Any) -> Answering:
        return self

    def eval(self, _: str, __: int, *words: str) -> list[list[bytes]]:
        return [[one.encode() for one in self.members.get(key, ())] for key in words[1::5]]


def look(source: Source, caller: Answering, *jobs: str) -> Mapping[str, Seen]:
    return Sources((source,), cast("Caller", caller), 1.0).look(jobs)


def test_a_word_that_is_none_of_ours_is_not_taken_for_one() -> None:
    """Without a map a system's words must be ours: `done` is no state, and no job is judged by it."""
    rows = [{"job": "j-1", "state": "done"}, {"job": "j-2", "state": "succeeded"}]
    seen = look(RowsSource(call=CALL), Answering(rows), "j-1", "j-2")
    assert (seen["j-1"].state, seen["j-1"].unmapped) == (None, "done")
    assert seen["j-2"].state == "succeeded"


@pytest.mark.parametrize(("raw", "state"), [(0, "queued"), (False, "failed"), ("", None), (None, None)])
def test_a_state_that_is_a_zero_is_a_state(raw: object, state: str | None) -> None:
    """A number or a truth value says something; an empty text does not."""
    source = JobSource(call=CALL, state="$.state", states={"0": "queued", "false": "failed"})
    assert look(source, Answering({"state": raw}), "j-1")["j-1"].state == state


@pytest.mark.parametrize(
    "answer",
    [
        "<html>the service is being started</html>",
        CallError("GET http://127.0.0.1/: answered 502 the upstream answered 404", maybe=True, status=502),
        CallError("sh: ended with 1: curl: answered 404", maybe=True),
    ],
)
def test_an_error_is_not_the_absence_of_a_job(answer: object) -> None:
    """A page in place of JSON, and a text that has `answered 404` in it: the look has failed."""
    with pytest.raises(CallError):
        look(JobSource(call=CALL, state="$.state"), Answering(answer), "j-1")


@pytest.mark.parametrize("answer", ["", " \n", CallError("answered 404", maybe=False, status=404)])
def test_who_answers_nothing_or_404_does_not_know_the_job(answer: object) -> None:
    """As a program that prints nothing."""
    assert look(JobSource(call=CALL, state="$.state"), Answering(answer), "j-1") == {"j-1": NOWHERE}


@pytest.mark.parametrize(
    ("rows", "state"), [([{"state": "active"}, {"state": "queued"}], "active"), ([], None), ("[]", None)]
)
def test_a_statement_for_a_job_is_read_by_its_first_row(rows: object, state: str | None) -> None:
    """`state` names a column; without a row the job is not known."""
    assert look(JobSource(call=CALL, state="state"), Answering(rows), "j-1")["j-1"].state == state


def test_an_id_within_another_is_not_seen_in_its_stead() -> None:
    """`order-12` is not in the queue because `order-123` is; beside it, it is."""
    source = RedisSource(dependency="broker", looks=(Look(key="q", state="queued", held="queue"),))
    long, short = "order-123", "order-12"
    one = Answering(members={"q": [f'{{"id": "{long}"}}']})
    assert look(source, one, short, long)[short] == NOWHERE
    assert look(source, one, short)[short] == NOWHERE  # also while nobody knows of the longer one
    both = Answering(members={"q": [f'{{"id": "{long}", "after": "{short}"}}']})
    assert {one.held for one in look(source, both, short, long).values()} == {"queue"}


def test_what_was_found_in_a_message_is_found_again_and_for_a_job_that_is_new() -> None:
    """A message that stays is not searched again for the same job."""
    source = RedisSource(dependency="broker", looks=(Look(key="q", held="queue"),))
    caller = Answering(members={"q": ['{"id": "first-job", "then": "second-job"}']})
    sources = Sources((source,), cast("Caller", caller), 1.0)
    for jobs in (["first-job"], ["first-job", "second-job"], ["second-job"]):
        assert [one.held for one in sources.look(jobs).values()] == ["queue"] * len(jobs)
    caller.members = {"q": ["second-job"]}
    assert [one.held for one in sources.look(["first-job", "second-job"]).values()] == [None, "queue"]


@pytest.mark.parametrize(
    ("rows", "answer"),
    [("$.jobs", {"error": "the database is away"}), ("jobs", {"error": "x"}), (None, "sorry"), (None, 7),
     ("$.jobs", {"jobs": "none"}), (None, ["j-1"])],
)  # fmt: skip
def test_an_answer_that_has_no_rows_is_no_absence(rows: str | None, answer: object) -> None:
    """An error that comes as an answer must not make every job lost: the look has failed."""
    with pytest.raises(CallError):
        look(RowsSource(call=CALL, rows=rows), Answering(answer), "j-1")


@pytest.mark.parametrize(
    ("rows", "answer"), [("$.jobs", {"jobs": None}), ("jobs", {"jobs": []}), (None, None), (None, {})]
)
def test_no_rows_are_an_answer(rows: str | None, answer: object) -> None:
    """`null` is how some languages write an empty list."""
    assert look(RowsSource(call=CALL, rows=rows), Answering(answer), "j-1") == {"j-1": NOWHERE}


def test_braces_that_are_doubled_in_a_key_are_single_ones() -> None:
    """As BullMQ and others write keys that belong into one slot: in the key of a job, and in a shared one."""
    looks = (Look(key="{{q}}:{job}", state="active"), Look(key="{{q}}:wait", held="queue"))
    caller = Answering(members={"{q}:j-1": ["x"], "{q}:wait": ["j-1"]})
    seen = look(RedisSource(dependency="broker", looks=looks), caller, "j-1")
    assert seen == {"j-1": Seen(state="active", held="queue")}
