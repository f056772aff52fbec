"""Services that do what they should not: each gives a clear line and its exit code, and leaves nothing."""

from __future__ import annotations

import os
import signal
import threading
from pathlib import Path

import pytest

from tests.process.declared.conftest import Tiny
from unstuck.clock import sleep
from unstuck.worlds.process import logs

pytestmark = pytest.mark.process

BROKER = 'dependencies: {{broker: {{kind: command, command: ["python3", "-c", {program!r}, "{{port}}"]}}}}'


def test_a_good_service_passes(tiny: Tiny) -> None:
    """What the others are held against."""
    code, out, _ = tiny.run()
    assert (code, "2 succeeded (2 ok)" in out) == (0, True), out


def test_what_all_roles_get_may_name_their_process_and_their_port(tiny: Tiny) -> None:
    """Programs that we call ourselves get it as well: it says who they are."""
    tiny.write(
        change=lambda text: text.replace("environment: {", 'environment: {WHO: "{role} {process} {port}", '),
        more='rescue: {command: ["true"]}',
    )
    code, out, _ = tiny.run()
    assert (code, "2 succeeded (2 ok)" in out) == (0, True), out


def test_a_role_that_goes_into_the_background_is_told(tiny: Tiny) -> None:
    """The process that was started has ended without an error; what it left is taken away."""
    tiny.write("daemonises")
    code, out, _ = tiny.run()
    assert code == 2
    assert "died with code 0" in out
    assert "run it in the foreground" in out


@pytest.mark.parametrize("mode", ["forks_away", "ignores"])
def test_who_forks_away_or_ignores_signals_is_taken_away(tiny: Tiny, mode: str) -> None:
    """A child in a session of its own, and a process that ignores SIGTERM, do not outlive the run."""
    tiny.write(mode)
    code, out, _ = tiny.run()
    assert code == 0, out
    assert tiny.left_behind() == []


def test_a_command_that_is_not_there(tiny: Tiny) -> None:
    """The role and the command are named, and what to do."""
    tiny.write(change=lambda text: text.replace('"{python}"', "no-such-program"))
    code, out, _ = tiny.run()
    assert code == 2
    assert "process 'api-1' (role 'api'): command='no-such-program': was not found; install it" in out


def test_a_readiness_that_lies(tiny: Tiny) -> None:
    """All clients are refused: nothing is proved, and the refusal is shown."""
    tiny.write("lies")
    code, out, _ = tiny.run()
    assert code == 3
    assert "no submission was answered with a job: POST" in out
    assert "Connection reset by peer" in out, out  # through its link it meets nobody


def test_a_state_that_the_map_lacks(tiny: Tiny) -> None:
    """It is shown in the system's own word, and nothing is judged by it: neither passed nor failed."""
    tiny.write("unmapped")
    code, out, _ = tiny.run()
    assert code == 3
    assert "is 'finished-oddly' in the system's words, which the target file's `states` lack" in out
    assert "2 unclear" in out


def test_a_word_without_meaning_is_not_absence(tiny: Tiny) -> None:
    """Where absence means success, a job with an unknown word is not thereby done."""
    tiny.write("unmapped", absent="succeeded")
    code, out, _ = tiny.run()
    assert (code, "2 succeeded" in out) == (3, False)


@pytest.mark.parametrize(
    ("mode", "line"),
    [
        ("no_id", "a submission was answered without the id of a job: {}"),
        ("same_id", "the id tiny-job-same was given to two submissions"),
    ],
)
def test_ids_that_say_nothing(tiny: Tiny, mode: str, line: str) -> None:
    """No id, or the same id twice: no job can be told from another, so nothing is proved."""
    tiny.write(mode)
    code, out, _ = tiny.run()
    assert code == 3, out
    assert line in out


def test_a_submission_that_times_out_may_exist(tiny: Tiny) -> None:
    """The client knows nothing; the jobs are found by their reports, and are held to the promises."""
    tiny.write("slow_submit", submit_s=0.5)
    code, out, _ = tiny.run()
    assert code == 3
    assert "2 jobs: 2 succeeded (2 ok)" in out
    replies = [event for event in tiny.history() if event["kind"] == "op" and event.get("phase") == "info"]
    assert len(replies) == 2


def test_tasks_that_are_silently_dropped_are_lost(tiny: Tiny) -> None:
    """A worker that does not know a task, and says nothing, has lost a job that a client was told of."""
    tiny.write("drops")
    code, out, _ = tiny.run()
    assert code == 1
    assert "was acknowledged, and is queued but held nowhere" in out


def test_tasks_that_nobody_takes_are_stuck(tiny: Tiny) -> None:
    """A job that stays in its queue is stuck, and not lost."""
    tiny.write("idle")
    code, out, _ = tiny.run()
    assert code == 1
    assert "2 stuck" in out
    assert "✓ no_job_lost" in out


def test_a_source_that_hangs(tiny: Tiny) -> None:
    """The last look gives up after its time: an error that says which call, and no job counts as broken."""
    tiny.write("hangs")
    code, out, _ = tiny.run()
    assert code == 2
    assert "observe: the last look at the jobs has failed for 10 s: GET http://127.0.0.1:" in out
    assert "0 of 2 jobs terminal; 2 unclear" in out


