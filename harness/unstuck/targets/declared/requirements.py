"""What a target's own program needs, and what of it is missing."""

from __future__ import annotations

import re
import shlex
from importlib import metadata

from unstuck.targets.declared.file import RequiredFile, TargetFile

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


def what_is_missing(target: TargetFile) -> list[str]:
    """What the file's `requires` names and is not there: packages as pip takes them, and files.

    Versions are not compared. Packages of a target with a Python of its own are never missing: what that has
    is its own affair.
    """
    return [*_missing_packages(target), *(one.file for one in _missing_files(target))]


def install_line(target: TargetFile) -> str:
    """The command that installs what is missing; empty if nothing is."""
    packages = _missing_packages(target)
    parts = ["pip install " + " ".join(f"'{one}'" for one in packages)] if packages else []
    commands = dict.fromkeys(one.install for one in _missing_files(target))
    parts += [f"(cd {shlex.quote(str(target.folder))} && {command})" for command in commands]
    return " && ".join(parts)


def _missing_packages(target: TargetFile) -> list[str]:
    if target.python is not None:
        return []
    return [one for one in target.requires if isinstance(one, str) and not _is_there(one)]


def _missing_files(target: TargetFile) -> list[RequiredFile]:
    return [
        one
        for one in target.requires
        if isinstance(one, RequiredFile) and not (target.folder / one.file).exists()
    ]


def _is_there(requirement: str) -> bool:
    match = _NAME.match(requirement)
    if match is None:
        return False
    try:
        metadata.distribution(match[0])
    except metadata.PackageNotFoundError:
        return False
    return True
