"""Packages that a target's own program needs, and those of them that are missing."""

from __future__ import annotations

import re
from importlib import metadata

from unstuck.targets.declared.file import TargetFile

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


def missing_packages(target: TargetFile) -> list[str]:
    """What the file's `requires` names and this Python lacks, as pip takes it; versions are not compared.

    Empty for a target with a Python of its own: what that has is its own affair.
    """
    return [] if target.python is not None else [one for one in target.requires if not _is_there(one)]


def install_line(missing: list[str]) -> str:
    """The command that installs them."""
    return "pip install " + " ".join(f"'{one}'" for one in missing)


def _is_there(requirement: str) -> bool:
    match = _NAME.match(requirement)
    if match is None:
        return False
    try:
        metadata.distribution(match[0])
    except metadata.PackageNotFoundError:
        return False
    return True
