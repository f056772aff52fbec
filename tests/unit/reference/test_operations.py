"""What `diagnose` says, and what `reset-stuck` moves and leaves."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from reference_service import operations, recovery_commands, uploads
from reference_service.domain import State
from reference_service.fakes import FakeRuntime, MemoryWorld, memory_world
from reference_service.ports import Unavailable
from reference_service.service import Service, announce_id
from reference_service.store import diagnosis, recovery
from reference_service.store.tables import jobs
from tests.unit.reference.drive import (
    claimed,
    initiate,
    make,
    moves,
    queued,
    rows,
    state_of,
    work_until_idle,
)

SETTINGS: Mapping[str, Any] = {
    "instance_dead_after_s": 20,
    "lease_s": 500,
    "reconcile_after_s": 40,
    "upload_deadline_s": 60,
}


def call(
    world: MemoryWorld, capsys: pytest.CaptureFixture[str], *words: str
) -> tuple[int, str, Sequence[str]]:
    """(exit code, what was printed, lines on stderr) of a command."""
    read = {"diagnose": operations.diagnose, "reset-stuck": operations.reset_stuck}[words[0]]
    code = read(words[1:])(world.service)
    said = capsys.readouterr()
    return code, said.out, said.err.splitlines()


def reset(world: MemoryWorld, capsys: pytest.CaptureFixture[str], *flags: str) -> list[tuple[str, str]]:
    """(state as it was found, what was done) of each job, as `reset-stuck --json` tells it."""
    code, out, _ = call(world, capsys, "reset-stuck", "--json", *flags)
    assert code == 0
    return [(one["state"], one["did"]) for one in json.loads(out)["jobs"]]


def test_nothing_is_stuck_while_its_holder_lives(folder: str, capsys: pytest.CaptureFixture[str]) -> None:
    """A live worker's job is neither told as stuck nor moved."""
    world = memory_world(work_folder=folder, **SETTINGS)
    _, job = claimed(world, FakeRuntime(world.clock, "boot-1"))
    assert json.loads(call(world, capsys, "diagnose", "--json")[1])["stuck"] == []
    assert reset(world, capsys) == []
    assert call(world, capsys, "reset-stuck")[1] == "nothing is stuck\n"
    assert state_of(world, job) is State.ACTIVE


