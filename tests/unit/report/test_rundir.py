"""rundir: the folder of a run, which is found again, and never half written."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.unit.report.made_up import scenario
from unstuck import rundir
from unstuck.errors import UsageError
from unstuck.scenario_writer import dump

AT = datetime(2026, 3, 1, 10, 15, tzinfo=UTC)
DOCUMENT = Path(__file__).parents[3] / "docs" / "run-folder.md"


def test_a_run_gets_a_folder_named_for_date_scenario_and_hash(tmp_path: Path) -> None:
    """The scenario's text is in it, and its logs have a place."""
    folder = rundir.create(tmp_path, scenario(), seed=1, at=AT)
    assert folder.path.name.startswith("20260301-101500-workers-replaced-")
    assert len(folder.path.name.rsplit("-", 1)[1]) == 6
    assert folder.scenario.read_text() == scenario().text
    assert folder.logs.is_dir()


def test_two_runs_never_share_a_folder(tmp_path: Path) -> None:
    """The same scenario, case, seed and second still make two folders."""
    folders = [rundir.create(tmp_path, scenario(), seed=1, at=AT).path for _ in range(3)]
    assert len(set(folders)) == 3


def test_the_hash_tells_seeds_apart(tmp_path: Path) -> None:
    """Another seed is another run."""
    first, second = (rundir.create(tmp_path, scenario(), seed=seed, at=AT).path.name for seed in (1, 2))
    assert first.rsplit("-", 1)[1] != second.rsplit("-", 1)[1]


@pytest.mark.parametrize("name", ["../../etc/passwd", "..", "a/b", "", "x" * 300, "sp ace\n"])
def test_no_name_leads_out_of_the_folder(tmp_path: Path, name: str) -> None:
    """Neither a scenario's name nor a process's."""
    folder = rundir.create(tmp_path, scenario(name=name), seed=1)
    assert folder.path.parent == tmp_path
    assert folder.log(name).parent == folder.logs


def test_latest_leads_to_the_newest_folder(tmp_path: Path) -> None:
    """And moves on when told so."""
    first = rundir.create(tmp_path, scenario(), seed=1, at=AT)
    second = rundir.create(tmp_path, scenario(), seed=2, at=AT)
    for folder in (first, second):
        rundir.point_latest(tmp_path, folder.path)
        assert (tmp_path / "latest").resolve() == folder.path.resolve()
        assert rundir.find_latest(tmp_path) == folder.path
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(
        [first.path.name, second.path.name, "latest"]
    )


def test_latest_is_a_file_where_links_are_impossible(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It holds the name, and is followed all the same."""

    def refuse(*_: object, **__: object) -> None:
        raise OSError(errno.EPERM, "no links here")

    monkeypatch.setattr(Path, "symlink_to", refuse)
    folder = rundir.create(tmp_path, scenario(), seed=1)
    rundir.point_latest(tmp_path, folder.path)
    assert (tmp_path / "latest").read_text() == f"{folder.path.name}\n"
    assert rundir.open_run(Path("latest"), reports=tmp_path).path == folder.path
    assert rundir.open_run(tmp_path / "latest", reports=Path("elsewhere")).path == folder.path


def test_a_run_is_found_by_whatever_names_it(tmp_path: Path) -> None:
    """Its folder, its name in reports, `latest`, a file in it, a log of it."""
    folder = rundir.create(tmp_path, scenario(), seed=1)
    folder.history.write_text("")
    folder.log("api-1").write_text("x")
    rundir.point_latest(tmp_path, folder.path)
    for name in (
        folder.path,
        Path(folder.path.name),
        Path("latest"),
        tmp_path / "latest",
        tmp_path / "latest" / "history.jsonl",
        folder.log("api-1"),
    ):
        assert rundir.open_run(name, reports=tmp_path).path == folder.path


def test_a_group_is_no_run_and_names_one(tmp_path: Path) -> None:
    """Who asks to replay a gate is told which runs are in it."""
    group = rundir.create_group(tmp_path, "gate", at=AT)
    rundir.write(group.data, "{}")
    run = rundir.create(group.path, scenario(), seed=1)
    with pytest.raises(UsageError, match=rf"holds 1 runs\. Choose one, such as .*{run.path.name}"):
        rundir.open_run(group.path, reports=tmp_path)


def test_what_is_no_run_is_refused(tmp_path: Path) -> None:
    """With the next step, in one line."""
    with pytest.raises(UsageError, match="no such run"):
        rundir.open_run(Path("nope"), reports=tmp_path)
    with pytest.raises(UsageError, match="is not the folder of a run"):
        rundir.open_run(tmp_path, reports=tmp_path)


def test_a_plan_is_read_back_as_it_was_written(tmp_path: Path) -> None:
    """Values keep their types: 0.5, true and text."""
    folder = rundir.create(tmp_path, scenario(), seed=1)
    plan = rundir.RecordedPlan(
        scenario="x", case={"a": 0.5, "b": True, "c": "t"}, seed=3, defences_off=("fencing",), date="d"
    )
    rundir.write_plan(folder, plan)
    assert rundir.read_plan(folder) == plan


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"format": 1}', '{"format": 1, "seed"', "[" * 100_000])
def test_a_broken_plan_is_one_line(tmp_path: Path, text: str) -> None:
    """Cut short, of another shape, or nested without end."""
    folder = rundir.create(tmp_path, scenario(), seed=1)
    folder.plan.write_text(text)
    with pytest.raises(UsageError, match=r"is not the plan of a run") as caught:
        rundir.read_plan(folder)
    assert "\n" not in str(caught.value)


def test_a_plan_of_another_format_names_its_version(tmp_path: Path) -> None:
    """So that its reader knows which Unstuck to take."""
    folder = rundir.create(tmp_path, scenario(), seed=1)
    folder.plan.write_text('{"format": 9, "version": "3.0"}')
    with pytest.raises(UsageError, match=r"format=9 .* the version that wrote it: 3\.0"):
        rundir.read_plan(folder)


def test_a_folder_that_cannot_be_made_is_a_usage_error(tmp_path: Path) -> None:
    """A file stands in the way; the message says what to do, and nothing is left."""
    (tmp_path / "file").write_text("")
    with pytest.raises(UsageError, match=r"cannot be written \(Not a directory\)\. Choose another"):
        rundir.prepare(tmp_path / "file" / "reports")


def test_a_folder_without_the_right_to_write_is_a_usage_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As the system says it, also for root, whom permissions do not stop."""

    def refuse(*_: object) -> None:
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))

    monkeypatch.setattr(Path, "write_bytes", refuse)
    with pytest.raises(UsageError) as caught:
        rundir.prepare(tmp_path)
    assert str(caught.value) == (
        f"{tmp_path}/: cannot be written (Permission denied). Choose another with --reports DIR."
    )


