"""Judges an MP4 by its boxes alone, before FFmpeg sees it: a few reads, no decoding, no large buffer.

FFmpeg trusts several numbers of the header enough to allocate by them: the size of a picture, how many
samples a track has, how often an edit list repeats them. A file of a kilobyte can so claim gigabytes.
Box layouts: ISO/IEC 14496-12.
"""

from __future__ import annotations

import struct
import sys
from array import array
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from reference_service.ports import InvalidMedia

SIDE_PX_MAX = 8192
PICTURE_PX_MAX = 36_000_000
SAMPLES_MAX = 4_000_000  # in all tracks; six hours of 60 pictures/s and AAC are 2.3 million
EDITS_MAX = 64  # FFmpeg indexes the samples anew for each edit
HEADER_BYTES_MAX = 64 * 1024**2
BOXES_MAX = 100_000
DEPTH_MAX = 12
_CHUNK_BYTES = 64 * 1024

# Boxes that hold boxes, as FFmpeg reads them: it takes a sample table wherever it stands.
_PARENTS = frozenset(
    {b"dinf", b"edts", b"mdia", b"minf", b"moof", b"moov", b"mvex", b"stbl", b"traf", b"trak", b"udta"}
)

# Tables: bytes of their smallest entry. FFmpeg allocates by the count that they claim.
_TABLES = {
    b"stts": 8,
    b"ctts": 8,
    b"stsc": 12,
    b"stco": 4,
    b"co64": 8,
    b"stss": 4,
    b"elst": 12,
    b"stsd": 8,
}
_FIRST = frozenset({b"ftyp", b"moov", b"mdat", b"free", b"skip", b"wide"})


@dataclass(frozen=True, slots=True, kw_only=True)
class _Box:
    kind: bytes
    body: int  # where its content begins, in bytes of the file
    end: int


def check_boxes(path: Path) -> None:
    """Returns when the file's own header is whole and claims nothing absurd.

    Raises `InvalidMedia`. Takes time and memory bounded by the limits above, whatever the file holds.
    """
    with path.open("rb") as file:
        size = path.stat().st_size
        if size == 0:
            raise InvalidMedia("the file is empty")
        _Judge(file).judge(size)


