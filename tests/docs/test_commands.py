"""Each command that a page shows is run, in the cheapest form that says something."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from importlib import import_module
from pathlib import Path
from typing import Final

import pytest

from bench.__main__ import PAGES
from reference_service.__main__ import COMMANDS, ROLES
from tests.docs.blocks import commands, of_kind
from tests.tooling.repository import ROOT, pages, text
from unstuck.cli import main, options
from unstuck.cli.inputs import bundled
from unstuck.errors import ExitCode
from unstuck.faults import FAULTS
from unstuck.plan import make_plan
from unstuck.scenario_file import load
from unstuck.targets.reference import catalogue
from unstuck.targets.reference.simulated.target import SimulatedTarget
from unstuck.worlds.sim import SimWorld

pytest_plugins = ["pytester"]

WANTED = [(str(block), command) for block in of_kind("shell", "console") for command in commands(block)]
OWN: Final = ("mine.yaml", "my-scenario.yaml")  # what pages call the reader's own scenario

PARSED: Mapping[str, str] = {
    # command -> why it is only parsed here, and not run
    "init": "needs a project; tests/unit/drafting writes files for some",
    "doctor": "starts a target; tests/process/declared tries it on good ones and bad ones",
    "--configuration": "needs a target file; tests/process/declared runs some",
    "prove": "takes a minute a defence; tests/scenarios/test_alarms.py proves all of them",
    "compare": "its arguments stand for two runs; tests/unit/compare runs the example",
    "worker.yaml": "the page shows the file; test_outputs.py judges it",
    "--write-baseline": "needs whole gates; tests/unit/compare runs them on made-up runs",
    "--baseline": "the same",
    "proxy": "serves until Ctrl-C; tests/conformance/toxiproxy starts and drives it",
    "verify": "takes minutes; tests/incidents/test_verify.py verifies this checkout",
    "find-stuck": "needs a system that runs; tests/conformance/declared looks at some",
    "retry-stuck": "the same",
    "191": "takes minutes; tests/unit/cli/test_reproduce.py takes other numbers, `bench claims` this one",
    "explore": "takes a minute; tests/process/test_explore.py explores a small target",
    "containers": "needs an engine; the tests of the container world run there where one is",
}


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the README's scenario under the names that pages give it, and a run to be looked at."""
    [scenario] = [
        one for one in of_kind("yaml") if one.page.name == "README.md" and "name: gate" not in one.content
    ]
    for name in OWN:
        (tmp_path / name).write_text(scenario.content, encoding="utf-8")
    for name in ("scenarios", "docker-compose.yml", "Dockerfile"):
        (tmp_path / name).symlink_to(ROOT / name)
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("GITHUB_STEP_SUMMARY", raising=False)
    return tmp_path


def simulated(name: str) -> bool:
    """True when the sim can do what the base case of a scenario needs."""
    path = Path(name) if name.endswith(".yaml") else bundled()[name.partition("[")[0]]
    needs: set[str] = set()
    for case in load(path, catalogue()).all_cases():
        needs.update(make_plan(case, 1, {one: module.NEEDS for one, module in FAULTS.items()}).needs)
    return needs <= SimWorld.capabilities | SimulatedTarget.capabilities


def run_unstuck(words: list[str], here: Path) -> None:
    command, *rest = words
    chosen = options.parse(command, rest) if command in options.COMMANDS else None
    if {*words} & set(PARSED) or "…" in " ".join(words):
        assert chosen is not None
        return
    if command in ("check", "replay") or "--run" in words:
        assert main(["run", "sigterm-mid-job", "--world", "sim"]) == ExitCode.PASS
    if command == "gate":
        words = [*words, "--plan"]  # a gate has no sim; `test_a_gate_of_one_case` runs one
    if command == "reproduce" and chosen is not None and chosen.name is not None and "--world" not in words:
        if not simulated(chosen.name):
            return  # tests/incidents runs it on real processes
        words = [*words, "--world", "sim"]
    if command == "run" and "--world" not in words:
        assert chosen is not None
        real = chosen.target is not None or not all(map(simulated, chosen.files))
        words = [*words, *(["--plan"] if real else ["--world", "sim"])]
    weakened = "--defence-off" in words and "--plan" not in words
    assert main(words) == (ExitCode.FAIL if weakened else ExitCode.PASS)


def run_make(words: list[str], here: Path) -> None:
    targets = re.findall(r"^([a-z ]+):", text(Path("Makefile")), flags=re.MULTILINE)
    assert set(words) <= {one for line in targets for one in line.split()}