def test_a_ledger_with_garbage(tiny: Tiny) -> None:
    """An effect may hide in a line that nobody understands: shown, and inconclusive."""
    tiny.write("garbage")
    code, out, _ = tiny.run()
    assert code == 3
    assert "the ledger has a line that is no report" in out


def test_a_log_flood_of_100_mb(tiny: Tiny) -> None:
    """The run goes on, and what is kept of the log is its begin, its end, and how much is missing."""
    tiny.write("flood")
    text = tiny.scenario.read_text(encoding="utf-8")
    tiny.scenario.write_text(text.replace("budget_s: 2", "budget_s: 60"), encoding="utf-8")  # 210 MB to write
    code, out, _ = tiny.run()
    assert code == 0, out
    kept = tiny.folder / "reports" / "latest" / "logs" / "api-1.log"
    assert kept.stat().st_size < 2 * logs.LOG_BYTES_MAX
    log = kept.read_bytes()
    assert log.startswith(b"ready")
    assert b"bytes in the middle of this log are missing" in log


def test_a_dependency_that_dies_by_itself(tiny: Tiny) -> None:
    """It is brought back, as a service manager would; what was recorded is kept."""
    program = (
        "import socket, sys, threading, os; s = socket.create_server(('127.0.0.1', int(sys.argv[1]))); "
        "threading.Timer(2.0, lambda: os._exit(7)).start(); [s.accept() for _ in iter(int, 1)]"
    )
    tiny.write(more=BROKER.format(program=program))
    text = tiny.scenario.read_text(encoding="utf-8")
    tiny.scenario.write_text(text.replace("every_s: 0.05", "every_s: 4"), encoding="utf-8")  # it dies between
    code, out, _ = tiny.run()
    told = [
        event for event in tiny.history()
        if (event["kind"], event.get("process")) == ("process", "broker")
    ]  # fmt: skip
    exits = [event for event in told if event["phase"] == "exit"]
    assert exits, out
    assert exits[0]["data"]["code"] == 7
    assert [event["phase"] for event in told].count("start") > 1, told
    assert code in (0, 3), out


def test_a_role_that_dies_again_and_again_is_told(tiny: Tiny) -> None:
    """A crash loop before it is ready ends the run by a line with the end of its log."""
    tiny.write(
        change=lambda text: text.replace('"{python}"', 'sh, -c, "echo no module named x; exit 3", "{python}"')
    )
    code, out, _ = tiny.run()
    assert code == 2
    assert "died with code 3" in out
    assert "Its log ends: no module named x" in out


def test_an_address_elsewhere_is_refused_before_anything_starts(tiny: Tiny) -> None:
    """With its line; the file's yes alone is not enough, and neither is that of the command line."""
    tiny.write(more='allow_hosts: [prod.example]\nrescue: {http: "http://prod.example/{job}"}\n')
    for words in ([], ["--allow-host", "other.example"]):
        code, out, err = tiny.run(*words)
        assert (code, out) == (2, "")
        assert f"{tiny.file}:19: rescue.http: 'prod.example' is not this machine" in err
        assert err.endswith("allow it with --allow-host prod.example.")
    assert not (tiny.folder / "reports").exists()
    assert tiny.run("--allow-host", "prod.example", "--plan")[0] == 0


def test_a_plan_starts_nothing(tiny: Tiny) -> None:
    """Commands, links and what may be reached are shown; no folder is made."""
    code, out, _ = tiny.run("--plan")
    assert code == 0
    assert "tiny_service.py '<free port>'" in out
    assert "may reach off this machine: nothing" in out
    assert "Nothing was started." in out
    assert not (tiny.folder / "reports").exists()


def test_nothing_is_left_when_the_run_is_interrupted(tiny: Tiny) -> None:
    """Ctrl-C in the midst of it: 130, and what was recorded so far is there."""
    tiny.write("idle")
    interrupting = threading.Thread(target=_interrupt_when, args=(tiny.folder / "reports",))
    interrupting.start()
    code, _, _ = tiny.run()
    interrupting.join()
    assert code == 130
    assert any(event["kind"] == "op" for event in tiny.history())


def _interrupt_when(reports: Path) -> None:
    """Sends SIGINT to this process as soon as a job was submitted."""
    for _ in range(400):
        for history in reports.glob("*/history.jsonl"):
            if b'"submit"' in history.read_bytes():
                os.kill(os.getpid(), signal.SIGINT)
                return
        sleep(0.05)


def test_a_job_that_is_delivered_again_while_we_look_has_its_budget(tiny: Tiny) -> None:
    """Its lease is over just when everything seems to have ended: it is under way then, and not stuck."""
    tiny.write("delivers_again")
    code, out, _ = tiny.run()
    assert code == 0, out
    assert "2 of 2 jobs terminal" in out


def test_a_service_that_reports_nothing_is_not_one_without_effects(tiny: Tiny) -> None:
    """Its file says that it reports: what is wrong is the file, and nobody has lost an effect."""
    tiny.write(change=lambda text: text.replace("environment: {MODE:", "environment: {SILENT: '1', MODE:"))
    code, out, _ = tiny.run()
    assert (code, "2 succeeded (2 ok)" in out) == (0, True), out
