"""The rescue of stuck jobs: each looked at right before, none at risk, none by an id that could act."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from unstuck.errors import TargetError
from unstuck.stuck import Found, Judged, Listed, Rescued, list_jobs, rescue_all
from unstuck.stuck.identity import may_go_into
from unstuck.targets.declared.agent_client import CallError
from unstuck.targets.declared.calls import Caller
from unstuck.targets.declared.file import (
    Call,
    CommandCall,
    HttpCall,
    JobSource,
    Observation,
    RowsSource,
    SqlCall,
    Submission,
    TargetFile,
)

RESCUE = SqlCall(dependency="store", statement="update orders set state = 'new' where id = '{job}'")
ROWS = RowsSource(call=HttpCall(url="http://127.0.0.1:1/jobs", method="GET"))


class FakeCaller(Caller):
    """Answers each call with what was laid down for its kind, and remembers for which jobs it was made."""

    def __init__(self, answer: Any = None) -> None:
        self.answer = answer
        self.jobs: list[str] = []

    def perform(self, call: Call, values: Mapping[str, Any], timeout_s: float) -> Any:
        del call, timeout_s
        if "job" in values:
            self.jobs.append(values["job"])
        if isinstance(self.answer, CallError):
            raise self.answer
        return self.answer


def file_with(*, rescue: Call | None = RESCUE, source: Any = ROWS) -> TargetFile:
    return TargetFile(
        name="shop",
        path=Path("unstuck.yaml"),
        folder=Path(),
        submit=Submission(call=CommandCall(command=("true",))),
        observe=Observation(sources=(source,)),
        rescue=rescue,
    )


def found(*jobs: str, risk: str | None = None) -> Judged:
    return Judged(
        stuck=tuple(
            Found(job=Listed(job=job, state="queued", held="queue"), age_s=900.0, risk=risk) for job in jobs
        ),
        others=(),
    )


def rescued(
    judged: Judged, caller: FakeCaller, *, again: Judged | None = None, step_ns: int = 0, **given: Any
) -> list[Rescued]:
    """Of `judged`; `step_ns` passes between two looks at the clock, after which `again` is what is there."""
    times = iter(range(0, 10**15, step_ns) if step_ns else [0] * 1000)
    options: dict[str, Any] = {"named": frozenset(), "dry_run": False} | given
    return [
        *rescue_all(
            file_with(), caller, judged, lambda: again or judged, now_ns=lambda: next(times), **options
        )
    ]


def test_every_stuck_job_is_asked_for_once() -> None:
    """In the order in which they were found."""
    caller = FakeCaller()
    done = rescued(found("a", "b"), caller)
    assert (caller.jobs, [one.outcome for one in done]) == (["a", "b"], ["triggered", "triggered"])


def test_a_dry_run_asks_nobody() -> None:
    """It says what it would do."""
    caller = FakeCaller()
    done = rescued(found("a"), caller, dry_run=True)
    assert (caller.jobs, [one.outcome for one in done]) == ([], ["would trigger"])


def test_a_job_that_has_moved_meanwhile_is_skipped() -> None:
    """What was seen more than a second ago is looked at again."""
    caller = FakeCaller()
    busy = Judged(stuck=(), others=((Listed(job="a", state="active"), "being processed"),))
    done = rescued(found("a"), caller, again=busy, step_ns=2_000_000_000)
    assert (caller.jobs, done[0].outcome) == ([], "skipped")
    assert done[0].why == "has moved meanwhile: being processed"


def test_a_job_at_risk_is_skipped_unless_it_is_named() -> None:
    """A rescue of a live job would do it twice."""
    caller = FakeCaller()
    assert rescued(found("a", risk="nobody says"), caller)[0].outcome == "skipped"
    assert rescued(found("a", risk="nobody says"), caller, named=frozenset({"a"}))[0].outcome == "triggered"
    assert caller.jobs == ["a"]


def test_a_rescue_that_fails_keeps_no_other_from_its_own() -> None:
    """Each is told with its reason."""
    caller = FakeCaller(CallError("store: gone", maybe=True))
    done = rescued(found("a", "b"), caller)
    assert [(one.outcome, one.why) for one in done] == [("failed", "store: gone")] * 2


@pytest.mark.parametrize("job", ["a'; drop table orders; --", "-rf", "../../admin", "a b"])
def test_an_id_that_could_act_is_never_put_into_a_call(job: str) -> None:
    """Who may choose ids in the running system must not choose our calls."""
    caller = FakeCaller()
    done = rescued(found(job), caller)
    assert (caller.jobs, done[0].outcome) == ([], "failed")


def test_without_a_rescue_nobody_can_be_asked() -> None:
    """One line, with what to add."""
    with pytest.raises(TargetError, match="declares no `rescue`"):
        rescue_all(
            file_with(rescue=None),
            FakeCaller(),
            found("a"),
            found,
            named=frozenset(),
            dry_run=False,
        )


def test_rows_are_listed_with_what_they_say() -> None:
    """Those that have ended are left out; a word without a meaning is kept, since nobody knows."""
    rows = [
        {"job": 7, "state": "queued", "since": 5, "tenant": "acme", "name": "a cup", "busy": False},
        {"job": "b", "state": "succeeded"},
        {"job": "c", "state": "odd"},
        {"job": "d", "state": "active", "busy": "t", "since": 4},
    ]
    jobs = {one.job: one for one in list_jobs(file_with(), FakeCaller(rows))}
    assert [*jobs] == ["d", "7", "c"]
    assert (jobs["7"].tenant, jobs["7"].name, jobs["7"].busy, jobs["7"].since_s) == (
        "acme",
        "a cup",
        False,
        5,
    )
    assert (jobs["d"].busy, jobs["c"].unmapped) == (True, "odd")


def test_a_target_that_asks_for_one_job_at_a_time_cannot_list() -> None:
    """It says so, and what to add."""
    each = JobSource(call=HttpCall(url="http://127.0.0.1:1/jobs/{job}", method="GET"))
    with pytest.raises(
        TargetError, match=r"cannot list its jobs: each of its sources asks for one .*`observe.list`"
    ):
        list_jobs(file_with(source=each), FakeCaller())


def test_an_answer_that_lists_nothing_is_no_absence() -> None:
    """An error that comes as an answer is told, and not taken for health."""
    with pytest.raises(TargetError, match="cannot be asked"):
        list_jobs(file_with(), FakeCaller("<html>down</html>"))


def test_a_job_that_a_worker_took_meanwhile_is_at_risk() -> None:
    """1. it is listed as queued, 2. a worker takes it, and nobody says that it is busy, 3. a rescue would do
    it twice. Named by its id, it is asked for all the same."""
    again = found("a", risk="nobody says")
    caller = FakeCaller()
    [one] = rescued(found("a"), caller, again=again, step_ns=2_000_000_000)
    assert (caller.jobs, one.outcome) == ([], "skipped")
    assert one.why == "nobody says; name it by --job to insist"
    [one] = rescued(found("a"), caller, again=again, step_ns=2_000_000_000, named=frozenset({"a"}))
    assert (caller.jobs, one.outcome) == (["a"], "triggered")


@pytest.mark.parametrize(
    ("statement", "job", "allowed"),
    [
        ("update o set s = 1 where id = {job} and s = 2", "7", True),
        ("update o set s = 1 where id = {job} and s = 2", "7--", False),
        ("update o set s = 1 where id = {job} and s = 2", "id", False),
        ("update o set s = 1 where n = 'it''s' and id = {job}", "id", False),
        ("update o set s = 1 where id = '{job}' and s = 2", "a--b", True),
        ("update o set s = 1 where n = 'it''s' and id = '{job}'", "id", True),
    ],
)
def test_outside_of_quotes_a_statement_takes_a_number_alone(statement: str, job: str, allowed: bool) -> None:
    """There `7--` would take away the condition behind it, and `id` would mean every row."""
    assert may_go_into(SqlCall(dependency="store", statement=statement), job) is allowed


def test_a_system_that_goes_away_does_not_take_with_it_what_was_done() -> None:
    """The first was asked for, and is told so; the rest was not, for want of a look."""
    caller = FakeCaller()

    def look() -> Judged:
        raise TargetError("target 'shop' cannot be asked: gone")

    times = iter((0, 0, 0, 2_000_000_000, 2_000_000_000, 2_000_000_000))
    done = rescue_all(
        file_with(), caller, found("a", "b", "c"), look,
        named=frozenset(), dry_run=False, now_ns=lambda: next(times),
    )  # fmt: skip
    assert [one.outcome for one in done] == ["triggered", "triggered", "failed"]
    assert (caller.jobs, done[2].why) == (["a", "b"], "not asked for: target 'shop' cannot be asked: gone")
