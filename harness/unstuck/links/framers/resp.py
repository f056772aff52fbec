"""Redis, RESP2 and RESP3: a command is a message; MULTI … EXEC is one, judged where EXEC comes.

What is queued behind MULTI goes on at once (its client may wait for each `QUEUED`) and does nothing before
EXEC. So the place *before EXEC* is the place before all of it, and the reply to EXEC holds all replies.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from unstuck.links.framers.resp_commands import (
    ENDS_FRAMING,
    OPENING,
    SUBSCRIBING,
    is_idle,
    kind_of,
    label_of,
    name_of,
    transaction_label,
)
from unstuck.links.framers.resp_replies import ReplyWalk
from unstuck.links.framers.resp_values import (
    LINE_BYTES_MAX,
    NUMBER_BYTES_MAX,
    NotRespError,
    inline_args,
    number_at,
    refuse_strangers,
)
from unstuck.links.messages import KEPT_BYTES_MAX, Exchange, Kind, Piece, weightiest

if TYPE_CHECKING:
    from unstuck.links.framers import FramerHost

POLL_KEPT_BYTES_MAX = 4096  # of a reply to a poll, before it is known whether it brings work
REPLY_SHOWN = 80
DISCARD = b"*1\r\n$7\r\nDISCARD\r\n"


class RespExchange(Exchange):
    """A command; of a transaction, EXEC with all that was queued. `raw` None: it was too large to keep."""

    __slots__ = ("commands", "is_ours", "name", "raw", "reply_started", "reply_text")

    def __init__(
        self, *, number: int, offset: int, name: str, commands: list[list[bytes]], raw: bytes | None
    ) -> None:
        super().__init__(number=number, label=name, offset=offset, expects_reply=name not in SUBSCRIBING)
        self.name = name
        self.commands = commands
        self.raw = raw
        self.reply_started = False
        self.reply_text = ""
        self.is_ours = False  # sent by us: its reply is not for the client

    def text(self) -> str:
        """The arguments, and what a poll brought."""
        lines = [b" ".join(args).decode("utf-8", "replace") for args in self.commands]
        return "\n".join([*lines, self.reply_text] if self.reply_text else lines)


class _Transaction:
    """What was queued since MULTI."""

    def __init__(self) -> None:
        self.labels: list[str] = []
        self.kinds: list[Kind] = []
        self.commands: list[list[bytes]] = []
        self.raw: list[bytes] | None = []
        self.size = 0

    def queue(self, label: str, kind: Kind, args: list[bytes], raw: bytes | None) -> None:
        self.labels.append(label)
        self.kinds.append(kind)
        self.keep(args, raw)

    def keep(self, args: list[bytes], raw: bytes | None) -> None:
        self.size += KEPT_BYTES_MAX if raw is None else len(raw)
        if self.size <= KEPT_BYTES_MAX:
            self.commands.append(args)
        if self.raw is not None and raw is not None and self.size <= KEPT_BYTES_MAX:
            self.raw.append(raw)
        else:
            self.raw = None


class RespFramer:
    """Framer of one connection. Gives up on other protocols, MONITOR, replication, and CLIENT REPLY."""

    name = "resp"

    def __init__(self, host: FramerHost) -> None:
        self._host = host
        self._passing = False
        self._number = 0
        self._offset = 0
        # Request side: the beginning of a command that is not whole, and how far it was looked at.
        self._held = b""
        self._args: list[bytes] = []
        self._args_left = -1  # -1: its first line was not read
        self._at = 0  # where its next argument begins, from the command's start
        self._streaming: RespExchange | None = None  # judged, but not whole
        self._skip = 0  # bytes of an argument, with its line end, that pass without being looked at
        self._transaction: _Transaction | None = None
        self._opening: dict[str, bytes] = {}
        # Reply side.
        self._reply_held = b""
        self._walk = ReplyWalk()
        self._awaiting: deque[RespExchange] = deque()

    # --- requests

    def request(self, data: bytes) -> list[Piece]:
        if self._passing:
            return [*self.request_end(), Piece(None, data)]
        if self._held:
            data = self._held + data
            self._held = b""
        pieces: list[Piece] = []
        start, size = 0, len(data)
        try:
            while start < size:
                before = start
                if self._streaming is not None:
                    start = self._stream(data, start, pieces)
                else:
                    start = self._command(data, start, pieces)
                if start == before:
                    break
            self._held = data[start:]
        except NotRespError as error:
            self._give_up(str(error))
            pieces.append(Piece(self._streaming, data[start:]))
        return pieces

    def _command(self, data: bytes, start: int, pieces: list[Piece]) -> int:
        """The end of what could go on; `start` when the command is not whole yet. Raises `NotRespError`."""
        if self._args_left < 0:
            if data[start] != 42:  # *
                return self._inline(data, start, pieces)
            line_end = data.find(b"\r\n", start, start + NUMBER_BYTES_MAX)
            if line_end < 0:
                refuse_strangers(data[start : start + NUMBER_BYTES_MAX], b"*")
                return start
            self._args_left = max(0, number_at(data, start + 1, line_end))
            self._at = line_end + 2 - start
        while self._args_left:
            begin, end = self._argument(data, start + self._at)
            if begin < 0:
                return start
            if end - start > KEPT_BYTES_MAX:
                self._skip = end - begin
                return self._decide(data, start, begin, pieces, whole=False)
            if end > len(data):
                return start
            if data[end - 2 : end] != b"\r\n":
                raise NotRespError("an argument does not end where it says")
            self._args.append(data[begin : end - 2])
            self._args_left -= 1
            self._at = end - start
        return self._decide(data, start, start + self._at, pieces, whole=True)

    @staticmethod
    def _argument(data: bytes, at: int) -> tuple[int, int]:
        """Where the argument at `at` begins, behind its length, and where it ends, with its line end; -1: its
        length has not come whole. Raises `NotRespError`."""
        line_end = data.find(b"\r\n", at, at + NUMBER_BYTES_MAX)
        if line_end < 0 or data[at] != 36:  # $
            refuse_strangers(data[at : at + NUMBER_BYTES_MAX], b"$")
            return -1, -1
        length = number_at(data, at + 1, line_end)
        if length < 0:
            raise NotRespError(f"an argument of length {length}")
        return line_end + 2, line_end + 2 + length + 2

    def _inline(self, data: bytes, start: int, pieces: list[Piece]) -> int:
        """A command as a person types it: words on a line."""
        line_end = data.find(b"\n", start, start + LINE_BYTES_MAX)
        args = inline_args(data[start : line_end if line_end >= 0 else start + LINE_BYTES_MAX])
        if line_end < 0:
            if len(data) - start >= LINE_BYTES_MAX:
                raise NotRespError(f"a line is longer than {LINE_BYTES_MAX} bytes")
            return start
        self._args = args
        return self._decide(data, start, line_end + 1, pieces, whole=True)

    def _decide(self, data: bytes, start: int, end: int, pieces: list[Piece], *, whole: bool) -> int:
        """The command is known: it goes on, judged by the lane. Its end, so far."""
        raw = data[start:end]
        args = self._args
        is_empty = whole and not args  # an empty line, or `*0`: the server says nothing to it
        exchange = None if is_empty else self._exchange(args, raw if whole else None)
        self._offset += end - start
        self._args, self._at = [], 0
        if whole:
            self._args_left = -1
        else:
            self._streaming = exchange
        pieces.append(Piece(exchange, raw, first=exchange is not None, last=whole and exchange is not None))
        return end

    def _exchange(self, args: list[bytes], raw: bytes | None) -> RespExchange:
        """Raises `NotRespError` for a command after which replies answer no commands."""
        name = name_of(args)
        word = args[1].upper() if len(args) > 1 else b""
        if name in ENDS_FRAMING or (name == "CLIENT" and word == b"REPLY"):
            raise NotRespError(f"{name} makes a stream of what the server says")
        exchange = RespExchange(
            number=self._number + 1, offset=self._offset, name=name, commands=[args], raw=raw
        )
        label, kind = label_of(name, args), kind_of(name, args)
        queued = self._transaction
        if name == "MULTI" and queued is None:
            self._transaction = queued = _Transaction()
            queued.keep(args, raw)
            exchange.is_part = True
        elif queued is not None and name in ("EXEC", "DISCARD", "RESET", "QUIT"):
            self._transaction = None
            if name == "EXEC":
                queued.keep(args, raw)
                label, kind = transaction_label(queued.labels), weightiest(queued.kinds)
                exchange.commands = queued.commands[1:-1]
                exchange.raw = None if queued.raw is None else b"".join(queued.raw)
        elif queued is not None:
            queued.queue(label, kind, args, raw)
            exchange.is_part = True
        exchange.label, exchange.kind = label, kind
        if name in ("AUTH", "HELLO"):
            exchange.commands = [args[:1]]  # what follows holds a password
        if not exchange.is_part:
            self._number += 1
            if name in OPENING and raw is not None:
                self._opening.pop(name, None)  # the newest of each, in the order in which they came
                self._opening[name] = raw
        return exchange

    def _stream(self, data: bytes, start: int, pieces: list[Piece]) -> int:
        """The rest of a large command goes on as it comes. Raises `NotRespError`."""
        at, size = start, len(data)
        while self._args_left:
            taken = min(self._skip, size - at)
            at += taken
            self._skip -= taken
            if self._skip:
                break
            self._args_left -= 1
            if not self._args_left:
                break
            begin, end = self._argument(data, at)
            if begin < 0:
                self._args_left += 1  # looked at again when more has come: nothing is left to skip
                break
            self._skip, at = end - begin, begin
        done = not self._args_left
        if at > start or done:
            pieces.append(Piece(self._streaming, data[start:at], last=done))
        self._offset += at - start
        if done:
            self._streaming, self._args_left = None, -1
        return at

    def request_end(self) -> list[Piece]:
        rest, self._held = self._held, b""
        self._args, self._args_left, self._at = [], -1, 0
        return [Piece(None, rest)] if rest else []

    def forwarded(self, exchange: Exchange) -> None:
        assert isinstance(exchange, RespExchange)
        if exchange.expects_reply:
            self._awaiting.append(exchange)
        else:
            self._walk.subscribed = True

    def last_awaiting(self) -> Exchange | None:
        return self._awaiting[-1] if self._awaiting else None

    def admits(self, exchange: Exchange) -> bool:  # noqa: ARG002  nothing of ours ends what it belongs to
        return True

    def copy_of(self, exchange: Exchange, data: bytes) -> bytes | None:  # noqa: ARG002  EXEC alone is not all
        if not isinstance(exchange, RespExchange) or exchange.raw is None or not exchange.expects_reply:
            return None
        return b"".join([*self._opening.values(), exchange.raw])

    def discard(self) -> bytes:
        """What ends the server's side of a transaction whose EXEC we answered; its reply stays with us."""
        ours = RespExchange(
            number=self._number, offset=self._offset, name="DISCARD", commands=[], raw=DISCARD
        )
        ours.is_part = ours.is_ours = True
        self._awaiting.append(ours)
        return DISCARD

    # --- replies

    def reply(self, data: bytes) -> list[Piece]:
        if self._passing:
            return [*self.reply_end(), Piece(None, data)]
        if self._reply_held:
            data = self._reply_held + data
            self._reply_held = b""
        pieces: list[Piece] = []
        start, size = 0, len(data)
        try:
            while start < size:
                end, ended = self._walk.go(data, start)
                if end == start or self._must_wait(end - start, ended=ended):
                    self._walk.back()
                    break
                pieces.append(self._reply_piece(data[start:end], ended=ended))
                start = end
            self._reply_held = data[start:]
        except NotRespError as error:
            self._give_up(str(error))
            pieces.append(Piece(None, data[start:]))
        return pieces

    def _must_wait(self, size: int, *, ended: bool) -> bool:
        """True for a poll's reply that is too short to say whether it brings work."""
        if ended or self._walk.is_push or not self._awaiting:
            return False
        exchange = self._awaiting[0]
        return exchange.kind == "poll" and not exchange.reply_started and size < POLL_KEPT_BYTES_MAX

    def _reply_piece(self, data: bytes, *, ended: bool) -> Piece:
        if self._walk.is_push or not self._awaiting:
            return Piece(None, data)
        exchange = self._awaiting[0]
        first = not exchange.reply_started
        if first:
            exchange.reply_started = True
            exchange.reply_facts["reply"] = data[:REPLY_SHOWN].split(b"\r\n", 1)[0].decode("utf-8", "replace")
            if exchange.kind == "poll":
                exchange.idle = ended and is_idle(exchange.name, data)
                exchange.reply_text = data[:POLL_KEPT_BYTES_MAX].decode("utf-8", "replace")
        if ended:
            self._awaiting.popleft()
        return Piece(exchange, b"" if exchange.is_ours else data, first=first, last=ended)

    def reply_end(self) -> list[Piece]:
        rest, self._reply_held = self._reply_held, b""
        return [Piece(None, rest)] if rest else []

    def _give_up(self, reason: str) -> None:
        self._passing = True
        self._host.gave_up(reason)
