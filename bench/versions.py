"""Which versions a ready-made target is tried with on this machine."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Iterator
from importlib import metadata

from unstuck.targets.declared.file import RequiredFile, TargetFile
from unstuck.targets.dependencies.kinds.redis import find_server
from unstuck.worlds.process.dependencies.postgres_cluster import find_binaries

BESIDE = {"celery": ("kombu",)}  # what a system's behaviour depends on as much as on itself
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_VERSION = re.compile(r"\d+(?:\.\d+)+")
WITHIN_S = 30.0


def versions_of(target: TargetFile) -> dict[str, str]:
    """Name -> version: installed packages first, then servers, as they say it themselves."""
    return {**dict(_packages(target)), **dict(_servers(target))}


def _packages(target: TargetFile) -> Iterator[tuple[str, str]]:
    for one in target.requires:
        if isinstance(one, RequiredFile):
            package = json.loads((target.folder / one.file / "package.json").read_text(encoding="utf-8"))
            yield str(package["name"]), str(package["version"])
            yield "Node.js", _said("node", "--version")
            continue
        match = _NAME.match(one)
        if match is not None:
            for name in (match[0], *BESIDE.get(match[0], ())):
                yield name, metadata.version(name)


def _servers(target: TargetFile) -> Iterator[tuple[str, str]]:
    kinds = {one.kind for one in target.dependencies.values()}
    if "redis" in kinds:
        yield "Redis", _said(find_server(), "--version")
    if "rabbitmq" in kinds:
        yield "RabbitMQ", _said("rabbitmqctl", "version")
    if "postgres" in kinds:
        yield "PostgreSQL", _said(str(find_binaries() / "postgres"), "--version")


def _said(*words: str) -> str:
    said = subprocess.run(words, capture_output=True, text=True, check=True, timeout=WITHIN_S).stdout
    found = _VERSION.search(said)
    if found is None:
        raise ValueError(f"{' '.join(words)} names no version: {said!r}")
    return found[0]
