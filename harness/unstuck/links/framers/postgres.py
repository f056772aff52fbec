"""PostgreSQL v3: a message is what the client sends up to Sync or Query, with all its SQL."""

from __future__ import annotations

import struct
from collections import deque
from typing import TYPE_CHECKING

from unstuck.links.framers.sql_labels import label_of_sql
from unstuck.links.messages import KEPT_BYTES_MAX, Exchange, Piece

if TYPE_CHECKING:
    from unstuck.links.framers import FramerHost

_LENGTH = struct.Struct("!I").unpack_from
STARTUP_BYTES_MAX = 10_000  # what the server accepts
FRAME_BYTES_MAX = 1 << 30  # same
CAPTURED_BYTES_MAX = 64 * 1024
CANCEL_REQUEST, SSL_REQUEST, GSS_REQUEST = 80877102, 80877103, 80877104

_QUERY, _SYNC, _FLUSH, _CALL, _TERMINATE = b"QSHFX"
_PARSE, _BIND, _DESCRIBE, _EXECUTE, _CLOSE = b"PBDEC"
_CONTINUING = frozenset(b"pdcf")  # password, copy data, copy done, copy fail: no message of their own
_ENDING = frozenset(b"SQF")  # the server answers these with ReadyForQuery
_COPY_ENDS = frozenset(b"cf")
_FROM_CLIENT = frozenset(b"QSHFXPBDEC") | _CONTINUING
_READY, _COMPLETE, _FAILED = b"ZCE"
_CAPTURED = frozenset(b"ZCE")


class NotPostgresError(Exception):
    """The bytes are not the PostgreSQL protocol as this framer knows it."""


class PostgresExchange(Exchange):
    """One exchange; `sql` joins the statements that it executes."""

    __slots__ = ("raw", "reply_started", "sql")

    def __init__(
        self, *, number: int, label: str, offset: int, expects_reply: bool, sql: str, raw: bytes
    ) -> None:
        super().__init__(number=number, label=label, offset=offset, expects_reply=expects_reply)
        self.sql = sql
        self.raw = raw
        self.reply_started = False
        self.facts["sql"] = sql[:500]

    def text(self) -> str:
        """The SQL, and the frames with their parameters (most drivers send those as text)."""
        return f"{self.sql}\n{self.raw.decode('utf-8', 'replace')}"


def _cstring(body: bytes, start: int = 0) -> tuple[str, int]:
    end = body.find(b"\0", start)
    end = len(body) if end < 0 else end
    return body[start:end].decode("utf-8", "replace"), end + 1


class _Gathered:
    """What the frames of one exchange said so far."""

    def __init__(self) -> None:
        self.executed: list[str] = []
        self.parsed: list[str] = []
        self.portals: dict[str, str] = {}
        self.other = "SYNC"

    def label(self) -> str:
        if self.executed:
            return "; ".join(label_of_sql(sql) for sql in self.executed[:8])
        if self.parsed:
            return "PREPARE " + label_of_sql(self.parsed[0])
        return self.other


