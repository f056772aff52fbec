"""What framer tests share: a host that records, and feeding in arbitrary chunks."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence

import pytest
from hypothesis import strategies as st

from unstuck.links.framers import Framer
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


def feed(framer: Framer, chunks: Iterable[bytes]) -> list[Piece]:
    """Feeds and forwards, as a lane without rules does."""
    pieces = []
    for chunk in chunks:
        for piece in framer.request(chunk):
            pieces.append(piece)
            if piece.first and piece.exchange is not None:
                framer.forwarded(piece.exchange)
    return pieces


def goes_on_unchanged(framer: Framer, data: bytes, where: list[int]) -> None:
    """Whatever it is, chunk by chunk: as requests, and then as replies."""
    chunks = cut(data, where)
    assert joined([*feed(framer, chunks), *framer.request_end()]) == data
    answered = [piece for chunk in chunks for piece in framer.reply(chunk)]
    assert joined([*answered, *framer.reply_end()]) == data


places = st.lists(st.integers(0, 10_000), max_size=30)
