"""Finds where a reply of RESP2 or RESP3 ends, as it comes and without keeping it."""

from __future__ import annotations

import re

from unstuck.links.framers.resp_values import LINE_BYTES_MAX, NUMBER_BYTES_MAX, NotRespError, number_at

_LINES = frozenset(b"+-:_,#(")  # one line, and no more
_BULKS = frozenset(b"$!=")
_AGGREGATES = frozenset(b"*%~>|")
_TWICE = frozenset(b"%|")
_PUSH, _ATTRIBUTE = b">|"
_PUBLISHED = re.compile(rb"\*[34]\r\n\$\d+\r\n(?:[ps]?message|[ps]?(?:un)?subscribe)\r\n", re.IGNORECASE)
_PUBLISHED_BYTES_MAX = 40  # of such a beginning
_ALL_UNSUBSCRIBED = re.compile(
    rb"unsubscribe\r\n(?:\$-1\r\n|\$\d+\r\n.*\r\n):0\r\n\Z", re.IGNORECASE | re.DOTALL
)


class ReplyWalk:
    """Walks over replies; what is incomplete is looked at again with more bytes behind it.

    `is_push`: the reply under way answers no command, the server sent it by itself.
    """

    def __init__(self) -> None:
        self.subscribed = False  # RESP2: the server sends messages as if they were replies
        self.is_push = False
        self._left = 0  # values that the reply under way still has to bring; 0: none is under way
        self._skip = 0  # bytes of a bulk string, with its line end
        self._before = (0, 0)

    def go(self, data: bytes, start: int) -> tuple[int, bool]:
        """How far the reply at `start` goes, and whether it ends there; `start` itself: wait for more.

        Raises `NotRespError`.
        """
        self._before = (self._left, self._skip)
        at, size = start, len(data)
        if not self._left:
            if self._is_unclear(data, start):
                return start, False
            self.is_push = data[at] == _PUSH or (self.subscribed and bool(_PUBLISHED.match(data, start)))
            self._left = 1
        while self._left and at < size:
            if self._skip:
                taken = min(self._skip, size - at)
                at += taken
                self._skip -= taken
                self._left -= not self._skip
                continue
            line_end = data.find(b"\r\n", at + 1)
            if line_end < 0:
                self._refuse_strangers(data, at)
                break
            self._note(data, at, line_end)
            at = line_end + 2
        ended = not self._left
        if ended and self.is_push and self.subscribed and _ALL_UNSUBSCRIBED.search(data[start:at]):
            self.subscribed = False
        return at, ended

    def _note(self, data: bytes, at: int, line_end: int) -> None:
        """Takes in the first line of a value. Raises `NotRespError`."""
        kind = data[at]
        if kind in _LINES:
            self._left -= 1
        elif kind in _BULKS:
            length = number_at(data, at + 1, line_end)
            if length < 0:
                self._left -= 1
            else:
                self._skip = length + 2
        elif kind in _AGGREGATES:
            count = max(0, number_at(data, at + 1, line_end))
            self._left += (count * 2 if kind in _TWICE else count) - (kind != _ATTRIBUTE)
        else:
            raise NotRespError(f"a reply of type {kind:#04x}")

    def back(self) -> None:
        """The last step was not taken: it is looked at again."""
        self._left, self._skip = self._before

    def _is_unclear(self, data: bytes, start: int) -> bool:
        """True while an array may still become a published message (of three or four values: it is not
        whole)."""
        if not self.subscribed or data[start] != 42 or _PUBLISHED.match(data, start):
            return False
        beginning = data[start : start + _PUBLISHED_BYTES_MAX]
        return (
            beginning[1:2] in (b"", b"3", b"4")
            and len(beginning) < _PUBLISHED_BYTES_MAX
            and beginning.count(b"\r\n") < 3
        )

    @staticmethod
    def _refuse_strangers(data: bytes, at: int) -> None:
        """Raises `NotRespError` when this cannot become a line."""
        kind = data[at]
        if kind in _BULKS or kind in _AGGREGATES:
            if len(data) - at >= NUMBER_BYTES_MAX:
                raise NotRespError("a length is no number")
        elif kind not in _LINES:
            raise NotRespError(f"a reply of type {kind:#04x}")
        elif len(data) - at > LINE_BYTES_MAX:
            raise NotRespError(f"a line is longer than {LINE_BYTES_MAX} bytes")