class PostgresFramer:
    """Framer of one connection. Gives up when encryption is agreed on."""

    name = "postgres"

    def __init__(self, host: FramerHost) -> None:
        self._host = host
        self._passing = False
        self._number = 0
        self._offset = 0
        # Request side.
        self._started = False
        self._held = bytearray()
        self._scanned = 0  # start of the first frame in `_held` that was not looked at
        self._gathered = _Gathered()
        self._statements: dict[str, str] = {}
        self._streaming: Exchange | None = None  # judged, but its Sync is still to come
        self._skip = 0  # bytes of a frame that passes without being looked at
        self._skip_ends = False  # that frame ends the exchange
        self._copying = False
        # Reply side.
        self._byte_replies = 0
        self._reply_held = b""
        self._reply_skip = 0
        self._awaiting: deque[PostgresExchange] = deque()
        self.transaction_state = b"I"

    # --- requests

    def request(self, data: bytes) -> list[Piece]:
        if self._passing:
            return [*self.request_end(), Piece(None, data)]
        pieces: list[Piece] = []
        try:
            while data and not self._is_passing():
                data = self._step(data, pieces)
        except NotPostgresError as error:
            self._give_up(str(error))
            pieces += self.request_end()
        else:
            if data:
                pieces.append(Piece(None, data))
        return pieces

    def _step(self, data: bytes, pieces: list[Piece]) -> bytes:
        if self._skip:
            return self._pass_frame(data, pieces)
        self._held += data
        if not self._started:
            return self._startup(pieces)
        if self._streaming is not None or not self._scanned:
            return self._single(pieces)
        return self._gather(pieces)

    def _pass_frame(self, data: bytes, pieces: list[Piece]) -> bytes:
        taken, rest = data[: self._skip], data[self._skip :]
        self._skip -= len(taken)
        self._offset += len(taken)
        done = self._skip == 0 and self._skip_ends
        pieces.append(Piece(self._streaming, taken, last=done))
        if done:
            self._end_streaming()
        return rest

    def _end_streaming(self) -> None:
        self._streaming = None
        self._skip_ends = False

    def _frame(self, start: int) -> tuple[int, int] | None:
        """Kind and end of the frame at `start` in `_held`; None when its head is not there yet."""
        held = self._held
        if len(held) - start < 5:
            if len(held) > start and held[start] not in _FROM_CLIENT:
                raise NotPostgresError(f"frame kind {held[start]:#04x} is unknown")
            return None
        kind, length = held[start], _LENGTH(held, start + 1)[0]
        if kind not in _FROM_CLIENT or not 4 <= length <= FRAME_BYTES_MAX:
            raise NotPostgresError(f"frame kind {kind:#04x} with length {length} is unknown")
        return kind, start + 1 + length

    def _single(self, pieces: list[Piece]) -> bytes:
        """Frames that stand alone, or continue what was judged, go on; else gathering begins."""
        size, end, done = len(self._held), 0, False
        while not done and (frame := self._frame(end)) is not None:
            kind, frame_end = frame
            if self._streaming is not None:
                done = kind in _ENDING
            elif kind in _CONTINUING or kind == _TERMINATE or (kind == _SYNC and self._ends_copy()):
                self._copying = kind in _COPY_ENDS
            else:
                break
            if frame_end > size:
                self._skip, self._skip_ends = frame_end - size, done
                end, done = size, False
                break
            end = frame_end
        if end == 0:
            return self._gather(pieces)
        data, rest = bytes(self._held[:end]), bytes(self._held[end:])
        self._held.clear()
        self._offset += end
        pieces.append(Piece(self._streaming, data, last=done))
        if done:
            self._end_streaming()
        return rest

    def _ends_copy(self) -> bool:
        """After CopyDone the Sync belongs to the exchange that began the copy: the server ignored the
        first one, and answers this one."""
        return self._copying and bool(self._awaiting)

    def _gather(self, pieces: list[Piece]) -> bytes:
        while self._scanned < KEPT_BYTES_MAX and (frame := self._frame(self._scanned)) is not None:
            kind, end = frame
            whole = end <= len(self._held)
            if not whole and len(self._held) < KEPT_BYTES_MAX:
                return b""
            if self._scanned + 5 <= KEPT_BYTES_MAX:
                self._note(kind, bytes(self._held[self._scanned + 5 : min(end, KEPT_BYTES_MAX)]))
            if not whole:
                self._skip, self._skip_ends = end - len(self._held), kind in _ENDING
                return self._decide(pieces, len(self._held), done=False)
            self._scanned = end
            if kind in _ENDING or (kind == _FLUSH and end <= KEPT_BYTES_MAX):
                return self._decide(pieces, end, done=True, expects_reply=kind in _ENDING)
        if len(self._held) >= KEPT_BYTES_MAX:
            return self._decide(pieces, self._scanned, done=False)
        return b""

    def _decide(self, pieces: list[Piece], end: int, *, done: bool, expects_reply: bool = True) -> bytes:
        raw, rest = bytes(self._held[:end]), bytes(self._held[end:])
        gathered = self._gathered
        if not done and not gathered.executed:
            gathered.executed = list(gathered.portals.values())  # their Execute is in what streams
        exchange = self._new(
            gathered.label(),
            sql=";\n".join(gathered.executed or gathered.parsed),
            raw=raw[:KEPT_BYTES_MAX],
            expects_reply=expects_reply,
        )
        self._offset += len(raw)
        self._gathered = _Gathered()
        self._held.clear()
        self._scanned = 0
        self._streaming = None if done else exchange
        pieces.append(Piece(exchange, raw, first=True, last=done))
        return rest

    def _new(self, label: str, *, sql: str = "", raw: bytes, expects_reply: bool) -> PostgresExchange:
        self._number += 1
        return PostgresExchange(
            number=self._number,
            label=label,
            offset=self._offset,
            expects_reply=expects_reply,
            sql=sql,
            raw=raw,
        )

    def _note(self, kind: int, body: bytes) -> None:
        gathered = self._gathered
        if kind == _QUERY:
            gathered.executed.append(_cstring(body)[0])
        elif kind == _PARSE:
            name, start = _cstring(body)
            sql = _cstring(body, start)[0]
            self._statements[name] = sql
            gathered.parsed.append(sql)
        elif kind == _BIND:
            portal, start = _cstring(body)
            statement = _cstring(body, start)[0]
            gathered.portals[portal] = self._statements.get(statement, f"EXECUTE {statement}")
        elif kind == _EXECUTE:
            portal = _cstring(body)[0]
            gathered.executed.append(gathered.portals.get(portal, f"FETCH {portal}"))
        elif kind == _CLOSE:
            if body[:1] == b"S":
                self._statements.pop(_cstring(body, 1)[0], None)
            gathered.other = "CLOSE"
        elif kind == _DESCRIBE:
            gathered.other = "DESCRIBE"
        elif kind == _CALL:
            gathered.other = "FUNCTION"

    def _startup(self, pieces: list[Piece]) -> bytes:
        """The first packets have no kind: encryption asked for, a cancellation, or the session itself."""
        held = self._held
        if held[:1] == b"\x16":
            raise NotPostgresError("TLS")
        if len(held) < 8:
            return b""
        length, code = _LENGTH(held, 0)[0], _LENGTH(held, 4)[0]
        if not 8 <= length <= STARTUP_BYTES_MAX or (code >> 16 != 3 and code >> 16 != 1234):
            raise NotPostgresError(f"start-up packet with length {length}, code {code} is unknown")
        if len(held) < length:
            return b""
        packet, rest = bytes(held[:length]), bytes(held[length:])
        held.clear()
        if code in (SSL_REQUEST, GSS_REQUEST):
            self._byte_replies += 1
            pieces.append(Piece(None, packet))
        elif code == CANCEL_REQUEST:
            pieces.append(
                Piece(self._new("CANCEL", raw=b"", expects_reply=False), packet, first=True, last=True)
            )
            self._passing = True
        else:
            startup = self._new("STARTUP", raw=packet, expects_reply=True)
            pieces.append(Piece(startup, packet, first=True, last=True))
            self._started = True
        self._offset += length
        return rest

    def request_end(self) -> list[Piece]:
        rest = bytes(self._held)
        self._held.clear()
        self._scanned = 0
        return [Piece(None, rest)] if rest else []

    def forwarded(self, exchange: Exchange) -> None:
        if exchange.expects_reply and isinstance(exchange, PostgresExchange):
            self._awaiting.append(exchange)

    def last_awaiting(self) -> Exchange | None:
        return self._awaiting[-1] if self._awaiting else None

    # --- replies

    def reply(self, data: bytes) -> list[Piece]:
        if self._passing:
            return [*self.reply_end(), Piece(None, data)]
        pieces: list[Piece] = []
        if self._reply_held:
            data = self._reply_held + data
            self._reply_held = b""
        if self._byte_replies:
            data = self._agree(data, pieces)
        start = 0
        while data and not self._is_passing():
            end, ended = self._frames(data, start)
            if end > start:
                pieces.append(self._reply_piece(data[start:end] if start or end < len(data) else data, ended))
            start = end
            if not ended:
                break
        rest = data[start:]
        if self._is_passing():
            pieces += [Piece(None, rest)] if rest else []
        else:
            self._reply_held = rest
        return pieces

    def _agree(self, data: bytes, pieces: list[Piece]) -> bytes:
        """One byte answers an encryption request: N refuses it, and the session goes on in the clear."""
        while data and self._byte_replies and not self._passing:
            self._byte_replies -= 1
            if data[:1] == b"E":  # a server that knows nothing of it: an ordinary error
                break
            pieces.append(Piece(None, data[:1]))
            if data[:1] != b"N":
                self._give_up("encrypted from here on")
            data = data[1:]
        return data

    def _frames(self, data: bytes, start: int) -> tuple[int, bool]:
        """The end of what can go on now, and whether a ReadyForQuery ends an exchange there."""
        size = len(data)
        position = start + self._reply_skip
        if position > size:
            self._reply_skip = position - size
            return size, False
        self._reply_skip = 0
        while size - position >= 5:
            kind = data[position]
            length = _LENGTH(data, position + 1)[0]
            if not 4 <= length <= FRAME_BYTES_MAX:
                self._give_up(f"a reply frame of length {length}")
                return position, False
            end = position + 1 + length
            if kind in _CAPTURED and length <= CAPTURED_BYTES_MAX:
                if end > size:
                    return position, False
                self._capture(kind, data[position + 5 : end])
                if kind == _READY:
                    return end, True
            elif end > size:
                self._reply_skip = end - size
                return size, False
            position = end
        return position, False

    def _capture(self, kind: int, body: bytes) -> None:
        if kind == _READY:
            self.transaction_state = body[:1]
        elif self._awaiting:
            facts = self._awaiting[0].reply_facts
            if kind == _COMPLETE:
                facts["tag"] = _cstring(body)[0]
            else:
                fields = {field[:1]: field[1:] for field in body.split(b"\0") if field}
                facts["sqlstate"] = fields.get(b"C", b"").decode("ascii", "replace")

    def _reply_piece(self, data: bytes, ended: bool) -> Piece:  # noqa: FBT001  private, one caller
        if not self._awaiting:
            return Piece(None, data)
        exchange = self._awaiting[0]
        first = not exchange.reply_started
        exchange.reply_started = True
        if ended:
            self._awaiting.popleft()
            self._copying = False
        return Piece(exchange, data, first=first, last=ended)

    def reply_end(self) -> list[Piece]:
        rest, self._reply_held = self._reply_held, b""
        return [Piece(None, rest)] if rest else []

    def _is_passing(self) -> bool:  # asked anew after each step, which may change it
        return self._passing

    def _give_up(self, reason: str) -> None:
        self._passing = True
        self._host.gave_up(reason)
