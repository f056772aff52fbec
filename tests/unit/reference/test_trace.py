"""One id from the client's request to the last call, and in every line of a log."""

from __future__ import annotations

import json
from typing import Any

import pytest

from reference_service import trace, uploads
from reference_service.fakes import ManualClock, memory_world
from reference_service.logs import LineLog
from reference_service.relay import publish
from reference_service.store import lifecycle
from tests.unit.reference.drive import VIDEO

GIVEN = "0af7651916cd43dd8448eb211c80319c"
HEADER = f"00-{GIVEN}-b7ad6b7169203331-01"


@pytest.mark.parametrize(
    ("header", "found"),
    [
        (HEADER, GIVEN),
        (HEADER.upper(), GIVEN),
        (None, None),
        ("", None),
        ("00-" + "0" * 32 + "-b7ad6b7169203331-01", None),
        ("ff" + HEADER[2:], None),
        (HEADER + "-more", None),
        ("nonsense", None),
    ],
)
def test_only_a_well_formed_header_names_a_trace(header: str | None, found: str | None) -> None:
    """As the W3C has it: no zeros, no version ff; anything else is as if there were none."""
    assert trace.of_header(header) == found


def test_what_is_sent_on_is_a_header_of_the_same_trace() -> None:
    """Whoever is called finds the id; outside of any trace nothing is sent."""
    assert trace.headers() == {}
    with trace.within(GIVEN):
        assert trace.of_header(trace.headers()["traceparent"]) == GIVEN
    assert trace.current() is None


def test_a_clients_trace_is_the_jobs_and_its_events() -> None:
    """Without one the job gets an id of its own, the same in row and event."""
    world = memory_world()
    for given in (GIVEN, None):
        with trace.within(given):
            job, target = uploads.initiate(world.service, tenant="dev", name="a", size_bytes=len(VIDEO))
        assert job.trace == (given or trace.of_job(job.id))
        world.objects.client_put(str(target.url), VIDEO)
        uploads.complete(world.service, job)
        publish(world.service)
        (message,) = world.jobs_queue.receive(wait_s=0, most=1)
        assert message.body["trace"] == job.trace
        stored = lifecycle.get_job(world.service.store, job.id)
        assert stored is not None
        assert stored.trace == job.trace


@pytest.mark.parametrize("style", ["line", "json"])
def test_a_line_of_a_log_has_the_trace(style: Any, capsys: pytest.CaptureFixture[str]) -> None:
    """What is current, unless the line names another; JSON is an object a line."""
    log = LineLog(ManualClock(), style, role="worker")
    with trace.within(GIVEN):
        log.info('claimed "one"', job="j-1", nothing=None)
    log.warning("lost", trace="other")
    first, second = capsys.readouterr().err.splitlines()
    if style == "json":
        assert json.loads(first) == {
            "time": 1_700_000_000.0,
            "level": "info",
            "role": "worker",
            "trace": GIVEN,
            "job": "j-1",
            "msg": 'claimed "one"',
        }
        assert json.loads(second)["trace"] == "other"
    else:
        assert first == f'level=info role=worker trace={GIVEN} job=j-1 msg="claimed \\"one\\""'
        assert "trace=other" in second
