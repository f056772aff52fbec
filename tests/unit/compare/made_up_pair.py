"""Two recorded runs to compare, made up: folders named `before` and `after`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.unit.report.made_up import recorded
from unstuck.report.publish import publish_run


def keep(folder: Path, name: str, **how: Any) -> Path:
    """A made-up run with all its reports, in `folder/name`; `how` goes to `recorded`."""
    run, line = recorded(folder, **how)
    publish_run(run, line)
    return run.path.rename(folder / name)