class _Judge:
    """One pass over the boxes of one file."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._boxes = 0
        self._samples = 0
        self._size = 0  # of the file, in bytes
        self._handler = b""  # of the track that is being read: `vide`, `soun`, …

    def judge(self, size: int) -> None:
        self._size = size
        if size < 8 or self._read(4, 4) not in _FIRST:
            raise InvalidMedia("not an MP4: it does not begin with a known box")
        seen: set[bytes] = set()
        for box in self._children(0, size, kind=b""):
            seen.add(box.kind)
            if box.kind in {b"moov", b"moof"}:
                if box.end - box.body > HEADER_BYTES_MAX:
                    raise InvalidMedia(f"header of {box.end - box.body} bytes (most: {HEADER_BYTES_MAX})")
                self._descend(box, depth=1)
        if b"moov" not in seen:
            raise InvalidMedia("truncated or not an MP4: it has no `moov` box")

    def _descend(self, parent: _Box, *, depth: int) -> None:
        if depth > DEPTH_MAX:
            raise InvalidMedia(f"boxes nested deeper than {DEPTH_MAX}")
        if parent.kind == b"trak":
            self._handler = b""
        for box in self._children(parent.body, parent.end, kind=parent.kind):
            if box.kind in _PARENTS:
                self._descend(box, depth=depth + 1)
            else:
                self._check(box)

    def _children(self, start: int, end: int, *, kind: bytes) -> Iterator[_Box]:
        at = start
        while end - at >= 8:
            self._boxes += 1
            if self._boxes > BOXES_MAX:
                raise InvalidMedia(f"more than {BOXES_MAX} boxes")
            length, name = struct.unpack(">I4s", self._read(at, 8))
            body = at + 8
            if length == 1 and end - at >= 16:
                (length,) = struct.unpack(">Q", self._read(body, 8))
                body += 8
            elif length == 0:
                if kind:  # `udta` ends with a zero instead of a box
                    return
                length = end - at
            if length < body - at:
                raise InvalidMedia(f"broken box at byte {at}: length {length}")
            if at + length > end:
                raise InvalidMedia(
                    f"truncated: box {name.decode('latin-1')!r} at byte {at} claims {length} bytes, "
                    f"{end - at} are there"
                )
            yield _Box(kind=name, body=body, end=at + length)
            at += length

    def _check(self, box: _Box) -> None:
        self._check_counts(box)
        match box.kind:
            case b"cmov":
                raise InvalidMedia("a compressed header is not accepted")
            case b"hdlr":
                self._handler = self._read(box.body + 8, 4, box)
            case b"tkhd":
                version = self._read(box.body, 1, box)[0]
                size = self._read(box.body + (88 if version else 76), 8, box)
                width, height = struct.unpack(">II", size)
                check_picture(width >> 16, height >> 16)  # 16.16 fixed point
            case b"stsd":
                for entry in self._children(box.body + 8, box.end, kind=b"stsd"):
                    if self._handler == b"vide":
                        width, height = struct.unpack(">HH", self._read(entry.body + 24, 4, entry))
                        check_picture(width, height)

    def _check_counts(self, box: _Box) -> None:
        entry_bytes = _TABLES.get(box.kind, 0)
        count = self._u32(box, 4) if entry_bytes else 0
        match box.kind:
            case b"stsz":
                count = self._count_samples(self._u32(box, 8))
                entry_bytes = 0 if self._u32(box, 4) else 4  # one size for all: no entries follow
            case b"stz2":
                self._count_samples(self._u32(box, 8))
            case b"trun":
                self._count_samples(self._u32(box, 4))
            case b"elst" if count > EDITS_MAX:
                raise InvalidMedia(f"edit list of {count} entries (most: {EDITS_MAX})")
        if count * entry_bytes > box.end - box.body:
            raise InvalidMedia(
                f"broken box {box.kind.decode('latin-1')!r}: claims {count} entries "
                f"in {box.end - box.body} bytes"
            )
        if box.kind == b"stsz":
            self._check_sizes(box, count)

    def _check_sizes(self, box: _Box, count: int) -> None:
        """No sample is larger than the file: FFmpeg would ask for that much memory before it reads."""
        most = self._u32(box, 4) if count else 0
        for at in range(12, 12 + count * 4, _CHUNK_BYTES) if most == 0 else ():
            length = min(_CHUNK_BYTES, 12 + count * 4 - at)
            sizes = array("I", self._read(box.body + at, length, box))
            if sys.byteorder == "little":
                sizes.byteswap()
            most = max(most, *sizes)
        if most > self._size:
            raise InvalidMedia(f"broken box 'stsz': a sample of {most} bytes in a file of {self._size}")

    def _count_samples(self, count: int) -> int:
        self._samples += count
        if self._samples > SAMPLES_MAX:
            raise InvalidMedia(f"tracks of {self._samples} samples (most: {SAMPLES_MAX})")
        return count

    def _u32(self, box: _Box, offset: int) -> int:
        return int.from_bytes(self._read(box.body + offset, 4, box), "big")

    def _read(self, at: int, length: int, box: _Box | None = None) -> bytes:
        if box is not None and at + length > box.end:
            raise InvalidMedia(f"broken box {box.kind.decode('latin-1')!r}: too short")
        self._file.seek(at)
        found = self._file.read(length)
        if len(found) < length:
            raise InvalidMedia("truncated: the file ends within a box")
        return found


def check_picture(width: int, height: int) -> None:
    """Raises `InvalidMedia` when a picture of this many pixels is more than we take."""
    if width > SIDE_PX_MAX or height > SIDE_PX_MAX or width * height > PICTURE_PX_MAX:
        raise InvalidMedia(
            f"absurd resolution: the header claims {width}x{height} "
            f"(most: {SIDE_PX_MAX} a side, {PICTURE_PX_MAX} pixels)"
        )