def test_a_real_folder_in_the_place_of_latest_is_refused_at_once(tmp_path: Path) -> None:
    """Before anything starts, and not after all has been run."""
    (tmp_path / "latest").mkdir()
    with pytest.raises(UsageError, match="is a folder"):
        rundir.prepare(tmp_path)


def test_a_file_is_written_whole_or_not_at_all(tmp_path: Path) -> None:
    """A disk that takes no more leaves the old file and nothing beside it."""
    path = tmp_path / "verdict.json"
    rundir.write(path, "old")
    program = (
        "import resource\n"
        "from pathlib import Path\n"
        "from unstuck import rundir\n"
        "from unstuck.errors import UsageError\n"
        # Only now: an interpreter that is limited while it imports leaves compiled modules cut short.
        "resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))\n"
        "try:\n"
        f"    rundir.write(Path({str(path)!r}), 'x' * 1_000_000)\n"
        "except UsageError as error:\n"
        "    print(error)\n"
    )
    limited = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        check=True,
        env={"PYTHONPATH": os.pathsep.join(sys.path)},
    )
    assert "cannot be written (File too large). Free some space" in limited.stdout
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_half_a_character_from_outside_is_written_all_the_same(tmp_path: Path) -> None:
    """A lone surrogate, which UTF-8 cannot hold, becomes a question mark."""
    rundir.write(tmp_path / "x", "a\udc80b")
    assert (tmp_path / "x").read_text() == "a?b"


def test_every_file_is_documented() -> None:
    """docs/run-folder.md says of each file what the code says of it."""
    text = DOCUMENT.read_text(encoding="utf-8")
    beside = (rundir.EXPLORED_FILES, rundir.REPRODUCED_FILES)
    for files in (rundir.RUN_FILES, rundir.DECLARED_FILES, rundir.GROUP_FILES, *beside):
        for name, what in files.items():
            assert f"| `{name}` | {what} |" in text


def test_what_is_documented_is_what_is_written(tmp_path: Path) -> None:
    """The names of the folder's paths are those of the document."""
    run = rundir.RunFolder(path=tmp_path)
    paths = (run.scenario, run.plan, run.history, run.verdict, run.junit, run.summary, run.report, run.logs)
    assert {path.name for path in paths} == set(rundir.RUN_FILES)
    assert {run.target.name, run.ledger.name} == set(rundir.DECLARED_FILES)
    group = rundir.GroupFolder(path=tmp_path)
    assert {path.name for path in (group.data, group.junit, group.summary, group.report)} == set(
        rundir.GROUP_FILES
    )


def test_a_scenario_that_came_from_no_file_is_written_as_one(tmp_path: Path) -> None:
    """What was made in Python can be replayed like any other: the folder has it as a file."""
    made = replace(scenario(), text="", case={})
    folder = rundir.create(tmp_path, made, seed=1)
    assert folder.scenario.read_text(encoding="utf-8") == dump(made)
