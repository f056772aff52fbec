"""Whom a signal reaches."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import pytest

from tests.process.conftest import Recorder
from unstuck.errors import UsageError
from unstuck.worlds.port import ProcessSpec, Restart
from unstuck.worlds.process import proctree
from unstuck.worlds.process.world import ProcessWorld

pytestmark = pytest.mark.process


@pytest.fixture
def tree(world: ProcessWorld, programs: Path, tmp_path: Path) -> dict[str, int]:
    """Pids by name of `programs/tree.py`: main, child, grandchild, grouped, session, daemon."""
    command = [sys.executable, str(programs / "tree.py"), str(tmp_path / "tree.json")]
    world.start(
        ProcessSpec(
            name="tree",
            role="tree",
            command=command,
            environment={"PATH": os.environ["PATH"]},
            ready_line="ready",
            restart=Restart(policy="never"),
        )
    )
    pids: dict[str, int] = json.loads((tmp_path / "tree.json").read_text())
    return pids


def alive(tree: dict[str, int]) -> set[str]:
    return {name for name, pid in tree.items() if (process := proctree.read(pid)) and process.alive}


def states(tree: dict[str, int]) -> set[str]:
    return {process.state for pid in tree.values() if (process := proctree.read(pid))}


def test_main_is_the_process_alone(world: ProcessWorld, tree: dict[str, int], recorder: Recorder) -> None:
    """Scope main reaches the process; as in a container its descendants do not outlive it."""
    assert world.signal("tree", "SIGSTOP", "main") == [tree["main"]]
    assert world.signal("tree", "SIGCONT", "main") == [tree["main"]]
    assert world.signal("tree", "SIGTERM") == [tree["main"]]
    end = recorder.wait("tree", "exit").data
    assert (end["signal"], end["expected"]) == ("SIGTERM", True)
    assert alive(tree) == set()


def test_group_is_its_process_group(world: ProcessWorld, tree: dict[str, int]) -> None:
    """Scope group leaves out who made a group or session of its own."""
    got = world.signal("tree", "SIGSTOP", "group")
    assert set(got) == {tree["main"], tree["child"], tree["grandchild"]}


def test_tree_is_everybody(world: ProcessWorld, tree: dict[str, int], recorder: Recorder) -> None:
    """Scope tree reaches descendants in other groups and sessions, and a daemon by double fork."""
    got = world.signal("tree", "SIGTERM", "tree")
    assert set(got) == set(tree.values())
    assert world.wait_gone("tree", got, 10)
    recorder.wait("tree", "exit")


def test_a_tree_that_is_stopped_goes_on_when_told(world: ProcessWorld, tree: dict[str, int]) -> None:
    """SIGSTOP to a tree holds everybody until SIGCONT; nobody is missed, and nobody stays held."""
    world.signal("tree", "SIGSTOP", "tree")
    assert states(tree) == {"T"}
    assert set(world.signal("tree", "SIGCONT", "tree")) == set(tree.values())
    assert "T" not in states(tree)
    assert alive(tree) == set(tree)


def test_whoever_was_stopped_before_stays_so(world: ProcessWorld, tree: dict[str, int]) -> None:
    """A signal to the tree does not wake a process that was paused before."""
    os.kill(tree["child"], 19)
    while (process := proctree.read(tree["child"])) is not None and process.state != "T":
        pass
    world.signal("tree", "SIGWINCH", "tree")
    child, grandchild = proctree.read(tree["child"]), proctree.read(tree["grandchild"])
    assert child is not None
    assert child.state == "T"
    assert grandchild is not None
    assert grandchild.state != "T"


def test_child_is_one_that_executes(world: ProcessWorld, tree: dict[str, int]) -> None:
    """Scope child kills exactly one descendant, and the process itself goes on."""
    got = world.signal("tree", "SIGKILL", "child")
    assert len(got) == 1
    assert got[0] in set(tree.values()) - {tree["main"]}
    assert world.wait_gone("tree", got, 10)
    assert len(alive(tree)) == 5
    assert world.running("tree") == ["tree"]


def test_a_process_that_is_gone_gets_nothing(
    world: ProcessWorld, tree: dict[str, int], recorder: Recorder
) -> None:
    """A signal to nobody returns nobody."""
    world.signal("tree", "SIGKILL", "tree")
    recorder.wait("tree", "exit")
    assert world.signal("tree", "SIGTERM") == []
    assert world.signal("unknown", "SIGTERM") == []


def test_wait_gone_is_false_while_somebody_runs(world: ProcessWorld, tree: dict[str, int]) -> None:
    """It waits as long as told, and no longer."""
    assert not world.wait_gone("tree", [tree["main"]], 0.05)


def test_a_signal_with_a_typo_is_refused(world: ProcessWorld) -> None:
    """An unknown signal or scope is a usage error with the name that was probably meant."""
    with pytest.raises(UsageError, match="Did you mean 'SIGTERM'"):
        world.signal("tree", "SIGTREM")
    with pytest.raises(UsageError, match="Did you mean 'group'"):
        world.signal("tree", "SIGTERM", "grup")  # type: ignore[arg-type]  # that is the point
