"""What a Redis command is called, and what matters in it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache

from unstuck.links.framers.identities import collapse
from unstuck.links.framers.wordlists import words
from unstuck.links.messages import Kind

Args = Sequence[bytes]


SUBSCRIBING = frozenset(
    {"SUBSCRIBE", "PSUBSCRIBE", "SSUBSCRIBE", "UNSUBSCRIBE", "PUNSUBSCRIBE", "SUNSUBSCRIBE"}
)
ENDS_FRAMING = frozenset({"MONITOR", "SYNC", "PSYNC"})
"""From here on the server sends what answers no command."""
OPENING = frozenset({"AUTH", "HELLO", "SELECT"})
"""What another connection has to say to be in the same session."""

_SESSION = (
    SUBSCRIBING
    | OPENING
    | words(
        """
    PING ECHO CLIENT COMMAND INFO CONFIG CLUSTER READONLY READWRITE RESET QUIT WATCH UNWATCH MULTI
    DISCARD WAIT WAITAOF SCRIPT LATENCY SLOWLOG MEMORY DEBUG ACL MODULE ROLE TIME SAVE BGSAVE
    BGREWRITEAOF LASTSAVE ASKING LOLWUT REPLICAOF SLAVEOF FUNCTION
    """
    )
)
_READ = words(
    """
    GET MGET GETRANGE SUBSTR STRLEN EXISTS TYPE TTL PTTL EXPIRETIME PEXPIRETIME DUMP KEYS SCAN RANDOMKEY
    OBJECT TOUCH DBSIZE HGET HMGET HGETALL HKEYS HVALS HLEN HEXISTS HSTRLEN HSCAN HRANDFIELD HTTL HPTTL
    LRANGE LLEN LINDEX LPOS SMEMBERS SISMEMBER SMISMEMBER SCARD SRANDMEMBER SSCAN SINTER SINTERCARD
    SUNION SDIFF ZRANGE ZREVRANGE ZRANGEBYSCORE ZREVRANGEBYSCORE ZRANGEBYLEX ZREVRANGEBYLEX ZCARD ZCOUNT
    ZLEXCOUNT ZSCORE ZMSCORE ZRANK ZREVRANK ZSCAN ZINTER ZUNION ZDIFF ZINTERCARD ZRANDMEMBER XLEN XRANGE
    XREVRANGE XPENDING XINFO XREAD BITCOUNT BITPOS GETBIT BITFIELD_RO PFCOUNT GEOPOS GEODIST GEOHASH
    GEOSEARCH GEORADIUS_RO SORT_RO EVAL_RO EVALSHA_RO FCALL_RO PUBSUB LCS
    """
)
_POLL = words(
    """
    BLPOP BRPOP BLMOVE BRPOPLPUSH BLMPOP BZPOPMIN BZPOPMAX BZMPOP LPOP RPOP LMOVE RPOPLPUSH LMPOP
    ZPOPMIN ZPOPMAX ZMPOP SPOP XREADGROUP XAUTOCLAIM
    """
)
_SCRIPTS = frozenset({"EVAL", "EVALSHA", "FCALL", "EVAL_RO", "EVALSHA_RO", "FCALL_RO"})
_FETCHING = frozenset({"fetch", "poll", "pop", "dequeue", "claim", "reserve", "receive"})
"""First arguments by which scripts of job queues look for work (Dramatiq: `fetch`)."""
_TWO_WORDS = words(
    """
    CLIENT CONFIG SCRIPT XGROUP XINFO OBJECT MEMORY CLUSTER COMMAND FUNCTION PUBSUB ACL
    """
)
_KEYLESS = words(
    """
    CLIENT CONFIG SCRIPT CLUSTER COMMAND FUNCTION PUBSUB ACL AUTH HELLO PING ECHO INFO SELECT FLUSHALL
    FLUSHDB SWAPDB MULTI EXEC DISCARD SCAN KEYS DBSIZE WAIT QUIT RESET UNWATCH RANDOMKEY TIME SHUTDOWN
    SAVE BGSAVE BGREWRITEAOF LASTSAVE DEBUG LATENCY SLOWLOG ROLE MODULE
    """
)
_WORD_CHARS_MAX = 24
_EVENTS_OF_WORKERS = (b"celeryev", b"heartbeat", b"pidbox")
_KEPT_BY_WORKERS = (b"rq:worker", b"_kombu.binding.")
"""Keys in which queues keep what workers say of themselves (RQ), and what AMQP calls a binding (kombu)."""


def name_of(args: Args) -> str:
    return args[0][:_WORD_CHARS_MAX].decode("ascii", "replace").upper() if args else "EMPTY"


def label_of(name: str, args: Args) -> str:
    """`LPUSH celery`, `SET celery-task-meta-*`, `EVALSHA dramatiq fetch`, `CLIENT SETINFO`."""
    parts = [name]
    if name in _TWO_WORDS and len(args) > 1:
        parts.append(_text(args[1]).upper())
    if name in _SCRIPTS:
        parts += _script_words(name, args)
    elif name not in _KEYLESS and (key := _key(name, args)) is not None:
        parts.append(collapse(_text(key)))
    return " ".join(parts)


def kind_of(name: str, args: Args) -> Kind:
    """By the command; of scripts by what they are told, else they count as writing."""
    kind: Kind = "write"
    if name in _SESSION or _is_talk(name, args):
        kind = "session"
    elif name in _POLL or (name == "XREAD" and any(arg.upper() == b"BLOCK" for arg in args[1:5])):
        kind = "poll"
    elif name in _READ or (
        name in _SCRIPTS and len(args) < 4
    ):  # no key and no argument: it tries something out
        kind = "read"
    elif name in _SCRIPTS and _first_argument(args) in _FETCHING:
        kind = "poll"
    return kind


def transaction_label(labels: Sequence[str]) -> str:
    """`EXEC: HSET rq:job:*, RPUSH rq:queue:*`; each once, so that a loop of commands does not move it."""
    several = list(dict.fromkeys(labels))
    return f"EXEC: {', '.join(several[:8])}" if several else "EXEC"


def is_idle(name: str, reply: bytes) -> bool:
    """True for a whole reply to a poll that brings no work; an error brings none either."""
    if reply in _NOTHING or reply.startswith(b"-"):
        return True
    # Ids to go on from, or streams by name, and no entry.
    return name in ("XAUTOCLAIM", "XREADGROUP", "XREAD") and reply.endswith(b"\r\n*0\r\n")


_NOTHING = frozenset(
    {b"$-1\r\n", b"*-1\r\n", b"_\r\n", b"*0\r\n", b"%0\r\n", b"~0\r\n", b":0\r\n", b"#f\r\n"}
)


def _key(name: str, args: Args) -> bytes | None:
    """The argument that a label shows: the first key, or the least where a client may turn several round."""
    find = _KEY_AT.get(name)
    if find is not None:
        return find(args)
    return args[1] if len(args) > 1 else None


def _behind_count(at: int) -> Callable[[Args], bytes | None]:
    return lambda args: args[at + 1] if len(args) > at + 1 else None


def _least(args: Args) -> bytes | None:
    """BRPOP and its like take any number of keys, then the timeout; kombu turns them round at each call."""
    return min(args[1:-1], default=None)


def _behind_streams(args: Args) -> bytes | None:
    places = (place for place, arg in enumerate(args) if arg.upper() == b"STREAMS")
    place = next(places, len(args))
    return args[place + 1] if len(args) > place + 1 else None


def _second(args: Args) -> bytes | None:
    return args[2] if len(args) > 2 else None


_KEY_AT: dict[str, Callable[[Args], bytes | None]] = {
    **dict.fromkeys(("BLPOP", "BRPOP", "BZPOPMIN", "BZPOPMAX"), _least),
    **dict.fromkeys(("XREAD", "XREADGROUP"), _behind_streams),
    **dict.fromkeys(("LMPOP", "ZMPOP"), _behind_count(1)),
    **dict.fromkeys(("BLMPOP", "BZMPOP"), _behind_count(2)),
    **dict.fromkeys(("XGROUP", "XINFO", "OBJECT", "MEMORY", "BITOP"), _second),
}


def _script_words(name: str, args: Args) -> list[str]:
    """Which script, its first key, and its first argument where that is a word."""
    parts = []
    if name.startswith("FCALL"):
        parts += [_text(arg) for arg in args[1:2]]
    elif name.startswith("EVALSHA"):
        parts += [_text(arg)[:8] for arg in args[1:2]]
    keys = _key_count(args)
    if keys and len(args) > 3:
        parts.append(collapse(_text(args[3])))
    word = _first_argument(args)
    return [*parts, word] if word else parts


def _key_count(args: Args) -> int:
    return int(args[2]) if len(args) > 2 and len(args[2]) < 6 and args[2].isdigit() else 0


def _first_argument(args: Args) -> str:
    """Of a script, behind its keys; empty when it is no plain word."""
    place = 3 + _key_count(args)
    argument = args[place] if len(args) > place else b""
    word = argument.decode("ascii", "replace") if len(argument) <= _WORD_CHARS_MAX else ""
    return word if word.isidentifier() and not any(char.isdigit() for char in word) else ""


def _is_talk(name: str, args: Args) -> bool:
    """True for what workers say of themselves, much of it by the clock, and to each other."""
    key = args[1] if len(args) > 1 else b""
    if name == "PUBLISH":
        return any(word in key for word in _EVENTS_OF_WORKERS)
    return key.startswith(_KEPT_BY_WORKERS) or (name == "DEL" and b".pidbox" in key)


@lru_cache(maxsize=4096)
def _text(arg: bytes) -> str:
    return arg[:128].decode("utf-8", "replace")
