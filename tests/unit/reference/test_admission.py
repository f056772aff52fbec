"""Who may bring work, how much may wait, and who has the next turn."""

from __future__ import annotations

import contextlib
import sys
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from reference_service import uploads
from reference_service.admission import Refused
from reference_service.domain import Job
from reference_service.fakes import ManualClock, MemoryWorld, memory_world
from reference_service.rates import Rates
from reference_service.relay import publish
from reference_service.store import lifecycle
from tests.unit.reference.drive import VIDEO


def announce(world: MemoryWorld, tenant: str = "dev") -> Job:
    job, target = uploads.initiate(world.service, tenant=tenant, name="a", size_bytes=len(VIDEO))
    world.objects.client_put(str(target.url), VIDEO)
    return job


def queue(world: MemoryWorld, tenant: str) -> Job:
    return uploads.complete(world.service, announce(world, tenant))


def sent(world: MemoryWorld) -> list[Any]:
    """Jobs in the queue, in the order in which they came."""
    return [body["job"] for body in world.jobs_queue.bodies()]


def test_a_bucket_holds_a_burst_and_fills_again() -> None:
    """Each name has its own; the wait that is told is enough."""
    clock, rates = ManualClock(), Rates(per_s=2, burst=3)
    assert [rates.take("a", clock) for _ in range(4)] == [0.0, 0.0, 0.0, 0.5]
    assert rates.take("b", clock) == 0.0
    clock.advance(0.5)
    assert rates.take("a", clock) == 0.0


def test_a_bucket_is_not_full_again_for_threads_that_ask_at_once() -> None:
    """Eight ask as fast as they can: what is granted is the burst, and no more."""
    clock, rates = ManualClock(), Rates(per_s=1, burst=50)
    usual_s = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        with ThreadPoolExecutor(8) as pool:
            granted = sum(pool.map(lambda _: rates.take("a", clock) == 0.0, range(20_000)))
    finally:
        sys.setswitchinterval(usual_s)
    assert granted == 50


def test_a_tenant_above_its_rate_is_told_when_to_come_again() -> None:
    """429, with a whole number of seconds; another tenant is not meant."""
    world = memory_world(rate_per_s=0.5, rate_burst=2)
    announce(world)
    announce(world)
    with pytest.raises(Refused) as refused:
        announce(world)
    assert (refused.value.status, refused.value.retry_after_s) == (429, 2)
    announce(world, "other")
    world.clock.advance(2)
    announce(world)


def test_no_more_is_taken_than_may_wait() -> None:
    """503 for everybody, as long as so many are queued; what was announced before can be completed."""
    world = memory_world(queue_depth_max=3, retry_after_s=3)
    early = announce(world)
    queue(world, "a")
    queue(world, "a")
    with pytest.raises(Refused) as refused:
        announce(world, "b")
    assert refused.value.status == 503
    assert refused.value.retry_after_s in {3, 4, 5, 6}
    assert uploads.complete(world.service, early).state == "queued"


def test_one_tenant_leaves_room_for_others() -> None:
    """Within its rate, and by announcements alone, it fills its share; then 429, and another is taken."""
    world = memory_world(queue_depth_max=20, retry_after_s=3, upload_idle_s=300)
    for _ in range(18):
        announce(world, "noisy")
    with pytest.raises(Refused, match="18 of its jobs wait already, and room for 2 is left") as refused:
        announce(world, "noisy")
    assert refused.value.status == 429
    assert refused.value.retry_after_s in {3, 4, 5, 6}
    queue(world, "quiet")
    world.clock.advance(301)
    announce(world, "noisy")


def test_however_many_bring_all_they_can_there_is_room_for_the_next() -> None:
    """Each of three comes to rest at the same share, and a fourth finds room; alone one has half."""
    world = memory_world(queue_depth_max=40, queue_share=0.5)

    def fill(tenant: str) -> int:
        taken = 0
        try:
            while True:
                announce(world, tenant)
                taken += 1
        except Refused:
            return taken

    assert fill("a") == 20
    for job in lifecycle.list_jobs(world.service.store, "a", limit=40):
        uploads.cancel(world.service, job)
    held = dict.fromkeys("abc", 0)
    for _ in range(40):
        for tenant in held:
            with contextlib.suppress(Refused):
                announce(world, tenant)
                held[tenant] += 1
    assert held == {"a": 10, "b": 10, "c": 10}
    assert fill("d") == 5


def test_with_fairness_off_one_tenant_may_fill_the_queue() -> None:
    """And another finds no room."""
    world = memory_world(queue_depth_max=20, defences_off="tenant_fairness")
    for _ in range(20):
        announce(world, "noisy")
    with pytest.raises(Refused) as refused:
        announce(world, "quiet")
    assert refused.value.status == 503


def test_whoever_asks_for_the_same_retry_again_gets_it_from_a_full_queue() -> None:
    """It was admitted, and brings nothing new: neither rate nor depth has a say."""
    world = memory_world(queue_depth_max=1, rate_burst=2, rate_per_s=0.01)
    job = uploads.cancel(world.service, announce(world))
    made = uploads.retry(world.service, job)
    again = uploads.retry(world.service, job)
    assert (made.new, again.new, again.job.id) == (True, False, made.job.id)
    assert again.target is not None
    with pytest.raises(Refused):
        announce(world)


@pytest.mark.parametrize("defence", ["rate_limit", "queue_limit"])
def test_with_a_limit_off_everything_is_taken(defence: str) -> None:
    """Each by itself."""
    world = memory_world(rate_burst=1, queue_depth_max=1, defences_off="rate_limit,queue_limit")
    for _ in range(5):
        queue(world, "a")
    other = memory_world(rate_burst=1, queue_depth_max=1, defences_off=defence)
    queue(other, "a")
    with pytest.raises(Refused) as refused:
        queue(other, "a")
    assert refused.value.status == (503 if defence == "rate_limit" else 429)


def test_without_the_hint_nobody_is_told_when() -> None:
    """`retry_after` off: the refusal is all there is."""
    world = memory_world(rate_burst=1, defences_off="retry_after")
    announce(world)
    with pytest.raises(Refused) as refused:
        announce(world)
    assert refused.value.retry_after_s is None


def test_tenants_take_turns() -> None:
    """Whoever has least under way comes next, also from one look at the outbox to the next."""
    world = memory_world(queue_window=2)
    noisy = [queue(world, "noisy").id for _ in range(4)]
    quiet = queue(world, "quiet").id
    publish(world.service)
    assert sent(world) == [noisy[0], quiet]
    publish(world.service)
    assert len(sent(world)) == 2  # the window is full
    (message, _) = world.jobs_queue.receive(wait_s=0, most=2)
    world.jobs_queue.delete(message)
    late = queue(world, "quiet").id
    publish(world.service)
    assert sent(world)[-1] == noisy[1]  # both have one under way: the older event
    world.jobs_queue.delete(message)
    (message, *_) = world.jobs_queue.receive(wait_s=0, most=1)
    world.jobs_queue.delete(message)
    publish(world.service)
    assert sent(world)[-1] == late


def test_with_fairness_off_it_is_first_come_first_served() -> None:
    """And the quiet one waits for all that came before."""
    world = memory_world(queue_window=0, defences_off="tenant_fairness")
    jobs = [queue(world, tenant).id for tenant in ("noisy", "noisy", "noisy", "quiet")]
    publish(world.service)
    assert sent(world) == jobs
