"""A role's budget of memory, peaks by stage, and why a child that was killed is said to have ended."""

from __future__ import annotations

import asyncio
import re
import signal
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import uvicorn

from reference_service.alerts import values
from reference_service.api import Draining
from reference_service.budget import Budget
from reference_service.clock import SystemClock
from reference_service.domain import Defence, Reason
from reference_service.fake_runtime import FakeRuntime
from reference_service.fakes import MemoryWorld, memory_world
from reference_service.forked import read_notes
from reference_service.judgement import judge
from reference_service.memory import OwnMemory, cgroup_limit_bytes, forget_peak
from reference_service.ports import ChildEnd, Stopper
from reference_service.presence import Presence
from reference_service.runtime import ForkRuntime
from reference_service.serving import _DrainingServer

MIB = 1 << 20


@pytest.fixture
def world() -> MemoryWorld:
    return memory_world()


@pytest.fixture
def runtime() -> Iterator[ForkRuntime]:
    one = ForkRuntime(
        boot_id="b", drain_on_sigterm=True, memory_limit_bytes=None, memory_budget_bytes=1000 * MIB
    )
    yield one
    one.close()


def rendered(world: MemoryWorld) -> str:
    return world.service.metrics.render().decode()


def test_above_the_part_it_warns_once_for_each_time(
    world: MemoryWorld, caplog: pytest.LogCaptureFixture
) -> None:
    """In the log and by a metric: not again until it was below."""
    runtime = FakeRuntime(world.clock)
    budget = Budget(world.service, runtime)
    for used in (700, 701, 900, 600, 800):
        runtime.used = (used, 1000)
        budget.look()
    assert [one.getMessage().count("near its limit") for one in caplog.records] == [1, 1]
    assert "reference_memory_warnings_total 2.0" in rendered(world)
    assert "reference_memory_used_bytes 800.0" in rendered(world)


def test_a_peak_between_two_looks_is_seen(world: MemoryWorld, runtime: ForkRuntime) -> None:
    """A child that comes and goes within one heartbeat is counted with the next, and the register keeps it
    for as long as the alert looks back.
    """
    if not forget_peak():
        pytest.skip("this kernel does not let a process forget its peak")
    presence = Presence(world.service, runtime, "worker")
    presence.beat_if_due()

    def work(stopper: Stopper) -> Mapping[str, Any]:
        burden = bytearray(700 * MIB)
        burden[::4096] = b"\x01" * len(range(0, len(burden), 4096))
        stopper.measure("stitch")
        return {"outcome": "succeeded"}

    child = runtime.spawn("j", work)
    while child.end is None:
        runtime.wait(1.0)
    for _ in range(3):
        world.clock.advance(world.service.settings.heartbeat_s)
        presence.beat_if_due()
        assert values(world.service)["memory_near_limit"] > 70
    assert "reference_memory_warnings_total 1.0" in rendered(world)
    world.clock.advance(world.service.settings.alert_memory_within_s)
    presence.beat_if_due()
    assert values(world.service)["memory_near_limit"] < 70


def test_children_that_follow_each_other_are_not_added_up(runtime: ForkRuntime) -> None:
    """Two of 200 MiB, one after the other, between two looks: no 400 MiB were ever in use."""

    def work(_: Stopper) -> Mapping[str, Any]:
        burden = bytearray(200 * MIB)
        burden[::4096] = b"\x01" * len(range(0, len(burden), 4096))
        return {"outcome": "succeeded"}

    alone = runtime.memory()
    for _ in range(2):
        child = runtime.spawn("j", work)
        while child.end is None:
            runtime.wait(1.0)
    both = runtime.memory()
    assert alone is not None
    assert both is not None
    assert 190 * MIB < both[0] - alone[0] < 300 * MIB


def test_an_api_has_a_budget(world: MemoryWorld) -> None:
    """Of its own process, with the most since the last look; its server looks with each period."""
    if not forget_peak():
        pytest.skip("this kernel does not let a process forget its peak")
    own, settings = OwnMemory(1), world.service.settings
    server = _DrainingServer(
        uvicorn.Config("none"), Draining(), world.clock, settings, Budget(world.service, own)
    )
    asyncio.run(server.on_tick(1))
    assert "reference_memory_warnings_total 1.0" in rendered(world)
    before = own.memory()
    burden = bytearray(100 * MIB)
    burden[::4096] = b"\x01" * len(range(0, len(burden), 4096))
    del burden
    world.clock.advance(settings.heartbeat_s)
    asyncio.run(server.on_tick(2))
    assert before is not None
    used = re.search(r"^reference_memory_used_bytes (\S+)", rendered(world), re.MULTILINE)
    assert used is not None
    assert float(used.group(1)) > before[0] + 80 * MIB


