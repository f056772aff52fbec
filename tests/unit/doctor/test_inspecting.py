"""What is said of a target before anything of it starts."""

from __future__ import annotations

import sys
from pathlib import Path

from tests.unit.declared.test_reading import GOOD, write
from unstuck.doctor.inspecting import look_at_file, look_at_programs, look_at_surroundings
from unstuck.doctor.steps import Step
from unstuck.targets.declared.file import TargetFile
from unstuck.targets.declared.reading import load_target


def load(folder: Path, old: str = "", new: str = "", more: str = "") -> TargetFile:
    return load_target(write(folder, GOOD.replace(old, new, 1) + more))


def bad(step: Step) -> str:
    return " ".join(step.told) if step.state == "bad" else ""


def test_todos_have_their_lines(tmp_path: Path) -> None:
    """Each of them, as words of their own; `TODOS` is none."""
    step = look_at_file(load(tmp_path, more="# TODO: this\n# TODOS\n# TODO that\n"))
    assert step.told[1:] == (
        f"{tmp_path}/unstuck.yaml:18: TODO this",
        f"{tmp_path}/unstuck.yaml:20: TODO that",
    )
    assert look_at_file(load(tmp_path)).state == "ok"


def test_programs_and_modules_are_looked_for(tmp_path: Path) -> None:
    """A program in PATH or by its path, a module in the target's own Python."""
    assert "'worker' was not found" in bad(look_at_programs(load(tmp_path)))
    assert look_at_programs(load(tmp_path, "[worker,", "[sh,")).state == "ok"
    program = tmp_path / "run.sh"
    program.write_text("#!/bin/sh\n")
    closed = look_at_programs(load(tmp_path, "[worker,", "[./run.sh,"))  # nobody may execute it
    assert "was not found" in bad(closed)
    program.chmod(0o755)
    assert look_at_programs(load(tmp_path, "[worker,", "[./run.sh,")).state == "ok"
    (tmp_path / "own_module.py").write_text("")
    own = '["{python}", -m, own_module,'
    assert look_at_programs(load(tmp_path, "[worker,", own)).state == "ok"
    other = look_at_programs(load(tmp_path, "[worker,", '["{python}", -m, no_such_module.x,'))
    assert f"{sys.executable} has no module 'no_such_module.x'" in bad(other)
    nowhere = load(tmp_path, "[worker,", own, more="python: .venv/bin/python\n")
    assert ".venv/bin/python' was not found" in bad(look_at_programs(nowhere))
    program.write_text("#!/no/such/shell\n")
    broken = load(tmp_path, "[worker,", own, more="python: ./run.sh\n")
    assert "does not run" in bad(look_at_programs(broken))


def test_packages_that_are_missing_are_told(tmp_path: Path) -> None:
    """Those of `requires`, and those of a package.json, here or above."""
    file = load(tmp_path, "[worker,", "[sh,", more='requires: ["no-such-package>=2"]\n')
    step = look_at_programs(file)
    assert "no-such-package" in bad(step)
    assert "pip install 'no-such-package>=2'." in step.advice
    needs = "requires: [{file: node_modules/some, install: npm install}]\n"
    step = look_at_programs(load(tmp_path, "[worker,", "[sh,", more=needs))
    assert "node_modules/some" in bad(step)
    assert f"(cd {tmp_path} && npm install)." in step.advice


def test_packages_of_node_are_looked_for_where_a_role_runs_it(tmp_path: Path) -> None:
    """Here or above; a front end beside a service in Python is nothing that a run needs."""
    node = tmp_path / "node"
    node.write_text("#!/bin/sh\n")
    node.chmod(0o755)
    (tmp_path / "package.json").write_text('{"dependencies": {"bullmq": "^5", "@x/y": "1"}}')
    (tmp_path / "node_modules" / "@x" / "y").mkdir(parents=True)
    assert look_at_programs(load(tmp_path, "[worker,", "[sh,")).state == "ok"
    step = look_at_programs(load(tmp_path, "[worker,", "[./node,"))
    assert "names bullmq, which no node_modules has" in bad(step)
    (tmp_path / "package.json").write_text("[]")
    assert look_at_programs(load(tmp_path, "[worker,", "[./node,")).state == "ok"


def test_a_module_is_looked_for_where_the_role_would_find_it(tmp_path: Path) -> None:
    """By the PYTHONPATH of the file, and over it the role's own, relative to the role's folder."""
    (tmp_path / "src").mkdir()
    (tmp_path / "src" / "own_module.py").write_text("")
    own = '["{python}", -m, own_module,'
    assert "has no module 'own_module'" in bad(look_at_programs(load(tmp_path, "[worker,", own)))
    by_file = GOOD.replace("[worker,", own).replace("  URL:", "  PYTHONPATH: src\n  URL:")
    assert look_at_programs(load_target(write(tmp_path, by_file))).state == "ok"
    of_role = by_file.replace("    ready:", "    environment: {PYTHONPATH: other}\n    ready:")
    assert "has no module" in bad(look_at_programs(load_target(write(tmp_path, of_role))))


def test_surroundings_are_told(tmp_path: Path) -> None:
    """What roles do not get, what a program may read by itself, and what it may reach."""
    file = load(tmp_path)
    assert look_at_surroundings(file, {"PATH": "/bin"}).state == "ok"
    step = look_at_surroundings(file, {"REDIS_URL": "x", "PATH": "/bin"})
    assert "kept from the roles: REDIS_URL" in step.told
    (tmp_path / ".env").write_text(
        "# c\nexport DATABASE_URL='postgres://prod/x'\nURL=redis://prod/0\nCOLOUR=red\n"
    )
    step = look_at_surroundings(file, {})
    assert step.state == "note"
    assert f"{tmp_path}/.env:2: DATABASE_URL may reach a role that reads this file by itself" in step.told
    assert not any("URL may" in told for told in step.told if ".env:3" in told)  # the file sets it
    allowed = load_target(write(tmp_path, GOOD + "allow_hosts: [prod]\n"), ["prod"])
    step = look_at_surroundings(allowed, {})
    assert any("off this machine it may reach: prod" in told for told in step.told)
