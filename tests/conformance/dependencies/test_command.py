"""Any command as a dependency."""

from __future__ import annotations

import socket
import sys
from pathlib import Path
from typing import cast

import pytest

from tests.conformance.dependencies.clients import KEEPER
from tests.conformance.dependencies.conftest import Open
from unstuck.errors import TargetError
from unstuck.targets.dependencies import Wanted
from unstuck.targets.dependencies.kinds.command import contained
from unstuck.targets.dependencies.listeners import addresses_of
from unstuck.targets.dependencies.port import Ground
from unstuck.worlds.process.ports import is_answered
from unstuck.worlds.process.world import ProcessWorld

pytestmark = pytest.mark.process
LISTEN = "import socket, sys, time; s = socket.create_server((sys.argv[1], int(sys.argv[2]))); "
STAY = LISTEN + "print('serving', flush=True); time.sleep(60)"


def test_a_text_is_split_as_a_shell_would(start: Open, world: ProcessWorld, tmp_path: Path) -> None:
    """Quotes hold words together, and its own braces stay as they are."""
    text = "import json; print(json.dumps({}), flush=True); " + STAY
    dependency = start(
        "command", command=f'{sys.executable} -c "{text}" {{host}} {{port}}', ready_line="serving"
    )
    assert is_answered(dependency.host, dependency.port)
    assert (tmp_path / "logs" / "dep.log").read_text() == "{}\nserving\n"
    assert dependency.url("127.0.0.1", 7) == "127.0.0.1:7"


def test_its_environment_is_filled_in_and_its_folder_is_told(start: Open) -> None:
    """A program that reads its port from a variable needs no argument."""
    script = f"import os, sys; sys.argv[1:] = ['127.0.0.1', os.environ['SERVE']]; {STAY}"
    dependency = start("command", command=[sys.executable, "-c", script], environment={"SERVE": "{port}"})
    assert is_answered(dependency.host, dependency.port)
    assert Path(dependency.values("h", 1)["folder"]).is_dir()


def test_in_a_container_its_ready_line_is_filled_in() -> None:
    """As its command is, with the port that it serves."""
    options = {"image": "x", "command": "serve {port}", "ready_line": "listening on {host}:{port}"}
    made = contained(Wanted(name="dep", kind="command", options=options), cast("Ground", None))
    assert made.ready(7) == ["listening on 127.0.0.1:7"]
    assert made.command(7) == ["serve", "7"]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("cwd", "here"),
        ("ready_url", "http://127.0.0.1:{port}/"),
        ("ready_settle_s", 1.0),
        ("stop_signal", "SIGINT"),
    ],
)
def test_what_has_no_effect_in_a_container_is_refused(name: str, value: object) -> None:
    """Rather than ignored."""
    options = {"image": "x", "command": "serve {port}", name: value}
    with pytest.raises(TargetError, match=rf"^{name}=.* has no effect in a container; leave it out$"):
        contained(Wanted(name="dep", kind="command", options=options), cast("Ground", None))


def test_a_url_says_that_it_is_ready(start: Open) -> None:
    """404 is not ready, and the error has the URL with its port."""
    url = "http://127.0.0.1:{port}/missing"
    with pytest.raises(
        TargetError, match=r"dependency 'dep' \(command\): .*ready_url='http://127\.0\.0\.1:\d+/m"
    ):
        start("command", **{**KEEPER, "ready_url": url, "ready_timeout_s": 1})


def test_one_that_other_machines_reach_is_refused_and_stopped(start: Open, world: ProcessWorld) -> None:
    """Nothing that Unstuck starts listens off the loopback, whoever wrote it."""
    command = [sys.executable, "-c", STAY, "0.0.0.0", "{port}"]
    with pytest.raises(TargetError, match=r"listens on 0\.0\.0\.0, where other machines reach it; make it"):
        start("command", command=command)
    assert world.running("dep") == []


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({}, "command is missing; say what to run, with {port}"),
        ({"command": "sleep 60"}, "command='sleep 60' is told no port; put {port} where"),
        ({"command": "sh -c 'x {port}"}, "cannot be split into words: No closing quotation"),
        ({"command": "./none {port}"}, "command='./none' was not found: install it, or give its path"),
        ({"command": "true {port}", "framer": "rest"}, "framer='rest' must be one of resp, postgres, amqp"),
    ],
)
def test_what_cannot_be_run_is_one_line(options: dict[str, str], text: str, start: Open) -> None:
    """Nothing is started."""
    with pytest.raises(TargetError) as caught:
        start("command", **options)
    assert text in str(caught.value)
    assert "\n" not in str(caught.value)


def test_one_that_failed_can_be_opened_again(start: Open, world: ProcessWorld) -> None:
    """And one that is open cannot, under the same name."""
    with pytest.raises(TargetError, match="died with code 3"):
        start("command", command=[sys.executable, "-c", "import sys; sys.exit(3)", "{port}"])
    assert list(world.quick.iterdir()) == []
    start("command", **KEEPER)
    with pytest.raises(TargetError, match="dependency 'dep' is open already; choose another name"):
        start("command", **KEEPER)


def test_addresses_of_every_kind_are_told() -> None:
    """Both families, with the loopback of either left out."""
    for family, address, told in (
        (socket.AF_INET, "127.0.0.1", []),
        (socket.AF_INET, "0.0.0.0", ["0.0.0.0"]),
        (socket.AF_INET6, "::1", []),
        (socket.AF_INET6, "::", ["::"]),
    ):
        try:
            server = socket.create_server((address, 0), family=family)
        except OSError:
            continue  # a machine without this family
        with server:
            assert addresses_of(server.getsockname()[1]) == told


def test_nobody_listens_nowhere(tmp_path: Path) -> None:
    """A system without the kernel's tables tells nothing."""
    assert addresses_of(80, tables=tmp_path) == []
