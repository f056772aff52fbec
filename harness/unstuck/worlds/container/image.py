"""The image of the reference service: built once for each content, from what is installed here.

The tag holds a hash of all that goes into it, so that a change of the service is a new image, and nothing
else is. What the service needs to be installed is a layer of its own below its code: a change of the code
takes a second.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import importlib.util
import io
import re
import tarfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import unstuck
from unstuck.errors import Interrupted, TargetError

if TYPE_CHECKING:
    from docker import DockerClient

REPOSITORY = "unstuck-reference"
LABEL = "unstuck.image"
EXTRA = "service"  # what the service itself needs, without what a run needs besides
_LINES_OF_A_FAILURE = 5
_REQUIREMENT = re.compile(rf"^(?P<what>.+?)\s*;\s*extra\s*==\s*['\"]{EXTRA}['\"]\s*$")


def ensure(
    client: DockerClient, *, tell: Callable[[str], None], interrupted: Callable[[], bool] = lambda: False
) -> str:
    """The tag of the image, built unless it exists; `tell` hears of the steps.

    Raises `TargetError` with the end of the build's output, `Interrupted` once `interrupted()`; the engine
    then ends the build, and keeps the layers that are finished for the next one.
    """
    files = context()
    tag = f"{REPOSITORY}:{digest(files)}"
    if any(tag in (one["RepoTags"] or ()) for one in client.api.images(name=REPOSITORY)):
        return tag
    tell(f"building the image {tag} (once for each version of the service)")
    lines = client.api.build(
        fileobj=_tar(files), custom_context=True, tag=tag, rm=True, forcerm=True, decode=True,
        labels={LABEL: "reference"},
    )  # fmt: skip
    said: list[str] = []
    for line in lines:
        if interrupted():
            lines.close()
            raise Interrupted("interrupted while the image was being built")
        text = str(line.get("stream") or line.get("error") or "").strip()
        if text:
            said.append(text)
        if "error" in line:
            raise TargetError(f"image {tag}: the build failed: {' | '.join(said[-_LINES_OF_A_FAILURE:])}")
        if text.startswith("Step "):
            tell(f"image: {text.splitlines()[0]}")
    return tag


def context() -> Mapping[str, bytes]:
    """Every file that the build sees, by its path there: the Dockerfile, the service, what it needs."""
    package = Path(unstuck.__file__).parent
    shipped = package / "Dockerfile"
    dockerfile = shipped if shipped.exists() else package.parents[1] / "Dockerfile"
    files = {"Dockerfile": dockerfile.read_bytes(), "pyproject.toml": _project().encode()}
    service = _service_folder()
    for path in _sources(service):
        files[f"{service.name}/{path.relative_to(service).as_posix()}"] = path.read_bytes()
    return files


def digest(files: Mapping[str, bytes]) -> str:
    """The same for the same files, wherever and whenever."""
    whole = hashlib.sha256()
    for name in sorted(files):
        whole.update(f"{name}\0{len(files[name])}\0".encode() + files[name])
    return whole.hexdigest()[:16]


def _service_folder() -> Path:
    found = importlib.util.find_spec("reference_service")
    if found is None or found.origin is None:
        raise TargetError("the reference service is not installed: pip install 'unstuck[reference]'")
    return Path(found.origin).parent


def _sources(folder: Path) -> Iterator[Path]:
    for path in sorted(folder.rglob("*")):
        if path.is_file() and "__pycache__" not in path.parts:
            yield path


def _project() -> str:
    """A project file of what the service needs and nothing else: its layer changes only with that."""
    wanted = []
    for line in importlib.metadata.requires("unstuck") or ():
        match = _REQUIREMENT.match(line)
        if match is not None:
            wanted.append(match["what"].strip())
    if not wanted:
        raise TargetError(
            f"the installed metadata of unstuck has no extra {EXTRA!r}: install it again (pip install -e .)"
        )
    rows = "".join(f"    {requirement!r},\n" for requirement in sorted(wanted))
    return f"[project]\n[project.optional-dependencies]\n{EXTRA} = [\n{rows}]\n"


def _tar(files: Mapping[str, bytes]) -> io.BytesIO:
    whole = io.BytesIO()
    with tarfile.open(fileobj=whole, mode="w") as archive:
        for name in sorted(files):
            entry = tarfile.TarInfo(name)
            entry.size = len(files[name])
            entry.mode = 0o644
            archive.addfile(entry, io.BytesIO(files[name]))
    whole.seek(0)
    return whole
