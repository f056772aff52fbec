"""What is counted, how a child's figures reach its parent, and how they are shown."""

from __future__ import annotations

import contextlib
import json
import socket
import threading
from collections.abc import Iterator

import pytest

from reference_service import examination
from reference_service.clock import SystemClock
from reference_service.examination import trouble
from reference_service.exposition import Exposition
from reference_service.fakes import MemoryWorld, memory_world
from reference_service.figures import read_figures
from reference_service.metrics import METRICS, Journal, Metrics
from reference_service.runtime import ASIDE_MAX, ForkRuntime
from reference_service.settings import GivenSettings
from unstuck.worlds.process.ports import free_port


def test_names_say_kind_and_unit() -> None:
    """A counter ends in `_total`, a histogram in its unit; no name comes twice."""
    names = [metric.name for metric in METRICS]
    assert len(set(names)) == len(names)
    assert all(name.startswith("reference_") for name in names)
    for metric in METRICS:
        assert (metric.kind == "counter") == metric.name.endswith("_total"), metric.name
        assert (metric.kind == "histogram") == bool(metric.buckets), metric.name


def test_what_a_child_noted_is_its_parents_afterwards() -> None:
    """As JSON carries it, counters summed by their labels."""
    journal, parent = Journal(), Metrics()
    journal.count("reference_retries_total")
    journal.count("reference_retries_total", 2)
    journal.observe("reference_stage_seconds", 0.3, stage="frames")
    parent.add(json.loads(json.dumps(journal.entries())))
    shown = parent.render().decode()
    assert "reference_retries_total 3.0" in shown
    assert 'reference_stage_seconds_count{stage="frames"} 1.0' in shown


def test_what_is_not_in_the_table_is_a_bug() -> None:
    """Neither a name nor a label is made up on the way."""
    with pytest.raises(KeyError):
        Metrics().count("reference_madeup_total")
    with pytest.raises(ValueError, match="label"):
        Metrics().count("reference_swept_total", whom="x")


def test_nothing_is_kept_where_nobody_asks() -> None:
    """A role without a port to ask pays for none of it."""
    metrics = Metrics(kept=False)
    metrics.count("reference_madeup_total")
    assert metrics._made == {}


def test_figures_of_the_whole_are_read_from_its_sources() -> None:
    """Jobs by state, also those with none; a source that is away says so, and costs its own only."""
    world = memory_world()
    world.jobs_queue.send({"job": "j-1"})
    shown = world.service.metrics.render(read_figures(world.service)).decode()
    assert 'reference_jobs{state="queued"} 0.0' in shown
    assert "reference_queue_depth 1.0" in shown
    world.jobs_queue.away = True
    shown = world.service.metrics.render(read_figures(world.service)).decode()
    assert 'reference_source_read{source="queue"} 0.0' in shown
    assert "reference_queue_depth 1.0" not in shown
    assert 'reference_jobs{state="queued"} 0.0' in shown


@pytest.fixture
def runtime() -> Iterator[ForkRuntime]:
    one = ForkRuntime(boot_id="b", drain_on_sigterm=False, memory_limit_bytes=None)
    yield one
    one.close()


def test_a_role_without_http_answers_while_it_waits(runtime: ForkRuntime) -> None:
    """And goes on waiting for as long as it was going to: a scrape hurries nobody."""
    settings = GivenSettings(database_url="sqlite://", sink_url="http://s", metrics_port=free_port())
    metrics, clock = Metrics(), SystemClock()
    metrics.count("reference_sweeps_total")
    exposition = Exposition(settings, metrics.render)
    runtime.attend(exposition, clock, at_once=False)
    answers: list[bytes] = []

    def ask() -> None:
        for path in (b"/metrics", b"/livez", b"/else"):
            with socket.create_connection(("127.0.0.1", settings.metrics_port), timeout=5) as connection:
                connection.sendall(b"GET " + path + b" HTTP/1.1\r\nHost: x\r\n\r\n")
                answers.append(b"".join(iter(lambda: connection.recv(65536), b"")))

    asker = threading.Thread(target=ask)
    asker.start()
    began = clock.monotonic()
    runtime.wait(0.5)
    assert clock.monotonic() - began >= 0.5
    while asker.is_alive():  # a busy machine: the last question may come after the first wait
        runtime.wait(0.1)
    assert b"reference_sweeps_total 1.0" in answers[0]
    assert answers[1].startswith(b"HTTP/1.1 200")
    exposition.close()
    assert answers[2].startswith(b"HTTP/1.1 404")


