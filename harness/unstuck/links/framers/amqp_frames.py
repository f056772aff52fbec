"""Frames of AMQP 0-9-1, one direction: method, header and bodies of a channel become one message."""

from __future__ import annotations

import struct
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field

from unstuck.links.framers.amqp_methods import WITH_CONTENT, Method
from unstuck.links.messages import KEPT_BYTES_MAX

PROTOCOL = b"AMQP\x00\x00\x09\x01"
METHOD, HEADER, BODY, HEARTBEAT = 1, 2, 3, 8
_KINDS = frozenset({METHOD, HEADER, BODY, HEARTBEAT})
FRAME_BYTES_MAX = 64 * 1024 * 1024  # no server allows so much; the usual limit is 128 KiB
WAITING_BYTES_MAX = 64 * 1024 * 1024
_HEAD = struct.Struct("!BHI")
_METHOD_OF = struct.Struct("!HH")
_END = 0xCE
HEAD_BYTES = 7


class NotAmqpError(Exception):
    """The bytes are not AMQP 0-9-1 as this framer knows it."""


def method_frame(channel: int, method: Method, args: bytes = b"") -> bytes:
    """The bytes of a method without content."""
    payload = _METHOD_OF.pack(*method) + args
    return _HEAD.pack(METHOD, channel, len(payload)) + payload + bytes([_END])


def closing(channel: int, method: Method, code: int, text: str, about: Method = (0, 0)) -> bytes:
    """channel.close or connection.close."""
    short = text.encode()[:255].decode("utf-8", "ignore").encode()
    args = struct.pack("!HB", code, len(short)) + short + _METHOD_OF.pack(*about)
    return method_frame(channel, method, args)


@dataclass(slots=True)
class Message:
    """A method with its content, as far as it has come. `method` None: a heartbeat, or what began all."""

    channel: int
    method: Method | None
    args: bytes
    parts: list[bytes]
    body: list[bytes] = field(default_factory=list)
    properties: bytes = b""
    body_left: int = -1  # -1: its header has not come

    @property
    def raw(self) -> bytes:
        return self.parts[0] if len(self.parts) == 1 else b"".join(self.parts)


@dataclass(frozen=True, slots=True)
class Part:
    """What goes on: the first part of a message comes when it is whole, or too large to wait for."""

    message: Message
    data: bytes
    first: bool
    last: bool


