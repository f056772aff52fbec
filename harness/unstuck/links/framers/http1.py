"""HTTP/1.1: pairs replies with requests, and finds the end of each without keeping large bodies."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Mapping
from typing import TYPE_CHECKING

from unstuck.links.framers.http1_bodies import BadBodyError, Body, ChunkedBody, EndlessBody, LengthBody
from unstuck.links.framers.http1_labels import kind_of, label_of
from unstuck.links.messages import KEPT_BYTES_MAX, Exchange, Piece

if TYPE_CHECKING:
    from unstuck.links.framers import FramerHost

HEAD_BYTES_MAX = 64 * 1024
BODY_SHOWN = 1024  # bytes of a request, in events
POLL_KEPT_BYTES_MAX = 4096  # of a reply to a poll, before it is known whether it brings work
CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
_HEAD_END = re.compile(rb"\r?\n\r?\n")
_REQUEST_LINE = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]+) (\S+) HTTP/1\.([01])")
_STATUS_LINE = re.compile(rb"HTTP/1\.[01] (\d{3})(?: |$)")
_WORK = re.compile(rb'"Messages"\s*:\s*\[\s*\{|<Message>')  # in what SQS answers to ReceiveMessage
_METHOD_START = re.compile(rb"[\r\n]*[A-Z][A-Z-]{0,31}(?: |$)|[\r\n]*$")


class NotHttpError(Exception):
    """The bytes are not HTTP/1.x as this framer knows it."""


class HttpExchange(Exchange):
    """A request; `headers` have lower-case names; `body` is empty when it was not kept."""

    __slots__ = ("body", "head_size", "headers", "method", "replied_continue", "target", "work")

    def __init__(
        self, *, number: int, offset: int, method: str, target: str, headers: dict[str, str]
    ) -> None:
        super().__init__(number=number, label="", offset=offset, expects_reply=True)
        self.method = method
        self.target = target
        self.headers = headers
        self.body = b""
        self.head_size = 0
        self.replied_continue = False
        self.work = ""  # what a poll brought

    def text(self) -> str:
        return f"{self.method} {self.target}\n{self.body.decode('utf-8', 'replace')}{self.work}"


def _parse_headers(lines: list[bytes]) -> dict[str, str]:
    headers: dict[str, str] = {}
    for line in lines:
        name, colon, value = line.partition(b":")
        if not colon:
            raise NotHttpError("a header line has no colon")
        key = name.decode("latin-1").lower()
        text = value.strip().decode("latin-1")
        headers[key] = f"{headers[key]}, {text}" if key in headers else text
    return headers


def _content_length(headers: Mapping[str, str]) -> int | None:
    text = headers.get("content-length")
    if text is None:
        return None
    values = {value.strip() for value in text.split(",")}
    if len(values) != 1 or not (value := values.pop()).isdecimal():
        raise NotHttpError("content-length is not a number")
    return int(value)


def _is_chunked(headers: Mapping[str, str]) -> bool:
    return headers.get("transfer-encoding", "").lower().endswith("chunked")


class Http1Framer:
    """Framer of one connection. Gives up on TLS, HTTP/2, upgrades and CONNECT."""

    name = "http1"

    def __init__(self, host: FramerHost) -> None:
        self._host = host
        self._passing = False  # gave up: everything passes
        self._number = 0
        self._offset = 0
        # Request side: a message is gathered in `_held` until it is judged, then its rest streams.
        self._held = bytearray()
        self._read_to = 0  # how far `_request_body` has read in `_held`
        self._request: HttpExchange | None = None
        self._request_body: Body | None = None
        self._streaming = False
        # Reply side.
        self._awaiting: deque[HttpExchange] = deque()
        self._reply_head = bytearray()
        self._reply_body: Body | None = None
        self._poll_held = b""  # of a reply to a poll, until it is known whether it brings work

    # --- requests

    def request(self, data: bytes) -> list[Piece]:
        if self._passing:
            return [*self.request_end(), Piece(None, data)]
        pieces: list[Piece] = []
        try:
            while data:
                data = self._stream(data, pieces) if self._streaming else self._gather(data, pieces)
        except (NotHttpError, BadBodyError) as error:
            self._give_up(str(error))
            rest = bytes(self._held) or data
            self._held.clear()
            if rest:
                pieces.append(Piece(self._request if self._streaming else None, rest))
        return pieces

    def _stream(self, data: bytes, pieces: list[Piece]) -> bytes:
        assert self._request_body is not None
        end, done = self._request_body.consume(data, 0)
        pieces.append(Piece(self._request, data[:end], last=done))
        self._offset += end
        if done:
            self._streaming = False
            self._request = None
        return data[end:]

    def _gather(self, data: bytes, pieces: list[Piece]) -> bytes:
        searched = max(0, len(self._held) - 3)
        self._held += data
        if self._request is None and not self._read_head(searched):
            return b""
        assert self._request is not None
        assert self._request_body is not None
        self._read_to, done = self._request_body.consume(self._held, self._read_to)
        over = self._request_body.wire_size > KEPT_BYTES_MAX or self._is_large(self._request)
        if not done and not over:
            self._answer_expectation(self._request)
            if not self._must_not_wait(self._request):
                return b""
        self._decide(self._request, keep=done and not over)
        whole, rest = bytes(self._held[: self._read_to]), bytes(self._held[self._read_to :])
        self._held.clear()
        pieces.append(Piece(self._request, whole, first=True, last=done))
        self._offset += len(whole)
        self._streaming = not done
        if done:
            self._request = None
        return rest

    def _read_head(self, searched: int) -> bool:
        """True when the head is whole and `_request` is known."""
        lead = len(self._held) - len(self._held.lstrip(b"\r\n"))
        found = _HEAD_END.search(self._held, max(searched, lead))
        if found is None:
            self._refuse_strangers(lead)
            return False
        lines = bytes(self._held[lead : found.start()]).replace(b"\r\n", b"\n").split(b"\n")
        line = _REQUEST_LINE.fullmatch(lines[0])
        if line is None:
            raise NotHttpError("the first line is not a request of HTTP/1.x")
        headers = _parse_headers(lines[1:])
        method, target = line[1].decode("ascii"), line[2].decode("latin-1")
        if method == "CONNECT":
            raise NotHttpError("CONNECT makes a tunnel")
        if _is_chunked(headers):
            self._request_body = ChunkedBody(keep_bytes_max=KEPT_BYTES_MAX)
        else:
            self._request_body = LengthBody(_content_length(headers) or 0)
        self._number += 1
        request = HttpExchange(
            number=self._number, offset=self._offset, method=method, target=target, headers=headers
        )
        request.head_size = found.end()
        self._read_to = found.end()
        self._request = request
        return True

    def _refuse_strangers(self, lead: int) -> None:
        """Raises as soon as the bytes cannot become a request: a peer of another protocol may wait for us."""
        if len(self._held) > HEAD_BYTES_MAX:
            raise NotHttpError(f"the head is longer than {HEAD_BYTES_MAX} bytes")
        if not _METHOD_START.match(self._held[:64]):
            raise NotHttpError("TLS" if self._held[:1] == b"\x16" else "the first bytes are not a method")
        line_end = self._held.find(b"\n", lead)
        if line_end >= 0 and not _REQUEST_LINE.fullmatch(bytes(self._held[lead:line_end]).rstrip(b"\r")):
            raise NotHttpError("the first line is not a request of HTTP/1.x")

    def _is_large(self, request: HttpExchange) -> bool:
        chunked = _is_chunked(request.headers)
        return not chunked and (_content_length(request.headers) or 0) > KEPT_BYTES_MAX

    def _answer_expectation(self, request: HttpExchange) -> None:
        """Says `100 Continue` at once: the client would else keep back the body that we want to see."""
        expects = request.headers.get("expect", "").lower() == "100-continue"
        body = self._request_body
        if expects and not request.replied_continue and not self._awaiting and body and not body.wire_size:
            request.replied_continue = True
            self._host.interim(CONTINUE)

    def _must_not_wait(self, request: HttpExchange) -> bool:
        """While an earlier reply is under way our own 100 would tear it: the dependency must say it."""
        return "expect" in request.headers and not request.replied_continue and bool(self._awaiting)

    def _decide(self, request: HttpExchange, *, keep: bool) -> None:
        if not keep and self._is_large(request):
            self._answer_expectation(request)
        if keep:
            body = self._request_body
            if isinstance(body, ChunkedBody):
                request.body = bytes(body.payload)
            else:
                request.body = bytes(self._held[request.head_size : self._read_to])
        request.label = label_of(request.method, request.target, request.headers, request.body)
        request.kind = kind_of(request.method, request.label)
        request.facts.update(method=request.method, target=request.target[:512])
        if request.body:
            request.facts["body"] = request.body[:BODY_SHOWN].decode(errors="replace")

    def request_end(self) -> list[Piece]:
        rest = bytes(self._held)
        self._held.clear()
        return [Piece(None, rest)] if rest else []

    def forwarded(self, exchange: Exchange) -> None:
        if isinstance(exchange, HttpExchange):
            self._awaiting.append(exchange)

    def last_awaiting(self) -> Exchange | None:
        return self._awaiting[-1] if self._awaiting else None

    def admits(self, exchange: Exchange) -> bool:  # noqa: ARG002  nothing of ours ends what it belongs to
        return True

    def copy_of(self, exchange: Exchange, data: bytes) -> bytes | None:  # noqa: ARG002  the bytes are all
        return data

    # --- replies

    def reply(self, data: bytes) -> list[Piece]:
        if self._passing:
            return [*self.reply_end(), Piece(None, data)]
        pieces: list[Piece] = []
        try:
            while data:
                data = self._reply_on(data, pieces)
        except (NotHttpError, BadBodyError) as error:
            self._give_up(str(error))
            rest, self._poll_held = self._poll_held + (bytes(self._reply_head) or data), b""
            self._reply_head.clear()
            if rest:
                pieces.append(Piece(None, rest))
        return pieces

    def _reply_on(self, data: bytes, pieces: list[Piece]) -> bytes:
        if self._reply_body is not None:
            end, done = self._reply_body.consume(data, 0)
            first, part = bool(self._poll_held), self._poll_held + data[:end]
            self._poll_held = b""
            self._reply_piece(part, pieces, first=first, done=done)
            return data[end:]
        searched = max(0, len(self._reply_head) - 3)
        self._reply_head += data
        found = _HEAD_END.search(self._reply_head, searched)
        if found is None:
            if len(self._reply_head) > HEAD_BYTES_MAX or not b"HTTP/1.".startswith(self._reply_head[:7]):
                raise NotHttpError("a reply does not begin as HTTP/1.x")
            return b""
        if not self._awaiting:
            raise NotHttpError("a reply came without a request")
        head, rest = bytes(self._reply_head[: found.end()]), bytes(self._reply_head[found.end() :])
        exchange = self._awaiting[0]
        status, body = self._reply_kind(exchange, head[: found.start()])
        self._reply_head.clear()
        if status // 100 == 1:
            if not (status == 100 and exchange.replied_continue):
                pieces.append(Piece(None, head))
            else:
                exchange.replied_continue = False  # the client has had this one from us
            return rest
        exchange.reply_facts["status"] = status
        self._reply_body = body
        end, done = body.consume(rest, 0)
        self._reply_piece(head + rest[:end], pieces, first=True, done=done)
        return rest[end:]

    def _reply_piece(self, data: bytes, pieces: list[Piece], *, first: bool, done: bool) -> None:
        exchange = self._awaiting[0]
        if first and exchange.kind == "poll":
            if not done and len(data) < POLL_KEPT_BYTES_MAX:
                self._poll_held = data
                return
            exchange.idle = not _WORK.search(data)
            exchange.work = data[:POLL_KEPT_BYTES_MAX].decode("utf-8", "replace")
        pieces.append(Piece(exchange, data, first=first, last=done))
        if done:
            self._end_reply()

    def _reply_kind(self, exchange: HttpExchange, head: bytes) -> tuple[int, Body]:
        lines = head.replace(b"\r\n", b"\n").split(b"\n")
        line = _STATUS_LINE.match(lines[0])
        if line is None:
            raise NotHttpError("a reply does not begin as HTTP/1.x")
        status = int(line[1])
        if status == 101:
            raise NotHttpError("the connection was upgraded")
        headers = _parse_headers(lines[1:])
        if exchange.method == "HEAD" or status in (204, 304) or status // 100 == 1:
            return status, LengthBody(0)
        if _is_chunked(headers):
            return status, ChunkedBody()
        length = _content_length(headers)
        return status, EndlessBody() if length is None else LengthBody(length)

    def _end_reply(self) -> None:
        self._reply_body = None
        self._awaiting.popleft()

    def reply_end(self) -> list[Piece]:
        rest, self._poll_held = self._poll_held + bytes(self._reply_head), b""
        self._reply_head.clear()
        if rest:
            return [Piece(None, rest)]
        if isinstance(self._reply_body, EndlessBody) and not self._passing:
            exchange = self._awaiting[0]
            self._end_reply()
            return [Piece(exchange, b"", last=True)]
        return []

    def _give_up(self, reason: str) -> None:
        self._passing = True
        self._host.gave_up(reason)
