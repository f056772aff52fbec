"""What framer tests share: a host that records, and feeding in arbitrary chunks."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence

import pytest
from hypothesis import strategies as st

from unstuck.links.messages import Piece


class RecordingHost:
    """A framer's host that keeps what it was told."""

    def __init__(self) -> None:
        self.reasons: list[str] = []
        self.interims: list[bytes] = []

    def gave_up(self, reason: str) -> None:
        self.reasons.append(reason)

    def interim(self, data: bytes) -> None:
        self.interims.append(data)


@pytest.fixture
def host() -> RecordingHost:
    return RecordingHost()


def cut(data: bytes, places: Iterable[int]) -> list[bytes]:
    """`data` in chunks, cut at `places` (taken modulo its length)."""
    edges = sorted({0, len(data), *(place % (len(data) + 1) for place in places)})
    return [data[start:end] for start, end in itertools.pairwise(edges)]


def joined(pieces: Sequence[Piece]) -> bytes:
    return b"".join(piece.data for piece in pieces)


places = st.lists(st.integers(0, 10_000), max_size=30)
