"""`find-stuck`, `retry-stuck` and `recovery`, and the same by HTTP: what they print, answer and return."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pytest

from reference_service import recovery_commands, recovery_sweep
from reference_service.__main__ import COMMANDS, ROLES, main
from reference_service.domain import Job
from reference_service.fakes import MemoryWorld, memory_world
from reference_service.store import recovery_runs
from tests.unit.reference.drive import get, initiate, queued
from tests.unit.reference.test_api import Client

OPERATOR = {"authorization": "Bearer secret"}


def stuck_world() -> tuple[MemoryWorld, Job]:
    """One job whose event was lost eleven minutes ago."""
    world = memory_world(internal_token="secret")
    job = queued(world)
    [message] = world.jobs_queue.receive(wait_s=0, most=1)
    world.jobs_queue.delete(message)
    world.clock.advance(660)
    return world, job


def called(world: MemoryWorld, capsys: pytest.CaptureFixture[str], name: str, *words: str) -> tuple[int, str]:
    """The exit code and the output of a command."""
    function = getattr(recovery_commands, COMMANDS[name].partition(":")[2])
    code = function(words)(world.service)
    return code, capsys.readouterr().out


def as_json(
    world: MemoryWorld, capsys: pytest.CaptureFixture[str], name: str, *words: str
) -> Mapping[str, Any]:
    answer: Mapping[str, Any] = json.loads(called(world, capsys, name, *words, "--json")[1])
    return answer


def test_find_stuck_lists_and_changes_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    """Id, name, state, age and tenant, for people and for programs."""
    world, job = stuck_world()
    code, text = called(world, capsys, "find-stuck")
    assert (code, text.splitlines()[1].split()) == (
        0,
        [job.id, "v.mp4", "queued", "11", "min", "00", "s", "t"],
    )
    assert as_json(world, capsys, "find-stuck") == {
        "jobs": [{"id": job.id, "name": "v.mp4", "state": "queued", "age_s": 660.0, "tenant": "t"}]
    }
    assert called(world, capsys, "find-stuck", "--age-minutes", "12")[1] == "nothing is stuck\n"
    assert get(world, job).triggered_by is None


def test_retry_stuck_says_what_it_found_triggered_skipped_and_why(capsys: pytest.CaptureFixture[str]) -> None:
    """And the run is on record, by its number."""
    world, job = stuck_world()
    initiate(world)
    world.clock.advance(660)
    summary = as_json(world, capsys, "retry-stuck")
    assert (summary["found"], summary["triggered"], summary["failed"]) == (2, 1, 0)
    assert summary["skipped"] == {"no upload": 1}
    code, text = called(world, capsys, "recovery", "show", str(summary["run"]))
    assert (code, f"{job.id}  queued" in text) == (0, True)
    world.clock.advance(660)
    assert called(world, capsys, "retry-stuck")[1].splitlines()[-1] == (
        "run 2 done: found 1 · triggered 0 · skipped 1 (1 no upload) · failed 0"
    )


def test_retry_stuck_of_one_job(capsys: pytest.CaptureFixture[str]) -> None:
    """That one, if it is stuck; and a dry run of it is no run."""
    world, job = stuck_world()
    other = as_json(world, capsys, "retry-stuck", "--job", "j-1")
    assert (other["found"], other["triggered"]) == (0, 0)
    dry = as_json(world, capsys, "retry-stuck", "--dry-run", "--job", job.id)
    assert (dry["run"], dry["found"], get(world, job).triggered_by) == (None, 1, None)
    assert as_json(world, capsys, "retry-stuck", "--job", job.id)["triggered"] == 1


def test_retry_stuck_that_failed_for_a_job_is_exit_code_1(capsys: pytest.CaptureFixture[str]) -> None:
    """The rest was done all the same."""
    world, _ = stuck_world()
    _, target = initiate(world, size_bytes=999)
    assert target.url is not None
    world.objects.client_put(target.url, b"short")
    world.clock.advance(660)
    code, text = called(world, capsys, "retry-stuck")
    assert (code, text.splitlines()[-1]) == (1, "run 1 done: found 2 · triggered 1 · skipped 0 · failed 1")


def test_pause_and_resume(capsys: pytest.CaptureFixture[str]) -> None:
    """While it is paused nobody runs, and `runs` says so."""
    world, _ = stuck_world()
    assert called(world, capsys, "recovery", "pause")[0] == 0
    assert called(world, capsys, "recovery", "trigger") == (1, "")
    assert called(world, capsys, "retry-stuck") == (1, "")
    assert called(world, capsys, "recovery", "runs")[1].startswith(
        "paused since 2023-11-14 22:24:20Z by local"
    )
    assert called(world, capsys, "recovery", "resume") == (0, "resumed\n")
    assert called(world, capsys, "recovery", "resume") == (0, "it was not paused\n")
    assert called(world, capsys, "recovery", "trigger")[0] == 0
    assert as_json(world, capsys, "recovery", "runs")["runs"][0]["trigger"] == "cli"


def test_a_run_that_is_not_there(capsys: pytest.CaptureFixture[str]) -> None:
    """One line, and exit code 1."""
    world, _ = stuck_world()
    assert recovery_commands.recovery(["show", "7"])(world.service) == 1
    assert capsys.readouterr().err == "recovery: run=7: no such run; `recovery runs` lists them\n"


@pytest.mark.parametrize(
    "words",
    [
        ["find-stuck", "--age-minutes", "-1"],
        ["retry-stuck", "more"],
        ["recovery"],
        ["recovery", "runs", "--limit", "0"],
    ],
)
def test_bad_words_are_exit_code_2(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """Before any setting is read."""
    with pytest.raises(SystemExit) as error:
        main(words)
    assert error.value.code == 2
    assert "usage: python -m reference_service" in capsys.readouterr().err


def test_commands_and_roles_share_no_name() -> None:
    """The first word says which is meant."""
    assert not set(COMMANDS) & set(ROLES)


def test_the_routes_need_the_internal_token() -> None:
    """A client's own is not enough."""
    world, _ = stuck_world()
    client = Client(world)
    for method, path in (("POST", "/internal/recovery"), ("GET", "/internal/recovery/runs")):
        assert client(method, path)[0] == 401
    assert Client(memory_world())("POST", "/internal/recovery/pause", headers=OPERATOR)[0] == 403


