"""Whoever dies, and however: nothing is left. The numbers are those of the cases in `residue`."""

from __future__ import annotations

import itertools
import json
import os
import resource
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.process.conftest import Recorder
from unstuck.errors import HarnessError, TargetError
from unstuck.worlds.port import ProcessSpec
from unstuck.worlds.process import proctree
from unstuck.worlds.process.session import Session
from unstuck.worlds.process.world import ProcessWorld

pytestmark = pytest.mark.process
ROOT = Path(__file__).parents[2]
ENVIRONMENT = {"PATH": os.environ["PATH"]}


def tree_spec(programs: Path, file: Path) -> ProcessSpec:
    command = [sys.executable, str(programs / "tree.py"), str(file)]
    return ProcessSpec(name="tree", role="tree", command=command, environment=ENVIRONMENT, ready_line="ready")


def processes_of(file: Path) -> list[proctree.Process]:
    found = [proctree.read(pid) for pid in json.loads(file.read_text()).values()]
    return [process for process in found if process is not None]


ROLES = {
    "1-harness": ["harness"],
    "2-guardians": ["guardian", "dependencies"],
    "4-zygote": ["zygote"],
    "5-harness-and-guardians": ["harness", "guardian", "dependencies"],
    "5-harness-and-zygote": ["harness", "zygote"],
}
# Each kill costs a whole start. By default the cases that no other test here has; `make soak` has them all.
OFTEN = [
    pytest.param(roles, 10, marks=[pytest.mark.soak, pytest.mark.timeout(600)], id=f"{name}-often")
    for name, roles in ROLES.items()
]


@pytest.mark.parametrize(
    ("roles", "kills"),
    [
        pytest.param(ROLES["1-harness"], 2, id="1-harness"),  # once up, and in its start
        pytest.param(ROLES["5-harness-and-guardians"], 1, id="5-harness-and-guardians"),
        pytest.param(ROLES["5-harness-and-zygote"], 1, id="5-harness-and-zygote"),
        *OFTEN,
    ],
)
def test_a_kill_at_a_random_moment_leaves_nothing(roles: list[str], kills: int) -> None:
    """SIGKILL of a harness or its helpers, at any moment, leaves no process, port, group, folder, memory."""
    command = [sys.executable, "-m", "tests.process.kill_harness", "--kills", str(kills), "--roles", *roles]
    environment = {**os.environ, "PYTHONPATH": f"{ROOT / 'harness'}{os.pathsep}{ROOT}"}
    end = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert end.returncode == 0, end.stdout + end.stderr
    assert json.loads(end.stdout.splitlines()[-1])["kills"] == kills


def test_close_finds_those_who_left_group_and_session(
    session: Session, programs: Path, tmp_path: Path
) -> None:
    """Closing a world ends every descendant, and removes its folder."""
    world = session.world("close")
    world.start(tree_spec(programs, tmp_path / "tree.json"))
    processes = processes_of(tmp_path / "tree.json")
    assert len(processes) == 6
    world.close()
    assert [process for process in processes if proctree.exists(process)] == []
    assert not world.scratch.exists()


def test_orphans_of_a_killed_process_do_not_outlive_it(
    world: ProcessWorld, recorder: Recorder, programs: Path, tmp_path: Path
) -> None:
    """Case 3: when a process dies, whatever it started is gone before it is started again."""
    world.start(tree_spec(programs, tmp_path / "tree.json"))
    processes = processes_of(tmp_path / "tree.json")
    os.kill(processes[0].pid, 9)
    recorder.wait("tree", "exit")
    assert [process for process in processes if proctree.exists(process)] == []
    recorder.wait("tree", "ready", 2)


def test_a_killed_guardian_takes_its_run_with_it(session: Session, programs: Path, tmp_path: Path) -> None:
    """Case 2: the run's processes and folder go, its calls fail in one line, other runs go on."""
    world, other = session.world("killed"), session.world("other")
    world.start(tree_spec(programs, tmp_path / "tree.json"))
    other.start(tree_spec(programs, tmp_path / "other.json"))
    processes = processes_of(tmp_path / "tree.json")
    os.kill(world.guardian_pid, 9)
    assert proctree.wait_gone(processes, 10)
    with pytest.raises(HarnessError, match=r"guardian .* has ended unasked"):
        world.start(tree_spec(programs, tmp_path / "again.json"))
    world.close()
    assert other.running("tree") == ["tree"]
    other.close()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_guardian_that_is_told_to_end_takes_its_run_away(
    number: signal.Signals, programs: Path, tmp_path: Path
) -> None:
    """It hears what the zygote held back while it was made; so do its processes."""
    with Session(scratch=tmp_path / ".") as session:
        world = session.world("told")
        world.start(tree_spec(programs, tmp_path / "tree.json"))
        processes = processes_of(tmp_path / "tree.json")
        for pid in (world.guardian_pid, *(process.pid for process in processes)):
            status = Path(f"/proc/{pid}/status").read_text()
            assert int(status.partition("SigBlk:")[2].split()[0], 16) == 0
        os.kill(world.guardian_pid, number)
        assert proctree.wait_gone(processes, 10)