def test_without_a_budget_there_is_nothing_to_warn_of(world: MemoryWorld) -> None:
    """Nobody limits it."""
    assert Budget(world.service, FakeRuntime(world.clock)).look() is None


def test_the_fullest_instance_is_what_the_alert_measures(world: MemoryWorld) -> None:
    """By its last heartbeat, in percent of its own budget."""
    runtime = FakeRuntime(world.clock)
    presence = Presence(world.service, runtime, "worker")
    presence.beat_if_due()
    assert values(world.service)["memory_near_limit"] == 0.0
    runtime.used = (750, 1000)
    world.clock.sleep(world.service.settings.heartbeat_s)
    presence.beat_if_due()
    assert values(world.service)["memory_near_limit"] == 75.0


def test_without_the_warning_nobody_measures() -> None:
    """`memory_warning` off: neither register nor metrics hear of it."""
    world = memory_world(defences_off=[Defence.MEMORY_WARNING])
    runtime = FakeRuntime(world.clock)
    runtime.used = (999, 1000)
    assert Budget(world.service, runtime).look() is None


def ended(*, oom_kills: int | None) -> ChildEnd:
    return ChildEnd(
        exit_code=None, signal=signal.SIGKILL, result=None, peak_rss_bytes=None, oom_kills=oom_kills
    )


@pytest.mark.parametrize(
    ("oom_kills", "timed_out", "reason"),
    [
        (0, True, Reason.TIMED_OUT),
        (1, False, Reason.MEMORY_EXCEEDED),
        (0, False, Reason.CRASHED),
        (None, False, Reason.CRASHED),
    ],
)
def test_a_watchdog_and_the_kernel_are_told_apart(
    oom_kills: int | None,
    timed_out: bool,
    reason: Reason,
) -> None:
    """Both kill by SIGKILL: one is our own, the other is counted by the cgroup, and a third is neither."""
    end = ended(oom_kills=oom_kills)
    assert judge(end, timed_out=timed_out) is reason
    assert judge(end, timed_out=timed_out, by_evidence=False) is Reason.MEMORY_EXCEEDED


def test_a_child_tells_what_each_stage_needed(runtime: ForkRuntime) -> None:
    """The stage that takes memory shows it, and the one after it does not."""
    if not forget_peak():
        pytest.skip("this kernel does not let a process forget its peak")

    def work(stopper: Stopper) -> Mapping[str, Any]:
        stopper.measure("small")
        burden = bytearray(80 * MIB)
        burden[::4096] = b"\x01" * len(range(0, len(burden), 4096))
        stopper.measure("large")
        del burden
        stopper.measure("forgets")  # the peak of the time since: the burden was still there at its beginning
        stopper.measure("after")
        return {"outcome": "succeeded"}

    child = runtime.spawn("j", work)
    while child.end is None:
        runtime.wait(1.0)
    peaks = child.end.stage_peaks
    assert [*peaks] == ["small", "large", "forgets", "after"]
    assert peaks["large"] > peaks["small"] + 70 * MIB
    assert peaks["after"] < peaks["large"] - 70 * MIB
    assert child.end.peak_rss_bytes == peaks["large"]


def test_who_is_killed_leaves_what_is_known_of_its_stages() -> None:
    """The last line may be cut off."""
    notes = b'{"measured": "inspect", "peak_rss_bytes": 5}\n{"measured": "fra'
    assert read_notes(notes) == (None, {"inspect": 5})


def test_memory_in_use_counts_what_is_shared_once(runtime: ForkRuntime) -> None:
    """A child that has just been forked adds next to nothing."""
    alone = runtime.memory()
    assert alone is not None
    assert alone[1] == 1000 * MIB

    def work(stopper: Stopper) -> Mapping[str, Any]:
        while not stopper.asked:
            SystemClock().sleep(0.01)
        return {}

    child = runtime.spawn("j", work)
    both = runtime.memory()
    child.ask_to_stop()
    while child.end is None:
        runtime.wait(1.0)
    assert both is not None
    assert both[0] < alone[0] + 30 * MIB


def test_the_limit_of_a_cgroup_is_the_usual_budget(tmp_path: Path) -> None:
    """Of both versions; a number that stands for none is none."""
    (tmp_path / "memory.limit_in_bytes").write_text("9223372036854771712\n")
    counter = tmp_path / "memory.oom_control"
    assert cgroup_limit_bytes(counter) is None
    (tmp_path / "memory.limit_in_bytes").write_text("536870912\n")
    assert cgroup_limit_bytes(counter) == 512 * MIB
    assert cgroup_limit_bytes(None) is None
