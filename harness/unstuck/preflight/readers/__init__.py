"""From a file's name and text to a `Manifest`: which format it is, and what is read from it."""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Mapping
from pathlib import PurePosixPath
from typing import Final

from unstuck.errors import UsageError, did_you_mean
from unstuck.preflight.model import Manifest, Workload
from unstuck.preflight.readers import (
    cloud_build,
    cloud_run,
    compose,
    dockerfile,
    fly,
    kubernetes,
    procfile,
    shell,
    systemd,
)
from unstuck.preflight.readers.allowing import allowances
from unstuck.preflight.yaml_tree import at, documents, text_of
from unstuck.yaml_source import Node

NAMES: Final[Mapping[str, str]] = {
    compose.FORMAT: "*.yaml, *.yml with `services:`",
    cloud_run.FORMAT: (
        "*.yaml, *.yml: Service of serving.knative.dev; Job, Execution, WorkerPool of run.googleapis.com"
    ),
    cloud_build.FORMAT: "*.yaml, *.yml with `steps:`; what they deploy with gcloud",
    shell.FORMAT: "*.sh, *.bash, and what begins with #!/…sh; the lines with gcloud and aws sqs",
    dockerfile.FORMAT: "Dockerfile, Dockerfile.*, *.Dockerfile, Containerfile",
    kubernetes.FORMAT: "*.yaml, *.yml with `apiVersion:` and `kind:`, also several in one file",
    systemd.FORMAT: "*.service, *.timer",
    procfile.FORMAT: "Procfile, Procfile.*",
    fly.FORMAT: "fly.toml, fly.*.toml",
}
"""Format -> by what it is recognised, for people."""

_Reader = tuple[str, Callable[[str, str], list[Workload]]]
_BY_NAME: Final[tuple[tuple[str, _Reader], ...]] = (
    (
        r"(dockerfile|containerfile)(\..+)?|.+\.(dockerfile|containerfile)",
        (dockerfile.FORMAT, lambda text, _: dockerfile.read(text)),
    ),
    (r"procfile(\..+)?", (procfile.FORMAT, lambda text, _: procfile.read(text))),
    (r"fly(\..+)?\.toml", (fly.FORMAT, fly.read)),
    (r".+\.(service|timer)", (systemd.FORMAT, systemd.read)),
    (r".+\.(sh|bash)", (shell.FORMAT, lambda text, _: shell.read(text))),
)
_YAML: Final = (cloud_run, compose, cloud_build, kubernetes)
_WELL_KNOWN: Final = (
    *("Dockerfile", "Containerfile", "Procfile", "fly.toml", "docker-compose.yml", "compose.yaml"),
    *("cloudbuild.yaml", "deploy.sh", "service.yaml"),
)


def read_manifest(path: str, text: str) -> Manifest:
    """What a file says. `path` is as the user wrote it; its last part tells the formats that have no marks.

    Raises `UsageError`, one line with `path:line`, for a file that is none of the formats, or broken.
    """
    format_, workloads = _read(path, text)
    return Manifest(path=path, format=format_, workloads=tuple(workloads), allowed=allowances(text, path))


def recognised(path: str) -> bool:
    """True for a name that belongs to one of the formats, or may (`*.yaml`)."""
    name = PurePosixPath(path.replace("\\", "/")).name.lower()
    return name.endswith((".yaml", ".yml")) or any(re.fullmatch(pattern, name) for pattern, _ in _BY_NAME)


def _read(path: str, text: str) -> tuple[str, list[Workload]]:
    name = PurePosixPath(path.replace("\\", "/")).name
    for pattern, (format_, read) in _BY_NAME:
        if re.fullmatch(pattern, name.lower()):
            return format_, read(text, path)
    if name.lower().endswith((".yaml", ".yml", ".json")):  # YAML reads JSON
        return _yaml(path, text)
    if re.match(r"#!.*\b(ba|da|z|k|a)?sh\b", text):
        return shell.FORMAT, shell.read(text)
    close = difflib.get_close_matches(name, _WELL_KNOWN, n=1, cutoff=0.7)
    hint = f" Did you mean {close[0]!r}?" if close else f" Known: {', '.join(NAMES)}."
    raise UsageError(f"{path}: the name tells no format that preflight reads.{hint}")


def _yaml(path: str, text: str) -> tuple[str, list[Workload]]:
    found = documents(text, path)
    if not found:
        raise UsageError(f"{path}:1: the file holds nothing. Give a manifest.")
    for reader in _YAML:
        if reader.recognise(found):
            _refuse_misspelt(path, found)
            workloads = reader.read(found)
            if reader is cloud_run:  # what stands beside it in the same file may be Kubernetes' own
                workloads += kubernetes.read([one for one in found if not cloud_run.recognise([one])])
            return reader.FORMAT, workloads
    raise UsageError(
        f"{path}:{found[0].line}: this YAML is no manifest that is read here: no `services:` (Compose), "
        "no `steps:` (Cloud Build), no `apiVersion:` with `kind:` (Kubernetes, Cloud Run). Give another file."
    )


def _refuse_misspelt(path: str, found: list[Node]) -> None:
    known = {*kubernetes.PODS, *kubernetes.OTHERS, "List", "Execution", "WorkerPool"}
    for one in found:
        node = at(one, "kind")
        kind = text_of(node)
        if node is None or kind is None or kind in known:
            continue
        if difflib.get_close_matches(kind, [*kubernetes.PODS], n=1, cutoff=0.85):
            raise UsageError(f"{path}:{node.line}: kind={kind!r} is unknown.{did_you_mean(kind, known)}")