def run_pip(words: list[str], here: Path) -> None:
    extras = re.findall(r"unstuck\[([\w,]+)\]", " ".join(words))
    known = set(re.findall(r"^(\w+) = \[", text(Path("pyproject.toml")), flags=re.MULTILINE))
    assert words[0] == "install"
    assert {one for extra in extras for one in extra.split(",")} <= known


def test_no_page_installs_what_no_index_has() -> None:
    """Whoever types it gets an error, or somebody else's package of that name: a checkout is there."""
    found = [
        (page, line)
        for page in pages()
        for line in text(page).splitlines()
        if re.search(r"pip install (\S+ )*'?unstuck\b", line)
    ]
    assert found == []


def run_python(words: list[str], here: Path) -> None:
    assert words[:2] == ["-m", "reference_service"]
    name, arguments = words[2], words[3:]
    if name in COMMANDS:  # its words are read; with a service to do it, its own tests do it
        module, _, function = COMMANDS[name].partition(":")
        assert callable(getattr(import_module(module), function)(arguments))
    else:
        assert set(name.split("|")) <= set(ROLES)


def run_source(words: list[str], here: Path) -> None:
    assert words == [".venv/bin/activate"]
    assert "VENV ?= .venv" in text(Path("Makefile"))


def run_docker(words: list[str], here: Path) -> None:
    """Needs an engine, which the tests of the container world look for: here only what it would read."""
    assert (ROOT / "docker-compose.yml").exists() or "compose" not in words


HANDLED: Mapping[str, Callable[[list[str], Path], None]] = {
    "unstuck": run_unstuck,
    "make": run_make,
    "pip": run_pip,
    "python": run_python,
    ".": run_source,
    "docker": run_docker,
    "pytest": lambda words, here: None,  # `test_pytest_commands_work`
}


@pytest.mark.parametrize(
    ("where", "command"),
    [
        # Those of an incident's page run with the incidents: many are whole scenarios.
        pytest.param(*one, marks=[pytest.mark.incidents] * one[0].startswith("docs/incidents/"))
        for one in WANTED
    ],
    ids=[f"{where} {' '.join(one)}" for where, one in WANTED],
)
def test_commands_work(where: str, command: list[str], here: Path) -> None:
    """It ends as the page leads one to expect: passed, or failed where a defence was taken away.

    What shows a claim may end either way, as the page says beside it: it was run for its figure.
    """
    if where.startswith("docs/claims.md"):
        read_claim(command)
        return
    HANDLED[command[0]](command[1:], here)


@pytest.mark.parametrize("command", [one for _, one in WANTED if one[0] == "pytest"], ids=" ".join)
def test_pytest_commands_work(
    command: list[str], pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In a project with scenarios, in the sim, and in this process: that `-n` does what it says is shown by
    tests/unit/plugin."""
    monkeypatch.setenv("PYTEST_ADDOPTS", "-p no:hypothesispytest")
    pytester.makeini("[pytest]\nunstuck_paths = scenarios\n")
    (pytester.path / "scenarios").mkdir()
    for name in ("sigterm-mid-job", "worker-paused"):
        (pytester.path / "scenarios" / f"{name}.yaml").symlink_to(ROOT / "scenarios" / f"{name}.yaml")
    words = [
        word for word in command[1:] if word not in ("--unstuck-world", "containers", "processes", "sim")
    ]
    words = [word for before, word in zip(["", *words], words, strict=False) if "-n" not in (before, word)]
    assert pytester.runpytest_inprocess(*words, "--unstuck-world", "sim").ret == pytest.ExitCode.OK


def read_claim(command: list[str]) -> None:
    """It can be run as it stands; `bench claims` does that, for the figure beside it."""
    program, first, *rest = command
    if program == "unstuck":
        chosen = options.parse(first, rest)
        assert chosen is not None
        named = getattr(chosen, "files", None) or [getattr(chosen, "name", None)]
        assert first == "preflight" or all(name is None or name in bundled() for name in named)
    elif first == "-c":
        compile(rest[0], "claim", "exec")
    else:
        assert [program, first, rest[0]] == ["python", "-m", "bench"]
        assert callable(PAGES[rest[1]])


@pytest.mark.process
def test_a_gate_of_one_case(here: Path) -> None:
    """The README's first command in its smallest form, on real processes."""
    assert main(["gate", "baseline", "--cases-max", "1"]) == ExitCode.PASS
    assert (here / "reports" / "latest" / "report.html").exists()