def test_a_sweep_by_http() -> None:
    """The summary is the answer; a dry one, one of one job, and the records."""
    world, job = stuck_world()
    client = Client(world)
    status, dry = client("POST", "/internal/recovery", {"dry_run": True}, OPERATOR)
    assert (status, dry["run"], dry["found"]) == (200, None, 1)
    assert client("POST", "/internal/recovery", {"job": "no/id"}, OPERATOR)[0] == 404
    status, summary = client("POST", "/internal/recovery", None, OPERATOR)
    assert (status, summary["triggered"], summary["items"][0]["job"]) == (200, 1, job.id)
    status, answer = client("GET", f"/internal/recovery/runs/{summary['run']}", None, OPERATOR)
    assert (status, answer["run"]["trigger"]) == (200, "http")
    assert client("GET", "/internal/recovery/runs/99", None, OPERATOR)[0] == 404
    assert len(client("GET", "/internal/recovery/runs?limit=5", None, OPERATOR)[1]["runs"]) == 1


def test_pause_by_http() -> None:
    """Then a sweep is refused with 409 and the reason."""
    world, _ = stuck_world()
    client = Client(world)
    assert client("POST", "/internal/recovery/pause", None, OPERATOR)[0] == 200
    status, error = client("POST", "/internal/recovery", None, OPERATOR)
    assert (status, "paused since" in error["error"]) == (409, True)
    shown = client("GET", "/internal/recovery", None, OPERATOR)[1]
    assert (shown["paused_by"], shown["holder"], shown["schedule"]) == ("local", None, "*/15 * * * *")
    assert client("POST", "/internal/recovery/resume", None, OPERATOR) == (200, {"resumed": True})
    assert client("POST", "/internal/recovery", None, OPERATOR)[0] == 200


def test_a_job_that_was_recovered_is_shown_with_its_tag() -> None:
    """To its client, too."""
    world, job = stuck_world()
    recovery_sweep.run_once(world.service, trigger="cli")
    client = Client(world)
    world.service.settings.tokens["other"] = "t"
    _, shown = client("GET", f"/jobs/{job.id}", None, {"authorization": "Bearer other"})
    assert shown["job"]["tags"] == ["recovery"]
    assert recovery_runs.control(world.service.store).holder is None
