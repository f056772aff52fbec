"""JPEGs through FFmpeg's own codec: no further imaging library, one codec context for many pictures."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import av
from av.video.reformatter import VideoReformatter


class Scaler:
    """Converts frames in this very thread; FFmpeg would start one a core, in each forked child."""

    def __init__(self) -> None:
        self._reformatter = VideoReformatter()

    def convert(self, frame: Any, width: int, height: int, pixels: str) -> Any:
        """The frame in this size and pixel format, with its own time."""
        return self._reformatter.reformat(frame, width, height, pixels, threads=1)


class JpegWriter:
    """Encodes frames of any size and format to JPEGs of one size."""

    def __init__(self, width: int, height: int) -> None:
        self._width = width
        self._height = height
        self._codec: Any = av.CodecContext.create("mjpeg", "w")
        self._codec.width = width
        self._codec.height = height
        self._codec.pix_fmt = "yuvj420p"
        self._codec.time_base = Fraction(1, 25)
        self._codec.thread_count = 1
        self._codec.options = {"qmin": "4", "qmax": "4"}  # small, and good enough to look at
        self._scaler = Scaler()
        self._count = 0

    def encode(self, frame: Any) -> bytes:
        """The JPEG of one frame."""
        scaled = self._scaler.convert(frame, self._width, self._height, "yuvj420p")
        scaled.pts = self._count
        scaled.time_base = self._codec.time_base
        self._count += 1
        (packet,) = self._codec.encode(scaled)
        return bytes(packet)


class JpegReader:
    """Decodes JPEGs that we wrote ourselves or were sent. Raises `ValueError` when it is none."""

    def __init__(self, pixels_max: int = 36_000_000) -> None:
        self._codec: Any = av.CodecContext.create("mjpeg", "r")
        self._codec.thread_count = 1
        self._codec.options = {"max_pixels": str(pixels_max)}
        self._scaler = Scaler()

    def decode(self, jpeg: bytes) -> Any:
        """The one frame of a JPEG."""
        try:
            frames = self._codec.decode(av.Packet(jpeg))
        except av.FFmpegError as error:
            if isinstance(error, MemoryError):
                raise
            raise ValueError(f"not a JPEG: {error.strerror}") from error
        if len(frames) != 1:
            raise ValueError(f"not a JPEG: {len(frames)} pictures in {len(jpeg)} bytes")
        return frames[0]

    def luma(self, jpeg: bytes, width: int, height: int) -> bytes:
        """Brightness, 0 to 255, of each pixel of the picture shrunk to `width` x `height`."""
        gray = self._scaler.convert(self.decode(jpeg), width, height, "gray")
        (plane,) = gray.planes
        rows = bytes(plane)  # each may be padded to a rounder length
        return b"".join(rows[at : at + width] for at in range(0, plane.line_size * height, plane.line_size))


def fit(width: int, height: int, widest: int) -> tuple[int, int]:
    """Even sizes of the same shape, at most `widest` a side, at least 2."""
    scale = min(1.0, widest / max(width, height))
    return max(2, int(width * scale) // 2 * 2), max(2, int(height * scale) // 2 * 2)
