"""The command line: help that costs little, mistakes that are one line, and bugs that are told."""

from __future__ import annotations

import importlib
import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from unstuck import __version__
from unstuck.cli import main, options
from unstuck.cli.environment import shut_out
from unstuck.errors import ExitCode, HarnessError

ENVIRONMENT = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
TOO_LONG = 300 * "a"  # for any file system
HEAVY = {
    "rich",
    "yaml",
    "allpairspy",
    "unstuck.campaign",
    "reference_service",
    "asyncio",
    "boto3",
    "pydantic",
}


def test_help_teaches(capsys: pytest.CaptureFixture[str]) -> None:
    """Every command, examples and exit codes."""
    assert main(["--help"]) == 0
    text = capsys.readouterr().out
    assert all(f"\n  {name} " in text for name in options.COMMANDS)
    assert "examples:" in text
    assert all(f"\n  {int(code)} " in text for code in ExitCode)
    assert main([]) == 0
    assert capsys.readouterr().out == text


@pytest.mark.parametrize("name", options.COMMANDS)
def test_the_help_of_each_command_teaches(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    """With exit codes, and no line wider than a terminal."""
    assert main([name, "--help"]) == 0
    text = capsys.readouterr().out
    assert main(["help", name]) == 0
    assert capsys.readouterr().out == text
    assert "exit codes:" in text
    assert max(map(len, text.splitlines())) < 100


@pytest.mark.parametrize("name", options.COMMANDS)
def test_each_command_has_one_table_of_exit_codes(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    """No code twice, in order, and nothing about codes elsewhere in its help."""
    assert main([name, "--help"]) == 0
    before, _, table = capsys.readouterr().out.partition("exit codes:\n")
    codes = [int(code) for code in re.findall(r"^  (\d+) ", table, re.MULTILINE)]
    assert codes == sorted(set(codes))
    assert {2, 4, 130} <= set(codes) <= set(ExitCode)
    assert "xit code" not in before + table


def test_the_table_of_a_command_is_its_own(capsys: pytest.CaptureFixture[str]) -> None:
    """What 1 means of a list of jobs has nothing to do with faults or promises."""
    main(["find-stuck", "--help"])
    table = capsys.readouterr().out.partition("exit codes:\n")[2]
    assert "  0    no job is stuck\n  1    some are\n" in table
    assert "promise" not in table


def test_help_imports_nothing_heavy() -> None:
    """And costs less than a quarter of a second of CPU, the interpreter included."""
    program = (
        "import sys, time; from unstuck.cli import main; main(['--help']); "
        "import json; print(json.dumps([time.process_time(), sorted(sys.modules)]), file=sys.stderr)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, env=ENVIRONMENT, check=True
    )
    cpu_s, modules = json.loads(done.stderr)
    assert not HEAVY & set(modules)
    assert cpu_s < 0.25


def test_the_version_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    """By a command and by a flag."""
    for words in (["version"], ["--version"], ["-V"]):
        assert main(words) == 0
        assert capsys.readouterr().out == f"unstuck {__version__}\n"


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (["rnu"], "unstuck: unknown command 'rnu'. Did you mean 'run'?"),
        (["--hlep"], "unstuck: unknown flag '--hlep'. Did you mean '--help'?"),
        (["help", "gat"], "unstuck: unknown command 'gat'. Did you mean 'gate'?"),
        (["run", "--sed", "1", "x"], "unstuck run: unknown flag '--sed'. Did you mean '--seed'?"),
        (["run", "--see=1", "x"], "unstuck run: unknown flag '--see'. Did you mean '--seed'?"),
        (["run"], "unstuck run: the following arguments are required: SCENARIO."),
        (["run", "x", "--jobs", "0"], "unstuck run: argument --jobs: value='0' must be a whole number"),
        (["run", "x", "--seed", "x"], "unstuck run: argument --seed: value='x' must be a whole number"),
        (["run", "x", "--emulator", "mot"], "unstuck run: argument --emulator: value='mot' is unknown"),
        (["run", "x", "--pairwise", "--all-cases"], "unstuck run: argument --all-cases: not allowed with"),
        (["gate", "--time-budget", "nan"], "unstuck gate: argument --time-budget: value='nan' must be"),
        (["scenarios", "lits"], "unstuck scenarios: argument list|explain: value='lits' is unknown"),
        (["scenarios", "explain"], "unstuck scenarios: explain needs a scenario."),
        (["check", "a", "b"], "unstuck check: unexpected 'b'."),
        (["run", "sigterm-mid-jbo"], "sigterm-mid-jbo: no such scenario. Did you mean 'sigterm-mid-job'?"),
        (["run", "no/such.yaml"], "unstuck run: no/such.yaml: no such file."),
        (["run", "sigterm-mid-job", "--case", "stge=x"], "'stge' is not a parameter of this scenario."),
        (["run", "sigterm-mid-job", "--case", "stage=frmes"], "Did you mean 'frames'?"),
        (["run", "sigterm-mid-job", "--case", "stage"], "unstuck run: case 'stage' is not a choice."),
        (["run", "sigterm-mid-job", "--defence-off", "fencin"], "Did you mean 'fencing'?"),
        (["run", "sigterm-mid-job", "--case", ""], "unstuck run: --case '' chooses nothing."),
        (["run", ""], "unstuck run: a scenario's name is empty."),
        (["run", "a\x1b[31m"], r"unstuck run: a\x1b[31m: no such scenario."),
        (["find-stuck", "--age-minutes", "x"], "--age-minutes: value='x' must be a number of minutes"),
        (["find-stuck", "--age-minutes", "-1"], "value='-1' must be a number of minutes, 0 or more"),
        (["run", "nofile.yaml"], "run: nofile.yaml: no such file. See `unstuck scenarios list`."),
        (["scenarios", "explain", "nope"], "nope: no such scenario. See `unstuck scenarios list`."),
        (["run", "a**"], "unstuck run: a**: "),
        (["run", TOO_LONG], "cannot be read (File name too long)"),
        (["gate", "--policy", TOO_LONG], "cannot be read (File name too long)"),
        (["run", "baseline", "--reports", TOO_LONG], "cannot be written (File name too long)"),
        (["check", TOO_LONG], "cannot be read (File name too long)"),
        (["check", "."], "(no scenario.yaml, no history.jsonl). `ls reports` shows those that are kept."),
        (["prove", "--defence", "fencin"], "Did you mean 'fencing'?"),
        (["replay", "nope"], "unstuck replay: nope: no such run"),
        (["check", "nope"], "unstuck check: nope: no such run"),
    ],
)  # fmt: skip
def test_a_mistake_is_one_line(
    words: list[str],
    text: str,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Exit code 2, what is wrong, what was meant; nothing on stdout, nothing on disk."""
    monkeypatch.chdir(tmp_path)
    assert main(words) == ExitCode.USAGE
    said = capsys.readouterr()
    assert said.out == ""
    assert text in said.err
    assert said.err.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


def test_a_bug_is_told_and_its_trace_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Exit code 4, one line, no traceback on the screen."""

    def burst(_: object) -> None:
        raise ZeroDivisionError("by\nzero")

    monkeypatch.setattr(importlib.import_module("unstuck.cli.check"), "execute", burst)
    assert main(["check", "x", "--reports", str(tmp_path / "r")]) == ExitCode.HARNESS
    said = capsys.readouterr().err
    assert said.startswith("unstuck check: ZeroDivisionError: by zero. This is a bug of Unstuck")
    assert said.count("\n") == 1
    (kept,) = (tmp_path / "r").iterdir()
    assert str(kept) in said
    assert "Traceback" in kept.read_text()


def test_a_bug_is_told_where_nothing_can_be_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The line says that the trace is lost."""

    def burst(_: object) -> None:
        raise ZeroDivisionError

    (tmp_path / "file").write_text("")
    monkeypatch.setattr(importlib.import_module("unstuck.cli.check"), "execute", burst)
    assert main(["check", "x", "--reports", str(tmp_path / "file" / "r")]) == ExitCode.HARNESS
    assert "could not be kept" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("error", "code"), [(HarnessError("the\nproxy died"), 4), (KeyboardInterrupt(), 130)]
)
def test_each_error_has_its_exit_code(
    error: BaseException, code: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """In one line, whatever its text."""

    def burst(_: object) -> None:
        raise error

    monkeypatch.setattr(importlib.import_module("unstuck.cli.check"), "execute", burst)
    assert main(["check", "x"]) == code
    assert capsys.readouterr().err.count("\n") == 1


def test_a_reader_that_leaves_is_no_error() -> None:
    """`unstuck … | head -1` ends with 0 and says nothing on stderr."""
    reader, writer = os.pipe()
    os.close(reader)
    try:
        done = subprocess.run(
            [sys.executable, "-m", "unstuck", "scenarios", "list"],
            stdout=writer,
            stderr=subprocess.PIPE,
            text=True,
            env=ENVIRONMENT,
            check=False,
        )
    finally:
        os.close(writer)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full on this system")
@pytest.mark.parametrize("words", [["--help"], ["run", "--help"], ["scenarios", "list"]])
def test_a_full_disk_under_stdout_is_told_in_a_line(words: list[str]) -> None:
    """It is no bug of ours, and what was found stays as it is."""
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "unstuck", *words],
            stdout=full, stderr=subprocess.PIPE, text=True, env=ENVIRONMENT, check=False,
        )  # fmt: skip
    assert done.returncode == 0
    assert done.stderr == "unstuck: stdout cannot be written (No space left on device). Send it elsewhere.\n"


def test_closed_streams_are_no_error() -> None:
    """`unstuck … >&- 2>&-` still has its exit code."""
    command = f"{shlex.quote(sys.executable)} -m unstuck scenarios list >&- 2>&-"
    assert subprocess.run(["sh", "-c", command], env=ENVIRONMENT, check=False).returncode == 0


def test_scenarios_alone_lists_them(capsys: pytest.CaptureFixture[str]) -> None:
    """The bare command does what one expects of it."""
    assert main(["scenarios"]) == 0
    said = capsys.readouterr().out
    assert main(["scenarios", "list"]) == 0
    assert capsys.readouterr().out == said


def test_what_surrounds_the_user_stays_out_of_a_run() -> None:
    """A profile, a proxy or a database of the user's must not reach the service; the rest stays."""
    environment = {
        "AWS_PROFILE": "mine", "PGSSLMODE": "require", "REFERENCE_LEASE_S": "9", "http_proxy": "http://p",
        "HTTPS_PROXY": "http://p", "NO_PROXY": "", "PATH": "/bin", "HOME": "/root", "GITHUB_ENV": "f",
    }  # fmt: skip
    shut_out(environment)
    assert set(environment) == {"PATH", "HOME", "GITHUB_ENV"}
