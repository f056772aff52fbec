"""The store's rules, the same on SQLite and on PostgreSQL."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from sqlalchemy import text

from reference_service.clock import SystemClock
from reference_service.domain import Job, Outcome, Reason, State
from reference_service.ports import Unavailable
from reference_service.store import (
    AttemptEnd,
    SqlDatabase,
    Store,
    events,
    lifecycle,
    recovery,
    schema,
    work,
)
from reference_service.store.lifecycle import NewJob
from reference_service.store.work import Artefact, Checkpoint, Claimant

pytestmark = pytest.mark.process
ME = Claimant(instance="w-1", boot_id="boot-1", pid=1)
OTHER = Claimant(instance="w-2", boot_id="boot-2", pid=2)
FAILED = AttemptEnd(outcome=Outcome.FAILED, reason=Reason.CRASHED, peak_rss_bytes=5)


@pytest.fixture
def store(database: SqlDatabase) -> Store:
    return Store(database=database, actor="test")


def new(store: Store, job: str = "j-1", **given: Any) -> Job:
    values = {"id": job, "tenant": "t", "name": "v", "upload_key": f"uploads/{job}/source"}
    return lifecycle.create_job(store, NewJob(**{**values, "upload_deadline_s": 60.0, **given}))


def queued(store: Store, job: str = "j-1") -> Job:
    new(store, job)
    found = lifecycle.mark_uploaded(store, job, etag="e", size_bytes=5)
    assert found is not None
    return found


def claimed(store: Store, job: str = "j-1", *, lease_s: float = 60.0) -> Job:
    queued(store, job)
    found = work.claim(store, job, ME, lease_s=lease_s)
    assert found is not None
    return found


def get(store: Store, job: str = "j-1") -> Job:
    found = lifecycle.get_job(store, job)
    assert found is not None
    return found


def rows(store: Store, table: str) -> list[Any]:
    return store.run(lambda c: list(c.execute(text(f"SELECT * FROM {table}")).mappings()))


def set_back(store: Store, column: str, seconds: float) -> None:
    """As if that time had passed since."""
    statement = text(f"UPDATE jobs SET {column} = {column} - :seconds")
    store.run(lambda c: c.execute(statement, {"seconds": seconds}))


def test_a_job_is_created_with_the_databases_time(store: Store) -> None:
    """What the insert returns is what a read returns; the deadline counts from now."""
    job = new(store, expected_bytes=7, upload_id="u")
    assert job == get(store)
    assert job.upload_deadline == pytest.approx(job.created_at + 60, abs=1)
    assert (job.state, job.attempt, job.token) == (State.AWAITING_UPLOAD, 0, 0)


def test_only_a_queued_job_is_claimed(store: Store) -> None:
    """A claim takes a new token, an attempt on record, and a charge; a second claim gets nothing."""
    new(store)
    assert work.claim(store, "j-1", ME, lease_s=60) is None
    assert lifecycle.mark_uploaded(store, "j-1", etag="e", size_bytes=5) is not None
    job = work.claim(store, "j-1", ME, lease_s=60)
    assert job is not None
    assert (job.state, job.attempt, job.token, job.charged, job.worker) == (State.ACTIVE, 1, 1, 1, "w-1")
    assert work.claim(store, "j-1", OTHER, lease_s=60) is None
    assert [row["boot_id"] for row in rows(store, "attempts")] == ["boot-1"]
    assert work.find_claim(store, "j-1", ME) == job
    assert work.find_claim(store, "j-1", OTHER) is None


def test_every_move_is_on_record(store: Store) -> None:
    """From creation to its end, in order, with attempt and token; moves into `queued` have an event."""
    job = claimed(store)
    work.requeue(store, job, FAILED)
    again = work.claim(store, "j-1", OTHER, lease_s=60)
    assert again is not None
    work.succeed(store, again, result_prefix="outputs/j-1/2/", peak_rss_bytes=9)
    moves = [(r["from_state"], r["to_state"], r["attempt"], r["token"]) for r in rows(store, "transitions")]
    assert moves == [
        (None, "awaiting_upload", 0, 0),
        ("awaiting_upload", "queued", 0, 0),
        ("queued", "active", 1, 1),
        ("active", "queued", 1, 1),
        ("queued", "active", 2, 2),
        ("active", "succeeded", 2, 2),
    ]
    assert len(rows(store, "outbox")) == 2
    ends = [(r["outcome"], r["reason"], r["peak_rss_bytes"]) for r in rows(store, "attempts")]
    assert ends == [("failed", "crashed", 5), ("succeeded", None, 9)]
    assert get(store).result_prefix == "outputs/j-1/2/"


def test_a_stale_token_writes_nothing(store: Store) -> None:
    """Every write of an attempt whose job another one holds is refused."""
    stale = claimed(store)
    work.requeue(store, stale, FAILED)
    assert work.claim(store, "j-1", OTHER, lease_s=60) is not None
    before = get(store)
    checkpoint = Checkpoint(stage="frames", artefacts={}, facts={}, token=1)
    assert not work.heartbeat(store, stale, lease_s=600, rss_bytes=1)
    assert not work.start_stage(store, stale, "frames")
    assert not work.save_checkpoint(store, stale, checkpoint)
    assert work.succeed(store, stale, result_prefix="x", peak_rss_bytes=None) is None
    assert work.fail(store, stale, FAILED) is None
    assert work.requeue(store, stale, FAILED) is None
    assert get(store) == before
    assert rows(store, "checkpoints") == []


def test_without_fencing_a_stale_token_overwrites(database: SqlDatabase) -> None:
    """`fencing` off: even a terminal state is left, and the record shows it."""
    store = Store(database=database, actor="test", fencing=False)
    stale = claimed(store)
    assert lifecycle.cancel_job(store, "j-1") is not None
    assert work.heartbeat(store, stale, lease_s=600, rss_bytes=1)
    assert work.succeed(store, stale, result_prefix="x", peak_rss_bytes=None) is not None
    last = rows(store, "transitions")[-1]
    assert (last["from_state"], last["to_state"]) == ("cancelled", "succeeded")


def test_a_heartbeat_puts_the_lease_off(store: Store) -> None:
    """From the database's now; the job does not count as moved."""
    job = claimed(store, lease_s=10)
    assert work.heartbeat(store, job, lease_s=100, rss_bytes=77)
    now = get(store)
    assert now.lease_expires_at is not None
    assert job.lease_expires_at is not None
    assert now.lease_expires_at == pytest.approx(job.lease_expires_at + 90, abs=5)
    assert (now.rss_bytes, now.updated_at) == (77, job.updated_at)


