"""All randomness comes from one seed, split by name, so that adding a consumer moves no other."""

from __future__ import annotations

import hashlib
import random


def split(seed: int, *names: str | int) -> random.Random:
    """A generator that depends on `seed` and `names` only: same in every process and Python ≥ 3.11."""
    text = "\x1f".join([str(seed), *map(str, names)])
    digest = hashlib.sha256(text.encode()).digest()
    return random.Random(int.from_bytes(digest[:8], "big"))  # noqa: S311  replayable on purpose
