"""What an installed plugin costs a test run that has nothing to do with it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

PROGRAM = """
import sys
import pytest
code = pytest.main(["--collect-only", "-q", "-p", "no:cacheprovider", *sys.argv[1:]])
assert code == pytest.ExitCode.NO_TESTS_COLLECTED, code
print("modules:", *sorted(sys.modules))
"""


def modules(folder: Path, *words: str) -> set[str]:
    """What is imported by a pytest in an empty project."""
    command = [sys.executable, "-c", PROGRAM, *words]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    [line] = [line for line in done.stdout.splitlines() if line.startswith("modules:")]
    return set(line.split()[1:])


def test_a_foreign_test_run_imports_two_small_modules(tmp_path: Path) -> None:
    """The package and the plugin itself: nothing else of ours, and nothing of anybody else's for us."""
    assert modules(tmp_path) - modules(tmp_path, "-p", "no:unstuck") == {"unstuck", "unstuck.pytest_plugin"}
