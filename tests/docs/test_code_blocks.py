"""Every code block of the README and the other pages is run, or held to what the code says.

| kind | what is done with it |
|---|---|
| `yaml` | loaded by the real loader as a scenario, a snippet inside of a small one; or a CI workflow |
| `toml` | read as a policy |
| `json` | parsed; a baseline, and a list of proxies, by who reads those |
| `manifest` | the text of a rule's example, which are tests of their own; or read as Compose |
| `python` | executed, in the order of its page |
| `shell` | each command is run in the cheapest form that says something, see `test_commands.py` |
| `console` | its commands as in `shell`; what it shows, by one of the checks in `test_outputs.py` |
| `text` | by one of the checks in `test_outputs.py` |
"""

from __future__ import annotations

import json
import re
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from toxiproxy.api import APIConsumer

from tests.conformance.toxiproxy.conftest import Server
from tests.docs.blocks import KINDS, Block, commands, every_block, of_kind
from tests.docs.test_commands import HANDLED as COMMANDS
from tests.docs.test_outputs import CHECKS
from tests.tooling.repository import ROOT
from tests.unit.plugin.fake_runs import FakeRuns
from unstuck.cli.choosing import choose_target
from unstuck.cli.policy import load_policy
from unstuck.compare.baseline import read_baseline
from unstuck.links.toxiproxy.routes import read_proxies
from unstuck.preflight.readers import read_manifest
from unstuck.preflight.rules import RULES
from unstuck.scenario_file import load, loads
from unstuck.targets.declared.names import catalogue_of
from unstuck.targets.declared.reading import load_target
from unstuck.targets.reference import catalogue

pytest_plugins = ["pytester"]

OWN = Path("docs/your-own-service.md")  # its files are of a target of one's own
WORKFLOW = ("on:", "jobs:")  # a YAML block with both is GitHub's, and no scenario
AROUND = """\
name: around
summary: A small scenario around a snippet.
workload:
  - upload: {count: 2}
expect:
  no_job_lost: {}
"""


def test_every_block_says_what_it_is() -> None:
    """A block without a kind, or of an unknown one, would be run by nobody."""
    assert [str(block) for block in every_block() if block.kind not in KINDS] == []


def test_every_output_has_a_check() -> None:
    """What a page shows as output is compared with something; a check without its block is stale."""
    shown = {(str(block.page), block.first) for block in of_kind("console", "text")}
    assert shown == set(CHECKS)


def test_every_command_is_handled() -> None:
    """No command is run by nobody."""
    words = {command[0] for block in of_kind("shell", "console") for command in commands(block)}
    assert words <= set(COMMANDS)


@pytest.mark.parametrize("block", of_kind("yaml"), ids=str)
def test_yaml_loads(block: Block) -> None:
    """A whole scenario by itself, a snippet of one inside of a small one, a workflow by the keys it has."""
    if all(f"\n{key}" in f"\n{block.content}" for key in WORKFLOW):
        used = re.findall(r"run: (?:make|\.venv/bin/unstuck|unstuck) ?\w*", block.content)
        assert used, "a workflow that does not run anything of ours"
        return
    if block.page.name == OWN.name:
        _load_own(block)
        return
    text = block.content
    if not re.search(r"^name:", text, flags=re.MULTILINE):
        keys = set(re.findall(r"^(\w+):", text, flags=re.MULTILINE))
        kept = [
            part
            for part in re.split(r"^(?=\w)", AROUND, flags=re.MULTILINE)
            if part.split(":")[0] not in keys
        ]
        text = "".join(kept) + text
    words = catalogue()
    if re.search(r"^ +- submit:", text, flags=re.MULTILINE):  # for a target of one's own
        words = choose_target("celery-redis").catalogue()
    assert loads(text, block.page, words).all_cases()


