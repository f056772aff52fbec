"""What works with no more installed than a target of one's own needs."""

from __future__ import annotations

import os
import subprocess
import sys


def test_a_target_of_ones_own_needs_nothing_of_the_bundled_service() -> None:
    """Whoever installed no more than `unstuck[targets]` can list scenarios, explore, plan a run."""
    absent = ("pydantic", "pydantic_settings", "sqlalchemy", "boto3", "fastapi", "uvicorn", "av", "greenlet")
    for words in (
        ["scenarios", "list"],
        ["explore", "--points", "--plan"],
        ["run", "worker-killed", "--plan"],
    ):
        command = [*words, "--target", "celery-redis"]
        program = (
            f"import sys; sys.modules.update(dict.fromkeys({absent!r}))\n"
            f"from unstuck.cli import main; sys.exit(main({command!r}))"
        )
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
        done = subprocess.run(
            [sys.executable, "-c", program], capture_output=True, text=True, env=environment, check=False
        )
        assert done.returncode == 0, done.stderr
