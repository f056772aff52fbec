"""Other versions of the service: wheels built from named commits of its repository.

A run that mixes old and new processes mixes what was really shipped: the wheel is built from the
commit's own tree and unpacked into a folder that its processes import from before anything else.
"""

from __future__ import annotations

import importlib.util
import io
import subprocess
import sys
import tarfile
import threading
import zipfile
from pathlib import Path

import reference_service
from unstuck.errors import TargetError

BUILD_TIMEOUT_S = 120.0
LEFT_OUT = (":(exclude)tests", ":(exclude)docs", ":(exclude)bench")  # in no wheel


def repository() -> Path | None:
    """The checkout that the service is imported from; None when it was installed from a wheel."""
    root = Path(reference_service.__file__).resolve().parents[1]
    return root if (root / ".git").exists() else None


def can_build() -> bool:
    """Whether wheels of other commits can be built here: a checkout, and the build backend."""
    return repository() is not None and importlib.util.find_spec("hatchling") is not None


def is_known(commit: str) -> bool:
    """Whether a commit is in the history at hand: a shallow clone has little of it."""
    root = repository()
    if root is None:
        return False
    command = ["git", "-C", str(root), "cat-file", "-e", f"{commit}^{{commit}}"]
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


class Versions:
    """Builds each commit once for a session, and unpacks each wheel (a path that ends in `.whl`).

    Safe to use from many threads."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder.absolute()
        self._lock = threading.Lock()
        self._built: dict[str, Path] = {}

    def path(self, commit: str) -> Path:
        """A folder to put first on PYTHONPATH.

        Raises `TargetError` when the commit is not in the history at hand, or does not build.
        """
        with self._lock:
            if commit not in self._built:
                is_wheel = commit.endswith(".whl")
                self._built[commit] = self._unpack(Path(commit)) if is_wheel else self._build(commit)
            return self._built[commit]

    def _unpack(self, wheel: Path) -> Path:
        target = self._folder / f"wheel-{len(self._built)}"
        try:
            with zipfile.ZipFile(wheel) as packed:
                packed.extractall(target)  # noqa: S202  the wheel that somebody wants to deploy
        except (OSError, zipfile.BadZipFile) as error:
            raise TargetError(f"version={str(wheel)!r}: is no wheel that can be read: {error}") from None
        return target

    def _build(self, commit: str) -> Path:
        root = repository()
        if root is None:
            raise TargetError(f"version={commit!r}: needs a checkout of the service, with its history")
        source, target = self._folder / f"{commit}-source", self._folder / commit
        archive = _run(
            ["git", "-C", str(root), "archive", "--format=tar", commit, "--", ".", *LEFT_OUT], commit
        )
        with tarfile.open(fileobj=io.BytesIO(archive)) as tree:
            tree.extractall(source, filter="data")
        command = [
            sys.executable,
            "-m",
            "hatchling",
            "build",
            "-t",
            "wheel",
            "-d",
            str(self._folder / "wheels"),
        ]
        _run(command, commit, folder=source)
        [wheel] = (self._folder / "wheels").glob("*.whl")
        with zipfile.ZipFile(wheel) as packed:
            packed.extractall(target)  # noqa: S202  the wheel that we have just built
        wheel.unlink()  # the next version may bear the same number
        return target


def _run(command: list[str], commit: str, folder: Path | None = None) -> bytes:
    try:
        done = subprocess.run(command, cwd=folder, capture_output=True, timeout=BUILD_TIMEOUT_S, check=True)
    except subprocess.CalledProcessError as error:
        last = (error.stderr or error.stdout).decode(errors="replace").strip().splitlines()
        raise TargetError(
            f"version={commit!r}: cannot be built: {last[-1] if last else error}. "
            "Fetch the whole history (git fetch --unshallow), or name another commit."
        ) from None
    except (OSError, subprocess.TimeoutExpired) as error:
        raise TargetError(f"version={commit!r}: cannot be built: {error}") from None
    return done.stdout
