"""Configuration: one clear line for what is wrong, before anything is opened."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from reference_service.__main__ import main

GOOD = {"REFERENCE_DATABASE_URL": "sqlite://", "REFERENCE_SINK_URL": "http://127.0.0.1:9"}


@pytest.mark.parametrize(
    ("environment", "said"),
    [
        ({"REFERENCE_DATABASE_URL": ""}, "REFERENCE_DATABASE_URL"),
        ({"REFERENCE_DATABASE_URL": "mysql://x/y"}, "REFERENCE_DATABASE_URL='mysql'"),
        ({"REFERENCE_LEASE_S": "soon"}, "REFERENCE_LEASE_S='soon'"),
        ({"REFERENCE_LEASE_S": "1", "REFERENCE_HEARTBEAT_S": "2"}, "heartbeat_s must be shorter"),
        ({"REFERENCE_DEFENCES_OFF": "fencing"}, "REFERENCE_ALLOW_UNSAFE=1"),
        ({"REFERENCE_DEFENCES_OFF": "fencin", "REFERENCE_ALLOW_UNSAFE": "1"}, "'fencin' is no defence"),
        ({"REFERENCE_TESTPOINTS": "x"}, "REFERENCE_TESTPOINTS='x'"),
        ({"REFERENCE_TOKENS": "secret"}, "REFERENCE_TOKENS: no JSON"),
        ({"REFERENCE_TOKENS": '{"": "dev"}'}, "an empty token would let everybody in"),
        ({"REFERENCE_INTERNAL_TOKEN": ""}, "REFERENCE_INTERNAL_TOKEN=''"),
    ],
)
def test_a_bad_setting_is_one_line(
    environment: dict[str, str], said: str, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """Exit code 2, and a line that names the variable."""
    for name, value in {**GOOD, **environment}.items():
        monkeypatch.setenv(name, value)
    assert main(["init"]) == 2
    error = capfd.readouterr().err
    assert said in error
    assert error.count("\n") == 1


def test_every_missing_setting_is_in_one_line(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """Exit code 2, all names at once, and values that could be set."""
    for name in GOOD:
        monkeypatch.delenv(name, raising=False)
    assert main(["relay"]) == 2
    error = capfd.readouterr().err
    assert error.startswith("REFERENCE_DATABASE_URL, REFERENCE_SINK_URL: not set; for example ")
    assert "REFERENCE_DATABASE_URL=postgresql+psycopg://" in error
    assert "REFERENCE_SINK_URL=http://" in error
    assert error.count("\n") == 1


@pytest.mark.parametrize("words", [["diagnose"], ["reset-stuck"], ["find-stuck"], ["recovery", "runs"]])
def test_an_operator_needs_no_sink(
    words: list[str], monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """No command reaches it: only the database is asked for, and with it the command goes on."""
    for name in GOOD:
        monkeypatch.delenv(name, raising=False)
    assert main(words) == 2
    assert capfd.readouterr().err.startswith("REFERENCE_DATABASE_URL: not set; ")
    monkeypatch.setenv("REFERENCE_DATABASE_URL", "sqlite://")
    assert main(words) == 1
    assert "Run `python -m reference_service migrate`" in capfd.readouterr().err


@pytest.mark.parametrize("words", [["diagnose"], ["worker"], ["api"]])
def test_a_database_file_that_is_not_there_is_not_made(
    words: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """A mistyped path is one line with the path; nothing is left behind."""
    for name, value in {**GOOD, "REFERENCE_DATABASE_URL": f"sqlite:///{tmp_path}/jbos.db"}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("REFERENCE_API_PORT", "0")
    assert main(words) == 1
    error = capfd.readouterr().err
    assert f"REFERENCE_DATABASE_URL='sqlite:///{tmp_path}/jbos.db': no such file" in error
    assert error.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("word", ["--help", "-h"])
def test_help_is_no_mistake(word: str, capfd: pytest.CaptureFixture[str]) -> None:
    """Exit code 0, on standard output."""
    assert main([word]) == 0
    said = capfd.readouterr()
    assert said.out.startswith("usage: python -m reference_service api|worker|")
    assert said.err == ""


@pytest.mark.parametrize("argv", [[], ["server"], ["api", "--resources"], ["init", "--nonsense"]])
def test_a_wrong_command_line_is_one_line(argv: list[str], capfd: pytest.CaptureFixture[str]) -> None:
    """Exit code 2, and the usage."""
    assert main(argv) == 2
    assert "usage: python -m reference_service" in capfd.readouterr().err


def test_a_port_that_is_taken_is_one_line(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """Exit code 2, before the service has touched anything."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        for name, value in {**GOOD, "REFERENCE_API_PORT": port}.items():
            monkeypatch.setenv(name, value)
        assert main(["api"]) == 2
    assert f"REFERENCE_API_PORT={port}: cannot listen on 127.0.0.1" in capfd.readouterr().err