def test_checkpoints_come_back_and_go_with_the_job(store: Store) -> None:
    """A stage's second checkpoint replaces its first; a terminal move drops all, and notes the files."""
    job = claimed(store)
    for digest in ("old", "new"):
        files = {"a.json": Artefact(key="k", sha256=digest, size_bytes=3)}
        one = Checkpoint(stage="frames", artefacts=files, facts={"n": 1}, token=job.token, made_of="m")
        assert work.save_checkpoint(store, job, one)
    assert work.read_checkpoints(store, "j-1") == {"frames": one}
    assert lifecycle.done_stages(store, "j-1") == {"frames"}
    work.fail(store, job, FAILED)
    assert work.read_checkpoints(store, "j-1") == {}
    assert [(one.kind, one.key) for one in events.discards_of(store, "j-1")] == [("prefix", "artefacts/j-1/")]


def test_a_hand_back_is_not_charged(store: Store) -> None:
    """The attempt counts, its charge does not."""
    job = claimed(store)
    back = work.requeue(store, job, AttemptEnd(outcome=Outcome.HANDED_BACK))
    assert back is not None
    assert (back.state, back.attempt, back.charged, back.worker) == (State.QUEUED, 1, 0, None)


def test_what_an_attempt_waited_for_is_counted(store: Store) -> None:
    """Of this job, and of that; a failed attempt's reason is none."""
    job = claimed(store)
    for what in ("no_room", "opened:vision", "no_room"):
        assert work.requeue(store, job, AttemptEnd(outcome=Outcome.HANDED_BACK, waited_for=what)) is not None
        again = work.claim(store, job.id, ME, lease_s=60)
        assert again is not None
        job = again
    work.fail(store, job, FAILED)
    found = [work.times_waited(store, job, what) for what in ("no_room", "opened:vision", "crashed")]
    assert found == [2, 1, 0]


