"""Entries that are forked: what they inherit, and how they end."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from tests.process.conftest import Recorder
from unstuck.errors import TargetError
from unstuck.worlds.port import ProcessSpec, Restart
from unstuck.worlds.process.world import ProcessWorld

pytestmark = pytest.mark.process
ENTRIES = "tests.process.programs.entries"
PATH = {"PATH": os.environ["PATH"]}


@pytest.mark.parametrize(
    ("how", "end"),
    [
        (("return", "3"), (3, None)),
        (("exit", "4"), (4, None)),
        (("text",), (1, None)),
        (("raise",), (1, None)),
        (("interrupt",), (None, "SIGINT")),
        (("closed", "0"), (0, None)),
        (("closed", "3"), (3, None)),
        (("full-stdout", "0"), (120, None)),
        (("full-stdout", "3"), (120, None)),
        (("full-stderr", "0"), (120, None)),
    ],
    ids=lambda value: "-".join(value) if isinstance(value[0], str) else "",
)
def test_a_forked_entry_ends_as_an_interpreter_would(
    world: ProcessWorld,
    recorder: Recorder,
    tmp_path: Path,
    how: tuple[str, ...],
    end: tuple[int | None, str | None],
) -> None:
    """Return value, sys.exit, an exception, a stdout that cannot be flushed: as in a Python of its own."""
    never = Restart(policy="never")
    limit_bytes = {"forked": None, "executed": 1 << 30}
    logs = {}
    for name, bytes_max in limit_bytes.items():  # a process with a limit is executed
        logs[name] = tmp_path / name
        spec = ProcessSpec(
            name=name,
            role="role",
            entry=f"{ENTRIES}:leave",
            argv=how,
            log=str(logs[name]),
            restart=never,
            memory_limit_bytes=bytes_max,
            environment=PATH,
        )
        world.start(spec)
        data = recorder.wait(name, "exit").data
        assert (data["code"], data["signal"]) == end, name
        text = logs[name].read_text()
        assert ("said at the end" in text) == (how[0] == "text")
        assert ("RuntimeError: raised on purpose" in text) == (how[0] == "raise")
        assert ("KeyboardInterrupt" in text) == (how[0] == "interrupt")
        assert ("half" in text) == (how[0] == "interrupt"), "what was said before is not lost"
        assert "guardian" not in text, "no second one"


def test_a_fork_inherits_nothing_but_its_log(world: ProcessWorld, tmp_path: Path) -> None:
    """A forked role has its own environment, folder, session, signals and random numbers, and no handle."""
    facts = []
    for name in ("one", "two"):
        log = tmp_path / f"{name}.log"
        spec = ProcessSpec(
            name=name,
            role="role",
            entry=f"{ENTRIES}:describe",
            argv=["--flag", name],
            environment={"ONLY": "this"},
            folder=str(tmp_path),
            log=str(log),
            ready_line="facts",
        )
        world.start(spec)
        facts.append(json.loads(log.read_text().removeprefix("facts ")))
    one, two = facts
    assert one["argv"] == ["--flag", "one"]
    assert one["environment"] == {"ONLY": "this"}
    assert one["folder"] == str(tmp_path)
    assert one["handles"] == {
        "0": "/dev/null",
        "1": str(tmp_path / "one.log"),
        "2": str(tmp_path / "one.log"),
    }
    assert one["group"] == one["session"] == one["pid"]
    assert (one["threads"], one["sigterm"], one["blocked"]) == (1, "0", [])
    assert one["random"] != two["random"]


def test_an_entry_outside_of_the_preloaded_packages_is_executed(
    world: ProcessWorld, recorder: Recorder
) -> None:
    """An entry that the zygote did not import starts by exec and works the same."""
    spec = ProcessSpec(
        name="one", role="role", entry="colorsys:no_such_function", environment=PATH, ready_line="never"
    )
    with pytest.raises(TargetError, match="cannot import name 'no_such_function'"):
        world.start(spec)
    assert recorder.of("one", "start")[0].data["how"] == "exec"
