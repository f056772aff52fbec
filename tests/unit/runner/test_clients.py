"""What a client does for each step, and what is recorded of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import pytest

from tests.unit.runner.stage import FakeRunning, FakeWorld, History
from unstuck.plan import ClientPlan
from unstuck.runner.clients import Client
from unstuck.scenario import Cancel, Complete, Initiate, PublishEvent, Put, PutParts, Step, Wait
from unstuck.targets.port import Reply
from unstuck.worlds.sim.scheduler import GreenScheduler

UPLOAD = {
    "job": "j-1",
    "status": 201,
    "url": "http://put",
    "part_urls": ["http://1", "http://2", "http://3"],
    "deadline_in_s": 7.0,
}


class Desk:
    """One client under virtual time."""

    def __init__(self) -> None:
        self.scheduler = GreenScheduler(1)
        self.history = History(self.scheduler)
        self.running = FakeRunning(FakeWorld(self.scheduler))
        self.running.replies["initiate_upload"] = Reply(phase="ok", data=UPLOAD)
        self.state: str | None = None
        self.over = False

    def run(self, *steps: Step, start_s: float = 0.0) -> list[tuple[Any, ...]]:
        Client(
            ClientPlan(name="c-01", tag="job", video="tiny.mp4", start_s=start_s, steps=steps),
            self.running,
            self.scheduler,
            self.history.emit,
            self.until,
            lambda _: self.state,
            lambda: self.over,
        ).run()
        return self.running.done

    def until(self, seen: Callable[[], bool], timeout_s: float) -> bool:
        return self.scheduler.bell("a test").until(seen, timeout_s)

    @property
    def at_s(self) -> float:
        return self.scheduler.now_ns() / 1e9


@pytest.fixture
def desk() -> Iterator[Desk]:
    made = Desk()
    yield made
    made.scheduler.close()


def test_an_upload_is_announced_put_and_completed(desk: Desk) -> None:
    """Each op is invoked and ended under one id; the job is known from the announcement's answer on."""
    assert desk.run(Initiate(), Put(), Complete()) == [
        ("initiate_upload", None),
        ("put_object", "j-1"),
        ("complete_upload", "j-1"),
    ]
    ops = [(e.phase, e.job, e.data["id"]) for e in desk.history.of("op")]
    assert ops == [
        ("invoke", None, "c-01.1"),
        ("ok", "j-1", "c-01.1"),
        ("invoke", "j-1", "c-01.2"),
        ("ok", "j-1", "c-01.2"),
        ("invoke", "j-1", "c-01.3"),
        ("ok", "j-1", "c-01.3"),
    ]
    first = desk.history.of("op")[1].data
    assert (first["tag"], first["deadline_in_s"], first["status"]) == ("job", 7.0, 201)
    assert all("url" not in e.data for e in desk.history.of("op"))


def test_a_refusal_is_recorded_and_ends_nothing(desk: Desk) -> None:
    """The service says no: the next step comes all the same."""
    desk.running.replies["put_object"] = Reply(phase="fail", data={"status": 403}, error="forbidden")
    assert ("complete_upload", "j-1") in desk.run(Initiate(), Put(), Complete())
    failed = desk.history.of("op", "fail")[0].data
    assert (failed["status"], failed["error"]) == (403, "forbidden")


def test_without_a_job_there_is_no_next_step(desk: Desk) -> None:
    """A definite no to the announcement is asked once."""
    desk.running.replies["initiate_upload"] = Reply(phase="fail", error="no")
    assert desk.run(Initiate(), Put()) == [("initiate_upload", None)]


def test_an_announcement_without_an_answer_is_tried_three_times(desk: Desk) -> None:
    """It may have been heard; after three the client gives up."""
    desk.running.replies["initiate_upload"] = Reply(phase="info", error="timeout")
    assert desk.run(Initiate(), Put()) == [("initiate_upload", None)] * 3