def test_a_lease_is_expired_by_the_databases_clock(store: Store) -> None:
    """A lease that still runs is not in the list; one that was renewed since the list was read stays."""
    claimed(store)
    assert recovery.expired_leases(store) == []
    set_back(store, "lease_expires_at", 100)
    (expired,) = recovery.expired_leases(store)
    assert work.heartbeat(store, expired, lease_s=60, rss_bytes=None)
    assert recovery.give_back(store, expired, attempts_max=3, losses_spared=0, only_expired=True) is None
    set_back(store, "lease_expires_at", 100)
    moved = recovery.give_back(store, expired, attempts_max=3, losses_spared=0, only_expired=True)
    assert moved is not None
    assert moved.state is State.QUEUED
    assert recovery.give_back(store, expired, attempts_max=3, losses_spared=0, only_expired=True) is None


@pytest.mark.parametrize(("attempts_max", "state"), [(1, "failed"), (2, "queued"), (None, "queued")])
def test_a_lost_attempt_is_the_last_when_they_are_used_up(
    attempts_max: int | None, state: str, store: Store
) -> None:
    """Failed as crashed, else queued; the attempt is lost either way."""
    job = claimed(store)
    moved = recovery.give_back(store, job, attempts_max=attempts_max, losses_spared=0, only_expired=False)
    assert moved is not None
    assert (moved.state, moved.reason) == (state, Reason.CRASHED if state == "failed" else None)
    assert rows(store, "attempts")[0]["outcome"] == "lost"


def test_the_first_lost_attempts_are_not_charged(store: Store) -> None:
    """So many of them; one that was handed back is none of those."""
    claimed(store)
    charged = []
    for attempt in range(1, 6):
        job = get(store)
        if attempt == 2:
            back = work.requeue(store, job, AttemptEnd(outcome=Outcome.HANDED_BACK), after_s=0)
        else:
            back = recovery.give_back(store, job, attempts_max=2, losses_spared=2, only_expired=False)
        assert back is not None
        charged.append((back.state, back.charged))
        if back.state is State.QUEUED:
            assert work.claim(store, job.id, ME, lease_s=60) is not None
    assert charged == [("queued", 0), ("queued", 0), ("queued", 0), ("queued", 1), ("failed", 2)]
    assert [row["outcome"] for row in rows(store, "attempts")] == ["lost", "handed_back", *3 * ["lost"]]


def test_dead_attempts_are_those_of_dead_instances(store: Store) -> None:
    """Another boot of my name; one that said good-bye; never one that lives, nor my own."""
    events.register_instance(store, instance="w-1", role="worker", boot_id="boot-1", pid=1)
    claimed(store)

    def dead(instance: str, boot_id: str, dead_after_s: float = 60.0) -> list[str]:
        found = recovery.dead_attempts(store, instance=instance, boot_id=boot_id, dead_after_s=dead_after_s)
        return [job.id for job in found]

    assert dead("w-1", "boot-1") == []
    assert dead("w-9", "boot-9") == []
    assert dead("w-1", "boot-9") == ["j-1"]
    assert dead("w-9", "boot-9", dead_after_s=-1.0) == ["j-1"]
    events.stop_instance(store, instance="w-1", boot_id="boot-1")
    assert dead("w-9", "boot-9") == ["j-1"]


def test_an_attempt_of_an_unknown_instance_is_judged_by_its_age(store: Store) -> None:
    """No row in the register: alive while young."""
    claimed(store)
    assert recovery.dead_attempts(store, instance="x", boot_id="x", dead_after_s=60) == []
    assert len(recovery.dead_attempts(store, instance="x", boot_id="x", dead_after_s=-1)) == 1


def test_late_uploads_expire_unless_put_off(store: Store) -> None:
    """Past the deadline only; a deadline that was put off since the list was read holds."""
    new(store)
    assert recovery.late_uploads(store) == []
    set_back(store, "upload_deadline", 100)
    (late,) = recovery.late_uploads(store)
    assert late.now == pytest.approx(late.job.upload_deadline + 40, abs=5)
    assert recovery.put_off_upload(store, "j-1", more_s=50)
    assert recovery.expire_upload(store, "j-1") is None
    set_back(store, "upload_deadline", 100)
    expired = recovery.expire_upload(store, "j-1")
    assert expired is not None
    assert expired.state is State.EXPIRED
    assert [one.kind for one in events.discards_of(store, "j-1")] == ["object"]