def test_a_zygote_without_a_descriptor_to_spare_fails_one_run_only(programs: Path, tmp_path: Path) -> None:
    """The others go on, and so does the next one when there is room again."""
    with Session(scratch=tmp_path) as session:
        before = session.world("before")
        zygote = session.zygote_pid
        assert zygote is not None
        limit = resource.prlimit(zygote, resource.RLIMIT_NOFILE)
        used = {int(name) for name in os.listdir(f"/proc/{zygote}/fd")}
        lowest_free = next(number for number in itertools.count() if number not in used)
        resource.prlimit(zygote, resource.RLIMIT_NOFILE, (lowest_free, limit[1]))
        with pytest.raises(HarnessError, match=r"guardian: its socket did not come: .*ulimit -n"):
            session.world("without")
        resource.prlimit(zygote, resource.RLIMIT_NOFILE, limit)
        before.start(tree_spec(programs, tmp_path / "before.json"))
        session.world("after").start(tree_spec(programs, tmp_path / "after.json"))


def test_a_killed_zygote_ends_the_session(programs: Path, tmp_path: Path) -> None:
    """Case 4: guardians notice, take their runs away, and the session says what happened."""
    with Session(scratch=tmp_path / ".") as session:
        world = session.world("zygote")
        world.start(tree_spec(programs, tmp_path / "tree.json"))
        processes = processes_of(tmp_path / "tree.json")
        assert session.zygote_pid is not None
        os.kill(session.zygote_pid, 9)
        assert proctree.wait_gone(processes, 10)
        with pytest.raises(HarnessError, match="zygote: it"):
            session.world("another")
    assert list(tmp_path.glob("unstuck-*")) == []


def test_the_last_guardian_removes_both_folders_of_the_session(tmp_path: Path) -> None:
    """Case 4: dependencies lie elsewhere than the runs, and between two runs theirs is the only guardian."""
    usual, quick = tmp_path / "usual", tmp_path / "quick"
    usual.mkdir()
    quick.mkdir()
    session = Session(scratch=usual, quick=quick)
    try:
        world = session.world("dependencies", folder=quick / session.folder.name)
        (session.folder / "videos").mkdir()
        assert world.scratch.parent.stat().st_mode & 0o777 == 0o700  # as the session's own
        guardian = proctree.read(world.guardian_pid)
        assert guardian is not None
        assert session.zygote_pid is not None
        os.kill(session.zygote_pid, 9)
        assert proctree.wait_gone([guardian], 10)
        assert [*usual.iterdir(), *quick.iterdir()] == []  # before the harness looks: it may be dead, too
    finally:
        session.close()


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    """A session whose scratch folder is not there says so, and starts nothing."""
    session = Session(scratch=tmp_path / "missing")
    with pytest.raises(TargetError, match=r"scratch='.*missing' cannot be written: No such file"):
        session.prepare()
    session.close()


def test_a_module_that_cannot_be_imported_is_named(tmp_path: Path) -> None:
    """A preload that fails is one line, and the zygote is gone."""
    session = Session(preload=("no_such_module",), scratch=tmp_path)
    with pytest.raises(TargetError, match=r"preload='no_such_module' cannot be imported"):
        session.prepare()
    session.close()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(not hasattr(os, "pidfd_open"), reason="the kernel has no pid handles")
def test_a_child_that_holds_the_sockets_does_not_keep_the_session(programs: Path, tmp_path: Path) -> None:
    """Case 1: the harness's end is seen even while a fork of it keeps every socket open."""
    environment = {**os.environ, "PYTHONPATH": f"{ROOT / 'harness'}{os.pathsep}{ROOT}"}
    command = [sys.executable, "-W", "ignore", str(programs / "copied.py"), str(tmp_path)]
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as harness:
        assert harness.stdout is not None
        pids = json.loads(harness.stdout.readline())
        processes = {name: process for name, pid in pids.items() if (process := proctree.read(pid))}
        child = processes.pop("child")
        try:
            harness.kill()
            assert proctree.wait_gone(processes.values(), 10)
            assert len(processes) == 2
            assert proctree.exists(child)
        finally:
            os.kill(child.pid, 9)
    assert list(tmp_path.iterdir()) == []


def test_a_session_ends_without_a_warning(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """Whoever runs with PYTHONWARNINGS=error sees no traceback of ours: the zygote closes what it opened."""
    monkeypatch.setenv("PYTHONWARNINGS", "error")
    with Session(scratch=tmp_path) as session:
        session.world("one").close()
    assert capfd.readouterr().err == ""
