"""Where there is no engine to use, one line says what is missing."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from unstuck.cli import main
from unstuck.errors import ExitCode, UsageError
from unstuck.worlds.container import engine, image, residue
from unstuck.worlds.container.supervisor import entrypoint_of, wait_status
from unstuck.worlds.process.wire import Launch


def test_a_socket_that_nobody_serves_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The engine's address, the system's reason, and what to do."""
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/none.sock")
    with pytest.raises(
        UsageError, match=r"no engine answers on .*none\.sock \(No such file.*\); start Docker"
    ):
        engine.connect()


def test_an_engine_elsewhere_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its containers would have another loopback than the harness."""
    monkeypatch.setenv("DOCKER_HOST", "tcp://127.0.0.1:2375")
    with pytest.raises(UsageError, match="is not on this machine"):
        engine.connect()


def test_without_the_sdk_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is an extra: the rest of Unstuck works without it."""
    monkeypatch.setitem(sys.modules, "docker", None)
    with pytest.raises(UsageError, match=r"pip install 'unstuck\[containers\]'"):
        engine.connect()


def test_the_command_line_says_so_and_exits_with_2(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """One line, and no folder of a run is left."""
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/none.sock")
    reports = tmp_path / "reports"
    assert main(["run", "baseline", "--world", "containers", "--reports", str(reports)]) == ExitCode.USAGE
    assert len(capsys.readouterr().err.strip().splitlines()) == 1
    assert not list(reports.iterdir())


@pytest.mark.parametrize(
    "about",
    [
        {"OSType": "linux", "OperatingSystem": "Docker Desktop"},
        {"OSType": "windows", "OperatingSystem": "Windows"},
        {"OSType": "linux", "OperatingSystem": "Debian", "SecurityOptions": ["name=rootless"]},
    ],
)
def test_an_engine_with_another_loopback_is_unfit(about: dict[str, object]) -> None:
    """Virtual machines and rootless engines have one of their own."""
    assert engine._unfit(about) is not None


def test_an_engine_on_linux_itself_is_fit() -> None:
    """As `docker info` says it of a usual one."""
    about: dict[str, object] = {
        "OSType": "linux",
        "OperatingSystem": "Debian GNU/Linux 12",
        "SecurityOptions": [],
    }
    assert engine._unfit(about) is None


def test_the_engines_exit_codes_are_wait_statuses() -> None:
    """137 stands for SIGKILL; what is no signal stays a code."""
    assert [wait_status(code) for code in (0, 3, 137, 143, 255)] == [0, 3 << 8, 9, 15, 255 << 8]


def test_an_entry_is_process_1() -> None:
    """No shell stands before it, which would keep signals to itself."""
    launch = Launch(name="a", role="a", entry="reference_service.__main__:main")
    assert entrypoint_of(launch) == ["python", "-m", "reference_service"]


def test_the_same_content_is_the_same_image() -> None:
    """Any change of a file or of its name is another tag."""
    files = {"a": b"1", "b": b"2"}
    assert image.digest(files) == image.digest(dict(reversed(files.items())))
    assert len({image.digest(one) for one in (files, {"a": b"1"}, {"a": b"12"}, {"c": b"1", "b": b"2"})}) == 4


def test_an_owner_that_runs_is_spared_and_one_that_does_not_is_not() -> None:
    """A pid that was given to somebody else counts as dead; another pid namespace cannot be judged."""
    me = residue.owner()
    boot, namespace, pid, started = me.split("/")
    assert residue.lives(me)
    assert not residue.lives(f"{boot}/{namespace}/{pid}/{int(started) + 1}")
    assert not residue.lives(f"another-boot/{namespace}/{pid}/{started}")
    assert residue.lives(f"{boot}/another/{pid}/1")