def test_what_a_dead_instance_held_is_given_back_once(
    folder: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Its job is told as stuck with the reason, moved by the first call, and not by the second."""
    world = memory_world(work_folder=folder, **SETTINGS)
    _, job = claimed(world, FakeRuntime(world.clock, "boot-1"))
    world.clock.advance(30)
    (one,) = json.loads(call(world, capsys, "diagnose", "--json")[1])["stuck"]
    assert (one["id"], one["state"], one["why"]) == (
        job.id,
        "active",
        "local is gone, last heard of 30 s ago",
    )
    assert reset(world, capsys, "--dry-run") == [("active", "found")]
    assert state_of(world, job) is State.ACTIVE
    assert reset(world, capsys) == [("active", "requeued")]
    assert reset(world, capsys) == []
    assert moves(world, job).count(("active", "queued")) == 1
    one_more, _ = make(world, "boot-2")
    work_until_idle(world, one_more)
    assert state_of(world, job) is State.SUCCEEDED


def test_a_lease_that_is_over_is_enough(folder: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Also where the attempts log has lost the row of the attempt."""
    world = memory_world(work_folder=folder, **{**SETTINGS, "lease_s": 16})
    _, job = claimed(world, FakeRuntime(world.clock, "boot-1"))
    world.database.run(lambda c: c.execute(text("DELETE FROM attempts")))
    world.clock.advance(10)
    assert reset(world, capsys) == []
    world.clock.advance(10)
    assert reset(world, capsys) == [("active", "requeued")]
    assert state_of(world, job) is State.QUEUED


def test_more_than_one_batch_is_given_back(folder: str, capsys: pytest.CaptureFixture[str]) -> None:
    """191 jobs, as many as the incident had."""
    world = memory_world(work_folder=folder, **SETTINGS)
    _, job = claimed(world, FakeRuntime(world.clock, "boot-1"))
    columns = ", ".join(name for name in rows(world, "jobs")[0] if name != "id")
    copy = f"INSERT INTO jobs (id, {columns}) SELECT :id, {columns} FROM jobs WHERE id = :of"
    copies = [{"id": f"copy-{number}", "of": job.id} for number in range(190)]
    world.database.run(lambda c: c.execute(text(copy), copies))
    world.clock.advance(600)
    assert reset(world, capsys) == [("active", "requeued")] * 191
    assert reset(world, capsys) == []


def test_a_queued_job_without_an_event_is_announced_once(capsys: pytest.CaptureFixture[str]) -> None:
    """Its event was lost: a new one is in the outbox, and the next call finds nothing to do."""
    world = memory_world(**SETTINGS)
    queued(world)
    assert reset(world, capsys) == []
    world.clock.advance(50)
    before = len(rows(world, "outbox"))
    assert reset(world, capsys) == [("queued", "announced")]
    assert len(rows(world, "outbox")) == before + 1
    assert reset(world, capsys) == []


def test_a_late_upload_is_left_to_the_sweeper(capsys: pytest.CaptureFixture[str]) -> None:
    """Whether its object is there only the object store knows."""
    world = memory_world(**SETTINGS)
    job, _ = initiate(world)
    world.clock.advance(70)
    assert reset(world, capsys) == [("awaiting_upload", "left")]
    assert state_of(world, job) is State.AWAITING_UPLOAD


def test_diagnose_tells_everything_at_once(folder: str, capsys: pytest.CaptureFixture[str]) -> None:
    """States, stuck jobs, errors by reason, queue, outbox, attempts, who lives: in JSON and in words."""
    world = memory_world(work_folder=folder, attempts_max=1, **SETTINGS)
    one, _ = claimed(world, runtime := FakeRuntime(world.clock, "boot-1"))
    runtime.children[0].kill()
    work_until_idle(world, one, steps=2)
    queued(world)
    found = json.loads(call(world, capsys, "diagnose", "--json")[1])
    assert {row["state"]: row["jobs"] for row in found["states"] if row["jobs"]} == {"queued": 1, "failed": 1}
    assert [(row["reason"], row["jobs"], row["last_hour"]) for row in found["errors"]] == [("crashed", 1, 1)]
    assert (found["queue"], found["outbox"]["waiting"]) == ({"depth": 1, "problem": None}, 0)
    assert found["attempts"] == {"max": 1, "open_jobs": [{"used": 0, "jobs": 1}]}
    assert [(row["role"], row["instance"], row["jobs"]) for row in found["instances"]] == [
        ("worker", "local", 0)
    ]
    code, page, problems = call(world, capsys, "diagnose")
    assert (code, problems) == (0, [])
    for word in (
        "states",
        "stuck: 0",
        "crashed",
        "queue: 1 events",
        "outbox: 0 events wait",
        "of 1",
        "local",
    ):
        assert word in page


def test_a_queue_that_is_away_costs_its_own_line_only(capsys: pytest.CaptureFixture[str]) -> None:
    """All the rest is told, the exit code is 1, and stderr says what is missing, in one line."""
    world = memory_world(**SETTINGS)
    world.jobs_queue.away = True
    code, page, problems = call(world, capsys, "diagnose")
    assert (code, problems) == (1, ["diagnose: queue: queue: away"])
    assert "queue: away" in page
    assert "live instances: 0" in page


@pytest.mark.parametrize(
    ("words", "code", "line"),
    [
        (["diagnose", "--jsn"], 2, "unrecognized arguments: --jsn"),
        (["reset-stuck"], 1, "reset-stuck: database: revision=none"),
    ],
)
def test_what_goes_wrong_is_one_line(tmp_path: Path, words: Sequence[str], code: int, line: str) -> None:
    """A bad flag is bad usage, a database without tables is a dependency that is away: never a traceback."""
    (tmp_path / "empty.db").touch()
    environment = {
        **os.environ,
        "REFERENCE_DATABASE_URL": f"sqlite:///{tmp_path / 'empty.db'}",
        "REFERENCE_SINK_URL": "http://127.0.0.1:9",
    }
    done = subprocess.run(
        [sys.executable, "-m", "reference_service", *words],
        capture_output=True,
        text=True,
        env=environment,
        timeout=60,
        check=False,
    )
    assert done.returncode == code
    assert line in done.stderr.splitlines()[-1]
    assert "Traceback" not in done.stderr


def test_a_dry_run_tells_of_as_many_as_there_are(capsys: pytest.CaptureFixture[str]) -> None:
    """Of more than a hundred, too, although it moves none of them; and then each of them is moved."""
    world = memory_world(**SETTINGS)
    job = queued(world)
    columns = ", ".join(column.name for column in jobs.c if column.name != "id")
    copy = text(f"INSERT INTO jobs (id, {columns}) SELECT :id, {columns} FROM jobs WHERE id = :job")
    ids = [{"id": f"j-{number}", "job": job.id} for number in range(2 * diagnosis.BATCH)]
    world.database.run(lambda connection: connection.execute(copy, ids))
    world.clock.advance(41)
    assert len(reset(world, capsys, "--dry-run")) == 2 * diagnosis.BATCH + 1
    assert len(reset(world, capsys)) == 2 * diagnosis.BATCH + 1


def test_a_name_cannot_act_on_the_terminal_of_an_operator(capsys: pytest.CaptureFixture[str]) -> None:
    """Clients choose it: no escape sequence, no line of its own."""
    world = memory_world(**SETTINGS)
    uploads.initiate(world.service, tenant="t", name="a\x1b[2J\nqueue: 0 events", size_bytes=1)
    world.clock.advance(3700)
    _, out, _ = call(world, capsys, "diagnose")
    assert recovery_commands.find_stuck(())(world.service) == 0
    out += capsys.readouterr().out
    assert "\x1b" not in out
    assert out.count("a\N{REPLACEMENT CHARACTER}[2J\N{REPLACEMENT CHARACTER}queue: 0 events") == 2


def test_what_was_done_before_the_database_went_away_is_told(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Then the command fails as any other."""
    world = memory_world(**SETTINGS)
    for _ in range(2):
        queued(world)
    world.clock.advance(41)
    told: list[str] = []

    def once(service: Service, job: str) -> None:
        announce_id(service, job)
        told.append(job)
        monkeypatch.setattr(recovery, "announce_again", away)

    def away(*_: object, **__: object) -> bool:
        raise Unavailable("database: away")

    monkeypatch.setattr(operations, "announce_id", once)
    with pytest.raises(Unavailable):
        call(world, capsys, "reset-stuck")
    assert capsys.readouterr().out.splitlines() == [
        f"{told[0]}  queued  announced: its event was lost, or never sent",
        "1 announced",
    ]
