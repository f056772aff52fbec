"""The small parts of RESP: lengths and typed lines."""

from __future__ import annotations

import re

NUMBER_BYTES_MAX = 32  # a type, a length, and the end of the line
LINE_BYTES_MAX = 64 * 1024  # what Redis itself takes of an inline command
_STRANGE = re.compile(rb"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\xff]")
_COMMAND = re.compile(rb"[A-Za-z][A-Za-z0-9._-]*")


class NotRespError(Exception):
    """The bytes are not RESP as this framer knows it."""


def number_at(data: bytes, start: int, end: int) -> int:
    """The whole number that stands there. Raises `NotRespError`."""
    text = data[start:end]
    if not (text.isdigit() or (text[:1] == b"-" and text[1:].isdigit())):
        raise NotRespError("a length is no number")
    return int(text)


def refuse_strangers(line: bytes, kind: bytes) -> None:
    """Raises `NotRespError` when the beginning of a line cannot become a length of that kind."""
    digits = line[1:].removesuffix(b"\r").removeprefix(b"-")
    if line[:1] not in (b"", kind):
        raise NotRespError("an argument is no bulk string")
    if (digits and not digits.isdigit()) or len(line) >= NUMBER_BYTES_MAX:
        raise NotRespError("a length is no number")


def inline_args(line: bytes) -> list[bytes]:
    """The words of a line that a person may have typed, whole or not; none for an empty one.

    Raises `NotRespError` for what cannot be one: also for HTTP, which Redis itself refuses.
    """
    if _STRANGE.search(line):
        raise NotRespError("TLS" if line[:1] == b"\x16" else "a line has bytes that nobody types")
    args = line.split()
    if not args:
        return []
    if not _COMMAND.fullmatch(args[0]) or args[0] in (b"POST", b"Host:") or b" HTTP/1." in line:
        raise NotRespError("the first word is no command")
    return args
