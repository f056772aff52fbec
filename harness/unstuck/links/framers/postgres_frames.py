"""Frames of the PostgreSQL v3 protocol, and what the frames of one exchange say."""

from __future__ import annotations

import struct

from unstuck.links.framers.sql_kinds import kind_of_sql
from unstuck.links.framers.sql_labels import label_of_sql
from unstuck.links.messages import Exchange, Kind, weightiest

LENGTH = struct.Struct("!I").unpack_from
HEAD = struct.Struct("!BI").unpack_from
STARTUP_BYTES_MAX = 10_000  # what the server accepts
FRAME_BYTES_MAX = 1 << 30  # same
CANCEL_REQUEST, SSL_REQUEST, GSS_REQUEST = 80877102, 80877103, 80877104

QUERY, SYNC, FLUSH, CALL, TERMINATE = b"QSHFX"
PARSE, BIND, DESCRIBE, EXECUTE, CLOSE = b"PBDEC"
COPY_DATA = b"d"[0]
CONTINUING = frozenset(b"pdcf")  # password, copy data, copy done, copy fail: no message of their own
ENDING = frozenset(b"SQF")  # the server answers these with ReadyForQuery
COPY_ENDS = frozenset(b"cf")
FROM_CLIENT = frozenset(b"QSHFXPBDEC") | CONTINUING
READY, COMPLETE, FAILED, ROW = b"ZCED"
CAPTURED = frozenset(b"ZCE")


class NotPostgresError(Exception):
    """The bytes are not the PostgreSQL protocol as this framer knows it."""


def client_frame(data: bytes | bytearray, start: int) -> tuple[int, int] | None:
    """Kind and end of the client's frame at `start`; None when its head is not there yet.

    Raises `NotPostgresError` as soon as it cannot be one.
    """
    if len(data) - start < 5:
        if len(data) > start and data[start] not in FROM_CLIENT:
            raise NotPostgresError(f"frame kind {data[start]:#04x} is unknown")
        return None
    kind, length = data[start], LENGTH(data, start + 1)[0]
    if kind not in FROM_CLIENT or not 4 <= length <= FRAME_BYTES_MAX:
        raise NotPostgresError(f"frame kind {kind:#04x} with length {length} is unknown")
    return kind, start + 1 + length


def end_of_copy_data(data: bytes, start: int) -> int:
    """The end of the whole copy data frames that stand at `start`: there can be very many."""
    size, end = len(data), start
    last = size - 5
    while end <= last:
        kind, length = HEAD(data, end)
        behind = end + 1 + length
        if kind != COPY_DATA or length < 4 or behind > size:
            break  # another frame, an incomplete one, or nonsense: looked at with care
        end = behind
    return end


def cstring(body: bytes, start: int = 0) -> tuple[str, int]:
    """The text up to a zero byte, and the position behind that."""
    end = body.find(b"\0", start)
    end = len(body) if end < 0 else end
    return body[start:end].decode("utf-8", "replace"), end + 1


def is_nothing(row: bytes) -> bool:
    """True for a row of nulls only: what a function that found no job returns for one."""
    return row[2:].count(b"\xff") == len(row) - 2


def rows_changed(tag: str) -> bool:
    """True for a statement that changed at least one row, by the tag of its end (`UPDATE 1`)."""
    verb, _, count = tag.partition(" ")
    return verb in ("INSERT", "UPDATE", "DELETE", "MERGE") and not count.endswith(" 0") and count != "0"


class PostgresExchange(Exchange):
    """One exchange; `sql` joins the statements that it executes. `brings_work`: its reply so far does."""

    __slots__ = ("brings_work", "raw", "reply_started", "sql")

    def __init__(
        self, *, number: int, label: str, offset: int, expects_reply: bool, kind: Kind, sql: str, raw: bytes
    ) -> None:
        super().__init__(number=number, label=label, offset=offset, expects_reply=expects_reply, kind=kind)
        self.sql = sql
        self.raw = raw
        self.reply_started = False
        self.brings_work = False
        self.facts["sql"] = sql[:500]

    def text(self) -> str:
        """The SQL, and the frames with their parameters (most drivers send those as text)."""
        return f"{self.sql}\n{self.raw.decode('utf-8', 'replace')}"


class Gathered:
    """What the frames of one exchange said so far; `statements` are the session's prepared ones."""

    def __init__(self, statements: dict[str, str]) -> None:
        self._statements = statements
        self._executed: list[str] = []
        self._parsed: list[str] = []
        self._portals: dict[str, str] = {}
        self._other = "SYNC"

    def label(self) -> str:
        """`UPDATE jobs`; `PREPARE UPDATE jobs` when nothing is executed."""
        if self._executed:
            return "; ".join(label_of_sql(sql) for sql in self._executed[:8])
        if self._parsed:
            return "PREPARE " + label_of_sql(self._parsed[0])
        return self._other

    def kind(self) -> Kind:
        """The weightiest of what is executed; preparing alone keeps the session."""
        if self._executed:
            return weightiest(kind_of_sql(sql) for sql in self._executed)
        return "write" if self._other == "FUNCTION" else "session"

    def sql(self) -> str:
        """The statements that are executed, else those that are prepared."""
        return ";\n".join(self._executed or self._parsed)

    def cut_short(self) -> None:
        """The rest of the exchange will not be looked at: what is bound counts as executed."""
        self._executed = self._executed or list(self._portals.values())

    def note(self, kind: int, body: bytes) -> None:
        """Takes in one frame; `body` may be cut off."""
        if kind == QUERY:
            self._executed.append(cstring(body)[0])
        elif kind == PARSE:
            name, start = cstring(body)
            sql = cstring(body, start)[0]
            self._statements[name] = sql
            self._parsed.append(sql)
        elif kind == BIND:
            portal, start = cstring(body)
            statement = cstring(body, start)[0]
            self._portals[portal] = self._statements.get(statement, f"EXECUTE {statement}")
        elif kind == EXECUTE:
            portal = cstring(body)[0]
            self._executed.append(self._portals.get(portal, f"FETCH {portal}"))
        elif kind == CLOSE:
            if body[:1] == b"S":
                self._statements.pop(cstring(body, 1)[0], None)
            self._other = "CLOSE"
        elif kind == DESCRIBE:
            self._other = "DESCRIBE"
        elif kind == CALL:
            self._other = "FUNCTION"
