"""PostgreSQL v3: a message is what the client sends up to Sync or Query, with all its SQL."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from unstuck.links.framers.postgres_frames import (
    CANCEL_REQUEST,
    CAPTURED,
    COMPLETE,
    CONTINUING,
    COPY_ENDS,
    ENDING,
    FLUSH,
    FRAME_BYTES_MAX,
    GSS_REQUEST,
    LENGTH,
    READY,
    ROW,
    SSL_REQUEST,
    STARTUP_BYTES_MAX,
    SYNC,
    TERMINATE,
    Gathered,
    NotPostgresError,
    PostgresExchange,
    client_frame,
    cstring,
    end_of_copy_data,
    is_nothing,
    rows_changed,
)
from unstuck.links.messages import KEPT_BYTES_MAX, Exchange, Kind, Piece

if TYPE_CHECKING:
    from unstuck.links.framers import FramerHost

CAPTURED_BYTES_MAX = 64 * 1024


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
        self._gathering = False  # `_held` is the beginning of a message
        self._statements: dict[str, str] = {}
        self._gathered = Gathered(self._statements)
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
        """Deals with a beginning of `data`; returns the rest."""
        if not self._started:
            self._held += data
            return self._startup(pieces)
        if not self._gathering:
            if self._held:  # the head of a frame, incomplete until now
                data = bytes(self._held) + data
                self._held.clear()
            data, self._gathering = self._pass_on(data, pieces)
            if not self._gathering:
                return data
        self._held += data
        return self._gather(pieces)

    def _pass_on(self, data: bytes, pieces: list[Piece]) -> tuple[bytes, bool]:
        """Frames that stand alone, or continue what was judged, go on. The rest, and whether it begins a
        message."""
        size, end = len(data), self._skip
        if end > size:
            self._skip -= size
            self._send(data, pieces, done=False)
            return b"", False
        done, self._skip, self._skip_ends = self._skip_ends, 0, False
        try:
            while not done:
                end = end_of_copy_data(data, end)
                frame = client_frame(data, end)
                if frame is None:
                    self._held += data[end:]
                    self._send(data[:end], pieces, done=False)
                    return b"", False
                kind, frame_end = frame
                ends = self._streaming is not None and kind in ENDING
                if not self._continues(kind):
                    self._send(data[:end], pieces, done=False)
                    return data[end:], True
                if frame_end > size:
                    self._skip, self._skip_ends = frame_end - size, ends
                    end = size
                    break
                end, done = frame_end, ends
        except NotPostgresError:
            self._held += data[end:]
            self._send(data[:end], pieces, done=False)
            raise
        self._send(data[:end], pieces, done=done)
        return data[end:], False

    def _continues(self, kind: int) -> bool:
        """True for a frame that is no message of its own, and begins none."""
        if self._streaming is not None:
            return True
        # After CopyDone the Sync belongs to the exchange that began the copy: the server ignored the
        # first one, and answers this one.
        ends_copy = kind == SYNC and self._copying and bool(self._awaiting)
        if kind in CONTINUING or kind == TERMINATE or ends_copy:
            self._copying = kind in COPY_ENDS
            return True
        return False

    def _send(self, data: bytes, pieces: list[Piece], *, done: bool) -> None:
        if data:
            self._offset += len(data)
            pieces.append(Piece(self._streaming, data, last=done))
        if done:
            self._streaming = None

    def _gather(self, pieces: list[Piece]) -> bytes:
        while (
            self._scanned < KEPT_BYTES_MAX and (frame := client_frame(self._held, self._scanned)) is not None
        ):
            kind, end = frame
            whole = end <= len(self._held)
            if not whole and len(self._held) < KEPT_BYTES_MAX:
                return b""
            if self._scanned + 5 <= KEPT_BYTES_MAX:
                self._gathered.note(kind, bytes(self._held[self._scanned + 5 : min(end, KEPT_BYTES_MAX)]))
            if not whole:
                self._skip, self._skip_ends = end - len(self._held), kind in ENDING
                return self._decide(pieces, len(self._held), done=False)
            self._scanned = end
            if kind in ENDING or (kind == FLUSH and end <= KEPT_BYTES_MAX):
                return self._decide(pieces, end, done=True, expects_reply=kind in ENDING)
        if len(self._held) >= KEPT_BYTES_MAX:
            return self._decide(pieces, self._scanned, done=False)
        return b""

    def _decide(self, pieces: list[Piece], end: int, *, done: bool, expects_reply: bool = True) -> bytes:
        raw, rest = bytes(self._held[:end]), bytes(self._held[end:])
        gathered = self._gathered
        if not done:
            gathered.cut_short()
        exchange = self._new(
            gathered.label(),
            kind=gathered.kind(),
            sql=gathered.sql(),
            raw=raw[:KEPT_BYTES_MAX],
            expects_reply=expects_reply,
        )
        self._offset += len(raw)
        self._gathered = Gathered(self._statements)
        self._gathering = False
        self._held.clear()
        self._scanned = 0
        self._streaming = None if done else exchange
        pieces.append(Piece(exchange, raw, first=True, last=done))
        return rest

    def _new(
        self, label: str, *, kind: Kind = "session", sql: str = "", raw: bytes, expects_reply: bool
    ) -> PostgresExchange:
        self._number += 1
        return PostgresExchange(
            number=self._number,
            label=label,
            offset=self._offset,
            expects_reply=expects_reply,
            kind=kind,
            sql=sql,
            raw=raw,
        )

    def _startup(self, pieces: list[Piece]) -> bytes:
        """The first packets have no kind: encryption asked for, a cancellation, or the session itself."""
        held = self._held
        if held[:1] == b"\x16":
            raise NotPostgresError("TLS")
        if len(held) < 8:
            return b""
        length, code = LENGTH(held, 0)[0], LENGTH(held, 4)[0]
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
        self._gathering = False
        return [Piece(None, rest)] if rest else []

    def forwarded(self, exchange: Exchange) -> None:
        if exchange.expects_reply and isinstance(exchange, PostgresExchange):
            self._awaiting.append(exchange)

    def last_awaiting(self) -> Exchange | None:
        return self._awaiting[-1] if self._awaiting else None

    def admits(self, exchange: Exchange) -> bool:  # noqa: ARG002  nothing of ours ends what it belongs to
        return True

    def copy_of(self, exchange: Exchange, data: bytes) -> bytes | None:  # noqa: ARG002  no copy has a meaning
        return None

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
            if self._must_wait(end - start, ended=ended):
                self._reply_skip = 0
                break
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
            length = LENGTH(data, position + 1)[0]
            if not 4 <= length <= FRAME_BYTES_MAX:
                self._give_up(f"a reply frame of length {length}")
                return position, False
            end = position + 1 + length
            if (kind in CAPTURED or (kind == ROW and self._is_undecided())) and length <= CAPTURED_BYTES_MAX:
                if end > size:
                    return position, False
                self._capture(kind, data[position + 5 : end])
                if kind == READY:
                    return end, True
            elif end > size:
                self._reply_skip = end - size
                return size, False
            position = end
        return position, False

    def _is_undecided(self) -> bool:
        """True while the reply under way answers a poll and has not said whether it brings work."""
        if not self._awaiting:
            return False
        exchange = self._awaiting[0]
        return exchange.kind == "poll" and not exchange.reply_started and not exchange.brings_work

    def _must_wait(self, size: int, *, ended: bool) -> bool:
        return not ended and size < KEPT_BYTES_MAX and self._is_undecided()

    def _capture(self, kind: int, body: bytes) -> None:
        if kind == READY:
            self.transaction_state = body[:1]
        elif self._awaiting:
            exchange = self._awaiting[0]
            facts = exchange.reply_facts
            if kind == COMPLETE:
                facts["tag"] = cstring(body)[0]
                exchange.brings_work |= rows_changed(facts["tag"])
            elif kind == ROW:
                exchange.brings_work |= not is_nothing(body)
            else:
                fields = {field[:1]: field[1:] for field in body.split(b"\0") if field}
                facts["sqlstate"] = fields.get(b"C", b"").decode("ascii", "replace")

    def _reply_piece(self, data: bytes, ended: bool) -> Piece:  # noqa: FBT001  private, one caller
        if not self._awaiting:
            return Piece(None, data)
        exchange = self._awaiting[0]
        first = not exchange.reply_started
        if first:
            exchange.idle = exchange.kind == "poll" and ended and not exchange.brings_work
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
