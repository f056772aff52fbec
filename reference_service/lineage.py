"""What the stages of a job have left, so that whatever was made of something else is told from it.

1. An attempt finishes `frames` and `scenes`, and dies. 2. What `frames` left is lost, so the next attempt
runs it again, and it may come out otherwise: another version, another encoder. 3. The files of `scenes` are
what they were, and are of frames that are no more. A stage's own hashes cannot say so.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

from reference_service.store.work import Checkpoint


class Lineage:
    """Of one attempt; stages are added in their order."""

    def __init__(self, etag: str | None) -> None:
        """`etag`: of the source."""
        self._etag = etag
        self._hashes: dict[str, str] = {}  # stage -> what it left
        self._newest_token = 0

    def add(self, checkpoint: Checkpoint) -> None:
        """The stage is done, in this attempt or in an earlier one: later stages build on it."""
        hashes = sorted(f"{name} {one.sha256}" for name, one in checkpoint.artefacts.items())
        self._hashes[checkpoint.stage] = hashlib.sha256("\n".join(hashes).encode()).hexdigest()
        self._newest_token = max(self._newest_token, checkpoint.token)

    @property
    def made_of(self) -> str:
        """A hash of the source and of all that was added: what the next stage is made of."""
        return hashlib.sha256(json.dumps([self._etag, self._hashes], sort_keys=True).encode()).hexdigest()

    def has(self, checkpoint: Checkpoint) -> bool:
        """Whether the checkpoint, or part, of the next stage was made of this.

        A row of a version that did not record it is judged by tokens, which grow with each attempt: if an
        earlier stage ran after it, it was not. To refuse all of them would do all work again that a deploy
        finds under way; to take them all would publish what is described above.
        """
        if checkpoint.made_of is None:
            return checkpoint.token >= self._newest_token
        return checkpoint.made_of == self.made_of


def sha256_of(path: Path) -> str:
    """Streams the file; memory does not grow with its size."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