def _load_own(block: Block) -> None:
    """A target file by its own loader, from a folder with nothing else; a scenario as one for that target."""
    [target] = [one for one in of_kind("yaml") if one.page == block.page and "\nroles:" in one.content]
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "unstuck.yaml"
        text = target.content
        for part in (
            re.split(r"^(?=\w)", block.content, flags=re.MULTILINE) if "observe:" in block.content else ()
        ):
            key = part.partition(":")[0]  # keys of a target file, in the place of those of the whole one
            kept = [
                one for one in re.split(r"^(?=\w)", text, flags=re.MULTILINE) if not one.startswith(f"{key}:")
            ]
            text = "".join([*kept, part])
        file.write_text(text, encoding="utf-8")
        loaded = load_target(file)
    assert "observe:" in block.content or loads(block.content, block.page, catalogue_of(loaded)).all_cases()


@pytest.mark.parametrize("block", of_kind("toml"), ids=str)
def test_toml_is_a_policy(block: Block, tmp_path: Path) -> None:
    """What a reader copies into pyproject.toml is read without complaint, or configures pytest."""
    file = tmp_path / "pyproject.toml"
    file.write_text(block.content, encoding="utf-8")
    assert "[tool.unstuck" in block.content or "unstuck_paths" in block.content
    load_policy(file)


@pytest.mark.parametrize("block", of_kind("json"), ids=str)
def test_json_is_what_the_page_says(block: Block, tmp_path: Path) -> None:
    """A baseline is read as one, and so is a list of proxies."""
    if isinstance(json.loads(block.content), list):
        assert read_proxies(block.content.encode())
        return
    file = tmp_path / "baseline.json"
    file.write_text(block.content, encoding="utf-8")
    assert read_baseline(file).machine.processors


@pytest.mark.parametrize("block", of_kind("manifest"), ids=str)
def test_manifests_are_examples_of_rules_or_are_read(block: Block) -> None:
    """An example is the very text of its rule; the others are Compose files."""
    examples = {one.text for rule in RULES.values() for one in (rule.BAD, rule.GOOD)}
    assert block.content in examples or read_manifest("compose.yaml", block.content).workloads


class Everything(frozenset[str]):
    """A set that holds every name."""

    def __contains__(self, _: object) -> bool:
        return True


def _names(
    page: Path, folder: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> dict[str, Any]:
    """What a page's Python finds: the names that it speaks of, and made-up runs in the place of long ones."""
    if page.name == "worlds.md":
        file = load(ROOT / "scenarios" / "baseline.yaml", catalogue())
        return {"scenario": file.base_case(), "an_empty_folder": folder}
    if page.name == "generated-scenarios.md":
        runs = FakeRuns(stuck=Everything())

        def run_many(cases: Any, *, reports: Path, seed: int, **_: Any) -> Any:
            return [runs(case, reports=reports, seed=seed, stop=threading.Event()) for case in cases]

        monkeypatch.setattr("unstuck.campaign.run_many", run_many)
    if page.name == "proxy.md":
        server = Server()
        request.addfinalizer(server.end)
        server.__enter__()
        monkeypatch.setattr(APIConsumer, "port", server.port)
    return {}


def _python_pages() -> Iterator[Path]:
    yield from dict.fromkeys(block.page for block in of_kind("python") if "unstuck_run" not in block.content)


@pytest.mark.parametrize("page", [*_python_pages()], ids=str)
def test_python_runs(
    page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> None:
    """All blocks of a page, one after another, as a reader would type them."""
    monkeypatch.chdir(tmp_path)
    empty = tmp_path / "empty"
    empty.mkdir()
    names = _names(page, empty, monkeypatch, request)
    for block in of_kind("python"):
        if block.page == page and "unstuck_run" not in block.content:
            code = compile("\n" * block.line + block.content, str(ROOT / page), "exec")
            exec(code, names)


@pytest.mark.parametrize("block", [one for one in of_kind("python") if "unstuck_run" in one.content], ids=str)
def test_tests_of_a_page_pass(
    block: Block, pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A test that a page shows passes, in the sim, in a project with the bundled scenarios."""
    monkeypatch.setenv("PYTEST_ADDOPTS", "-p no:hypothesispytest --unstuck-world sim")
    (pytester.path / "scenarios").symlink_to(ROOT / "scenarios")
    pytester.makepyfile(test_page=block.content)
    count = len(re.findall(r"^def test_", block.content, flags=re.MULTILINE))
    pytester.runpytest_inprocess("test_page.py").assert_outcomes(passed=count)