class Frames:
    """Frames of different channels may change places, those of one channel never do: a message that is being
    gathered lets whole ones pass, and one that streams lets none. Offsets count in the order of going on."""

    def __init__(self) -> None:
        self._data = b""
        self._at = 0  # what stands before it in `_data` was dealt with
        self._open: dict[int, Message] = {}
        self._streaming: Message | None = None
        self._skip = 0  # bytes of a body frame that pass without being looked at
        self._waiting: deque[bytes] = deque()  # whole frames, until a large message on another channel ends
        self._waiting_bytes = 0
        self._late: deque[bytes] = deque()  # those that waited, now that it has

    def feed(self, data: bytes) -> Iterator[Part]:
        """What the next bytes complete. Raises `NotAmqpError`; `leftover` has what was kept back."""
        self._data = data = self._data[self._at :] + data if self._at < len(self._data) else data
        self._at, size = 0, len(data)
        while self._at < size:
            at = self._at
            if self._streaming is not None and (end := self._body_end(data, at)) > at:
                self._at = end
                yield self._streamed(data[at:end])
            else:
                end = self._frame_end(data, at)
                if end > size:
                    break
                yield from self._take(data[at:end])
                self._at = end
            while self._streaming is None and self._waiting:
                self._late, self._waiting, self._waiting_bytes = self._waiting, deque(), 0
                while self._late:
                    yield from self._take(self._late[0])
                    self._late.popleft()

    def leftover(self) -> bytes:
        """What was kept back, for when nothing is gathered any more."""
        parts = [part for message in self._open.values() for part in message.parts]
        rest = b"".join([*parts, *self._waiting, *self._late, self._data[self._at :]])
        self._data, self._at, self._waiting_bytes = b"", 0, 0
        self._waiting.clear()
        self._late.clear()
        self._open.clear()
        return rest

    def _frame_end(self, data: bytes, at: int) -> int:
        """Where the frame at `at` ends; beyond the data when its head has not come. Raises `NotAmqpError`."""
        if data[at] not in _KINDS:
            raise NotAmqpError(f"a frame of type {data[at]:#04x}")
        if len(data) - at < HEAD_BYTES:
            return len(data) + 1
        _, channel, length = _HEAD.unpack_from(data, at)
        if length > FRAME_BYTES_MAX:
            raise NotAmqpError(f"a frame of {length} bytes on channel {channel}")
        end: int = at + HEAD_BYTES + length + 1
        if end <= len(data) and data[end - 1] != _END:
            raise NotAmqpError("a frame does not end where it says")
        return end

    def _body_end(self, data: bytes, at: int) -> int:
        """How far the body of the message that streams goes, also into a frame that is not whole.

        Raises `NotAmqpError`.
        """
        message, size = self._streaming, len(data)
        assert message is not None
        while True:
            if self._skip:
                taken = min(self._skip, size - at)
                at += taken
                self._skip -= taken
            if self._skip or not message.body_left or size - at < HEAD_BYTES:
                return at
            kind, channel, length = _HEAD.unpack_from(data, at)
            if kind != BODY or channel != message.channel:
                return at
            if length > message.body_left:
                raise NotAmqpError("a body is longer than its header says")
            message.body_left -= length
            self._skip = HEAD_BYTES + length + 1

    def _streamed(self, data: bytes) -> Part:
        message = self._streaming
        assert message is not None
        done = message.body_left == 0 and not self._skip
        if done:
            self._streaming = None
        return Part(message, data, first=False, last=done)

    def _take(self, frame: bytes) -> Iterator[Part]:
        """One whole frame. Raises `NotAmqpError`."""
        kind, channel, length = _HEAD.unpack_from(frame)
        if self._streaming is not None:
            if self._body_end(frame, 0):
                yield self._streamed(frame)
            else:
                self._waiting.append(frame)
                self._waiting_bytes += len(frame)
                if self._waiting_bytes > WAITING_BYTES_MAX:
                    raise NotAmqpError("too much waits for the end of a large message on another channel")
            return
        if kind == HEARTBEAT:
            yield Part(Message(channel, None, b"", [frame]), frame, first=True, last=True)
        elif kind == METHOD:
            yield from self._method(frame, channel, length)
        else:
            yield from self._content(frame, kind, channel, length)

    def _method(self, frame: bytes, channel: int, length: int) -> Iterator[Part]:
        if length < 4 or channel in self._open:
            raise NotAmqpError("a method comes in the middle of a message" if length >= 4 else "no method")
        method = _METHOD_OF.unpack_from(frame, HEAD_BYTES)
        message = Message(channel, method, frame[HEAD_BYTES + 4 : -1], [frame])
        if method in WITH_CONTENT:
            self._open[channel] = message
        else:
            yield Part(message, frame, first=True, last=True)

    def _content(self, frame: bytes, kind: int, channel: int, length: int) -> Iterator[Part]:
        message = self._open.get(channel)
        if message is None or (kind == HEADER) != (message.body_left < 0) or (kind == HEADER and length < 12):
            raise NotAmqpError("content comes without its method")
        if kind == BODY and length > message.body_left:
            raise NotAmqpError("a body is longer than its header says")
        message.parts.append(frame)
        if kind == HEADER:
            (message.body_left,) = struct.unpack_from("!Q", frame, HEAD_BYTES + 4)
            message.properties = frame[HEAD_BYTES + 12 : -1]
            if message.body_left > KEPT_BYTES_MAX:
                del self._open[channel]
                self._streaming = message
                yield Part(message, message.raw, first=True, last=False)
                return
        else:
            message.body.append(frame[HEAD_BYTES:-1])
            message.body_left -= length
        if message.body_left == 0:
            del self._open[channel]
            yield Part(message, message.raw, first=True, last=True)