CLOCK = SystemClock()


def ask(port: int, path: str, runtime: ForkRuntime) -> bytes:
    """What a role that waits answers."""
    with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
        connection.sendall(f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        connection.settimeout(0.01)
        answer = b""
        while True:
            runtime.wait(0.01)
            with contextlib.suppress(TimeoutError):
                more = connection.recv(65536)
                if not more:
                    return answer
                answer += more


def exposed(world: MemoryWorld, runtime: ForkRuntime) -> Iterator[int]:
    """As a worker exposes itself; its port."""
    settings = GivenSettings(database_url="sqlite://", sink_url="http://s", metrics_port=free_port())
    exposition = Exposition(
        settings,
        world.service.metrics.render,
        trouble=lambda: trouble(world.service, "worker"),
        aside=runtime.spawn_aside,
    )
    runtime.attend(exposition, CLOCK, at_once=False)
    yield settings.metrics_port
    exposition.close()


def test_a_worker_is_unready_while_a_dependency_is_away(runtime: ForkRuntime) -> None:
    """Unready, alive all the same, and ready again when it is back."""
    world = memory_world()
    for port in exposed(world, runtime):
        assert ask(port, "/readyz", runtime).endswith(b'{"ready": true}')
        world.jobs_queue.away = True
        answer = ask(port, "/readyz", runtime)
        assert answer.startswith(b"HTTP/1.1 503")
        assert answer.endswith(b'{"error": "queue: queue: away"}')
        assert ask(port, "/livez", runtime).startswith(b"HTTP/1.1 200")
        world.jobs_queue.away = False
        assert ask(port, "/readyz", runtime).startswith(b"HTTP/1.1 200")


def test_a_dependency_that_does_not_answer_holds_no_worker_up(
    runtime: ForkRuntime, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its leases are renewed between two waits. So many ask at a time and no more, and none for ever."""
    world = memory_world()
    monkeypatch.setattr(world.objects, "head", lambda _key: CLOCK.sleep(60))
    monkeypatch.setattr("reference_service.runtime.ASIDE_S", 1)
    for port in exposed(world, runtime):
        began = CLOCK.monotonic()
        waiting = [socket.create_connection(("127.0.0.1", port), timeout=10) for _ in range(ASIDE_MAX)]
        for one in waiting:
            one.sendall(b"GET /readyz HTTP/1.1\r\nHost: x\r\n\r\n")
        runtime.wait(0.1)
        assert ask(port, "/livez", runtime).startswith(b"HTTP/1.1 200")
        assert b"earlier questions" in ask(port, "/readyz", runtime)
        assert CLOCK.monotonic() - began < 1
        while runtime._aside:
            runtime.wait(0.1)
        assert [one.recv(100) for one in waiting] == [b""] * ASIDE_MAX
        for one in waiting:
            one.close()


@pytest.mark.parametrize(
    ("role", "off", "unready_for"),
    [
        ("api", "", {"database"}),
        ("api", "outbox", {"database"}),
        ("sweeper", "outbox", {"database", "objects", "queue"}),
        ("worker", "", {"database", "queue", "objects", "disk", "codecs", "vision"}),
        ("push", "", {"database", "queue"}),
    ],
)
def test_a_role_is_unready_for_what_it_needs_and_no_more(
    role: str, off: str, unready_for: set[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """One dependency at a time is away."""
    world = memory_world(defences_off=off)
    assert trouble(world.service, role) is None
    found = set()
    for what in examination.EVERYTHING:
        with monkeypatch.context() as patched:
            patched.setattr(examination, f"_{what}", lambda _service: "away")
            problem = trouble(world.service, role)
            assert problem in {None, f"{what}: away"}
            found |= {what} if problem is not None else set()
    assert found == unready_for