def test_completions_come_one_after_another_or_all_at_once(desk: Desk) -> None:
    """Together they overlap; each has an id of its own, or their ends could not be told apart."""
    desk.running.on_call = lambda action, _: desk.scheduler.sleep(1 if action == "complete_upload" else 0)
    desk.run(Initiate(), Complete(times=3))
    assert desk.at_s == 3
    desk.run(Initiate(), Complete(times=5, together=True))
    assert desk.at_s == 4
    ids = [e.data["id"] for e in desk.history.of("op", "invoke")]
    assert len(set(ids[4:])) == 6


def test_parts_are_put_at_their_pace_and_only_as_many_as_asked(desk: Desk) -> None:
    """Each is told which of how many it is."""
    seen: list[Mapping[str, Any]] = []
    desk.running.on_call = lambda _, values: seen.append(values)
    desk.run(Initiate(parts=3), PutParts(every_s=0.5))
    assert [(v.get("number"), v.get("of"), v.get("url")) for v in seen[1:]] == [
        (1, 3, "http://1"),
        (2, 3, "http://2"),
        (3, 3, "http://3"),
    ]
    assert desk.at_s == 1
    seen.clear()
    desk.run(Initiate(parts=3), PutParts(only=1))
    assert len(seen) == 2


def test_cancel_and_duplicate_events_are_ops(desk: Desk) -> None:
    """A duplicate is published as often as asked."""
    assert desk.run(Initiate(), Cancel(), PublishEvent(times=2))[1:] == [
        ("cancel", "j-1"),
        ("publish_event", "j-1"),
        ("publish_event", "j-1"),
    ]


def test_waits_last_their_time(desk: Desk) -> None:
    """Before the start, some seconds, and the upload's own deadline."""
    desk.run(Initiate(), Wait(seconds=2), Wait(past_deadline=True), start_s=1)
    assert desk.at_s == 10


@pytest.mark.parametrize(
    ("state", "at_s", "in_vain"),
    [("expired", 0, False), ("succeeded", 0, True), ("queued", 60, True)],
)
def test_a_state_is_waited_for_until_it_can_come_no_more(
    desk: Desk, state: str, at_s: float, in_vain: bool
) -> None:
    """A job that has ended otherwise gets nowhere; in vain is told, for the plan was not kept."""
    desk.state = state
    assert ("cancel", "j-1") in desk.run(Initiate(), Wait(state="expired"), Cancel())
    assert desk.at_s == at_s
    assert bool(desk.history.of("evidence", "waited_in_vain")) is in_vain


@pytest.mark.parametrize(
    ("steps", "calls"),
    [
        ((Initiate(), Wait(seconds=9), Put()), 1),
        ((Initiate(), Wait(state="queued"), Put()), 1),
        ((Initiate(parts=3), PutParts(every_s=9)), 2),
    ],
)
def test_when_the_run_is_over_no_further_step_is_taken(
    desk: Desk, steps: tuple[Step, ...], calls: int
) -> None:
    """Waits end, and what would have come after them does not."""

    def end(action: str, _: Mapping[str, Any]) -> None:
        desk.over = len(desk.running.done) == calls

    desk.running.on_call = end
    assert len(desk.run(*steps)) == calls
    assert desk.at_s == 0
    assert not desk.history.of("evidence")


def test_an_announcement_is_not_repeated_when_the_run_is_over(desk: Desk) -> None:
    """Nobody would ever look after the job."""
    desk.running.replies["initiate_upload"] = Reply(phase="info", error="timeout")
    desk.running.on_call = lambda *_: setattr(desk, "over", True)
    assert desk.run(Initiate()) == [("initiate_upload", None)]


def test_a_client_without_parts_puts_none(desk: Desk) -> None:
    """A service that gave no part URLs gets no part."""
    desk.running.replies["initiate_upload"] = Reply(phase="ok", data={"job": "j-1"})
    assert len(desk.run(Initiate(), PutParts())) == 1
