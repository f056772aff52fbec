"""`unstuck doctor` on a service that is well, and on each way of being unwell."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.docs.blocks import appears, loose, of_kind, output
from tests.process.declared.conftest import Tiny
from unstuck.cli import main

pytestmark = pytest.mark.process


@pytest.fixture(autouse=True)
def _soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """Jobs here take a tenth of a second: nobody has to wait for one as long as for a real one."""
    monkeypatch.setattr("unstuck.doctor.examining.JOB_WITHIN_S", 5.0)


def test_a_good_service_is_ready(tiny: Tiny) -> None:
    """Every step is taken, none has to be mended, and the next command is a run."""
    code = main(["doctor", "--target", str(tiny.file)])
    out = tiny.capsys.readouterr().out
    assert code == 0
    assert "✗" not in out
    assert "READY  tiny" in out
    assert out.splitlines()[-1].endswith(f"unstuck run baseline --target {tiny.file}")


@pytest.mark.parametrize(
    ("mode", "step", "line", "advice"),
    [
        ("daemonises", "roles", "died with code 0", "run it in the foreground"),
        ("ignores", "stop", "did not end within 2 s of SIGTERM", "Let it handle SIGTERM"),
        ("lies", "job", "submissions were refused for", "settle_s"),
        ("no_id", "job", "holds no id of a job", "Mend `submit`"),
        ("drops", "job", "nobody took it up", "may not know the task"),
        ("fails", "job", "failed ", "Give a job that succeeds"),
        ("unmapped", "states", "'finished-oddly', which its `states` lack", "Add each word"),
        ("garbage", "effect", "a report that nobody understands", "A line is"),
        ("twice", "effect", "it was seen 2 times", "Report `end` once"),
        ("forgets", "absence", "no source knows it any more", "absent: succeeded"),
        ("knows_all", "absence", "of a job that does not exist", "Map that word to null"),
        ("hangs", "states", "sources[0] cannot be asked: GET", "Mend what it calls"),
    ],
)
def test_what_is_wrong_is_named(tiny: Tiny, mode: str, step: str, line: str, advice: str) -> None:
    """The step that it belongs to says what was seen, and what to do."""
    tiny.write(mode)
    code, steps = tiny.doctor()
    assert any(line in told for told in steps[step]["told"]), steps
    assert any(advice in one for one in steps[step]["advice"]), steps
    assert code == 2


def test_reports_to_the_file_alone_are_told(tiny: Tiny) -> None:
    """Effects are seen, and no fault can strike at them: a note, not a mistake."""
    tiny.write("file_only")
    code, steps = tiny.doctor()
    assert code == 0
    assert steps["effect"]["state"] == "note"
    assert "no fault can strike at job.begin" in steps["effect"]["told"][0]


def test_a_child_outside_the_group_is_told(tiny: Tiny) -> None:
    """Who kills the group alone does not reach it."""
    tiny.write("forks_away")
    _, steps = tiny.doctor()
    assert "1 of them not in its process group" in steps["roles"]["told"][0]


def test_a_todo_is_named_with_its_line(tiny: Tiny) -> None:
    """What `init` left open stands in the way, though the file runs."""
    tiny.write(more="# TODO: say which task\n")
    code, steps = tiny.doctor()
    assert code == 2
    assert steps["file"]["told"][1].endswith("TODO say which task")


def test_a_program_that_is_not_there_stops_it_early(tiny: Tiny) -> None:
    """Nothing is started then; the later steps say so."""
    tiny.write(change=lambda text: text.replace('"{python}"', "no-such-program"))
    code, steps = tiny.doctor()
    assert code == 2
    assert steps["programs"]["state"] == "bad"
    assert steps["roles"]["state"] == "skipped"


def test_timings_are_held_against_each_other(tiny: Tiny) -> None:
    """A lease that is over before the job is, and a recovery that takes longer than the budget."""
    tiny.write(more="timings: {job_s: 5, lease_s: 1, recovery_period_s: 100}\n")
    code, steps = tiny.doctor()
    assert code == 2
    told = " ".join(steps["timings"]["told"])
    assert "lease_s=1 is not longer than a job (5.00 s)" in told
    assert "longer than the recovery budget (60 s)" in told
    assert "job_s=5 is far from that" in told


def test_without_effects_it_says_what_is_not_seen(tiny: Tiny) -> None:
    """A run of such a target shows less, and who reads green should know."""
    tiny.write(more="effects: none\n")
    code, steps = tiny.doctor()
    assert code == 0
    assert any("doubled" in told for told in steps["limits"]["told"])


def test_the_page_shows_what_is_printed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Of a project with Celery that `init` has written a file for: two commands, and it is ready."""
    pytest.importorskip("celery", reason="Celery is not installed")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "shop.py").write_text(PROJECT, encoding="utf-8")
    assert main(["init"]) == 0
    assert "application shop:app" in capsys.readouterr().out
    assert main(["doctor"]) == 0
    printed = loose(capsys.readouterr().out)
    [block] = [
        one
        for one in of_kind("console")
        if one.page.name == "your-own-service.md" and "unstuck doctor" in one.content
    ]
    assert [line for line in output(block) if not appears(line, printed)] == [], printed


PROJECT = """\
from celery import Celery

app = Celery("shop", broker="redis://localhost")


@app.task
def pack():
    pass
"""


def test_an_address_that_others_reach_is_told(tiny: Tiny, monkeypatch: pytest.MonkeyPatch) -> None:
    """While it is tried, other machines could reach it. (No test opens such a port: the kernel is played.)"""
    monkeypatch.setattr("unstuck.doctor.processes.addresses_of", lambda port: ["0.0.0.0"] if port else [])
    tiny.write(ready="{port: true}")
    _, steps = tiny.doctor()
    assert steps["roles"]["state"] == "note"
    assert "it listens on 0.0.0.0, where other machines reach it" in steps["roles"]["told"][0]


def test_scenarios_that_do_not_fit_are_listed_with_their_reason(tiny: Tiny) -> None:
    """A target without a lease, or whose jobs take no values, can run some of the ready-made ones."""
    assert main(["scenarios", "list", "--target", str(tiny.file)]) == 0
    out = tiny.capsys.readouterr().out
    assert out.startswith("baseline")
    told = " ".join(out.split())
    assert (
        "not for this target: worker-killed: workload[0].submit.values: 'seconds' is not a value of" in told
    )