def test_the_unannounced_are_announced_again(store: Store) -> None:
    """Not while an event waits in the outbox, not before the period is over, and once a period."""
    queued(store)
    set_back(store, "updated_at", 100)
    assert recovery.unannounced(store, after_s=50) == []
    (event,) = events.unpublished(store, limit=10)
    events.mark_published(store, event)
    assert recovery.unannounced(store, after_s=50) == []
    set_back(store, "published_at", 100)
    assert recovery.unannounced(store, after_s=50) == ["j-1"]
    assert recovery.announce_again(store, "j-1", after_s=50)
    assert not recovery.announce_again(store, "j-1", after_s=50)
    assert len(events.unpublished(store, limit=10)) == 1


def test_an_error_rolls_everything_back(store: Store) -> None:
    """Nothing of a transaction that raised is there."""
    queued(store)

    def work_and_fail(connection: Any) -> None:
        connection.execute(text("DELETE FROM jobs"))
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        store.run(work_and_fail)
    assert get(store).state is State.QUEUED


def test_lists_are_the_tenants_own_and_in_pages(store: Store) -> None:
    """Newest first; the page after a job begins after it."""
    for number in range(4):
        new(store, f"j-{number}", tenant="t" if number else "other")
    first = lifecycle.list_jobs(store, "t", limit=2)
    last = first[-1]
    rest = lifecycle.list_jobs(store, "t", limit=2, before=(last.created_at, last.id))
    assert [job.id for job in [*first, *rest]] == ["j-3", "j-2", "j-1"]
    assert lifecycle.list_jobs(store, "t", limit=9, state=State.QUEUED) == []


def test_orphans_are_held_by_nobody(store: Store) -> None:
    """An expired lease and a queued job of some age; not a job whose lease runs."""
    claimed(store, "j-1")
    queued(store, "j-2")
    set_back(store, "updated_at", 100)
    assert [job.id for job in lifecycle.orphaned_jobs(store, "t", age_s=50)] == ["j-2"]
    set_back(store, "lease_expires_at", 100)
    assert {job.id for job in lifecycle.orphaned_jobs(store, "t", age_s=50)} == {"j-1", "j-2"}
    assert lifecycle.orphaned_jobs(store, "t", age_s=500) == []


def test_of_many_at_once_one_wins(database: SqlDatabase, at_once: int) -> None:
    """Concurrent completions queue once, concurrent claims give one holder."""
    store = Store(database=database, actor="test")
    new(store)

    def complete(_: int) -> Job | None:
        return lifecycle.mark_uploaded(store, "j-1", etag="e", size_bytes=5)

    def claim(number: int) -> Job | None:
        me = Claimant(instance=f"w-{number}", boot_id=f"b-{number}", pid=number)
        return work.claim(store, "j-1", me, lease_s=60)

    with ThreadPoolExecutor(at_once) as pool:
        completed = list(pool.map(complete, range(8)))
        held = list(pool.map(claim, range(8)))
    assert sum(job is not None for job in completed) == 1
    assert sum(job is not None for job in held) == 1
    assert len(rows(store, "outbox")) == 1


def test_a_connection_that_the_server_dropped_is_replaced(servers: Any) -> None:
    """A restart of the database costs no transaction that had not begun."""
    url = servers.postgres().create_database("dropped")
    database = SqlDatabase(url, SystemClock())
    database.run(schema.lay)
    other = SqlDatabase(url, SystemClock())
    kill = text("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid()"
                " AND datname = current_database()")  # fmt: skip
    assert other.run(lambda c: c.execute(kill).scalar())
    assert rows(Store(database=database, actor="test"), "jobs") == []
    database.close()
    other.close()


@pytest.mark.parametrize("url", ["postgresql+psycopg://u@127.0.0.1:9/x", "sqlite:////nowhere/at/all.db"])
def test_a_database_that_is_not_there_is_unavailable(url: str) -> None:
    """A condition to wait for, not a bug; one line."""
    with pytest.raises(Unavailable) as error:
        SqlDatabase(url, SystemClock()).run(schema.require)
    assert "\n" not in str(error.value)
