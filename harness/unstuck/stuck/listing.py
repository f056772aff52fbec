"""Which jobs a running system has that have not ended: through what its target file says can list them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from itertools import islice
from typing import Any, TypeVar

from unstuck.errors import TargetError
from unstuck.scenario import TERMINAL_STATES
from unstuck.stuck.identity import UNSAFE, may_go_into
from unstuck.targets.declared.agent_client import CallError
from unstuck.targets.declared.calls import Caller, find
from unstuck.targets.declared.file import JobSource, Look, RedisSource, RowsSource, TargetFile
from unstuck.targets.declared.sources import Sources, merged, of_row, rows_in, text_of
from unstuck.targets.declared.templates import OF_JOB, fill, is_of_job
from unstuck.targets.declared.tracker import NOWHERE, Seen

AT_ONCE = 500  # jobs that one look is about, and keys or members that one command reads
MILLISECONDS = 1e11  # a number above that is no date in seconds
GLOB = "\\*?[]"
T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Listed:
    """A job of the running system. `since_s`: seconds since 1970, the last sign of life; None: nobody says.
    `busy`: somebody is at work on it; None: nobody says."""

    job: str
    state: str | None = None
    held: str | None = None
    raw: str | None = None
    unmapped: str | None = None
    since_s: float | None = None
    busy: bool | None = None
    name: str | None = None
    tenant: str | None = None


def list_jobs(file: TargetFile, caller: Caller) -> list[Listed]:
    """Those that have not ended, and those whose state has no meaning here, in the order of their ids.

    Raises `TargetError` when the target can list none, or could not be asked.
    """
    sources = (file.observe.listing,) if file.observe.listing is not None else file.observe.sources
    listing = [source for source in sources if _can_list(source)]
    if not listing:
        raise TargetError(
            f"target {file.name!r} cannot list its jobs: {_why_not(file)}. Add `observe.list` "
            "(a call that answers rows) to the target file."
        )
    try:
        found = _gather(listing, caller, file.observe.timeout_s)
        if any(isinstance(source, RedisSource | JobSource) for source in sources):
            found = _look(file, found, caller)
    except CallError as error:
        raise TargetError(f"target {file.name!r} cannot be asked: {error}") from None
    kept = [
        job
        for job in found.values()
        if job.state not in TERMINAL_STATES and (job.state, job.held, job.unmapped) != (None, None, None)
    ]
    return sorted(kept, key=lambda job: (job.since_s is None, job.since_s or 0.0, job.job))


def not_listed(file: TargetFile) -> list[str]:
    """Places that hold jobs which have not ended, and that tell no ids: what is only there is not listed.

    Empty when there is an `observe.list`, and of a Redis where every job has a key of its own with its state.
    """
    if file.observe.listing is not None:
        return []
    found: list[str] = []
    for source in file.observe.sources:
        if not isinstance(source, RedisSource) or any(_knows_all(look) for look in source.looks):
            continue
        found += [
            look.key
            for look in source.looks
            if not is_of_job(look.key) and look.job is None and look.state not in TERMINAL_STATES
        ]
    return found


def _knows_all(look: Look) -> bool:
    return is_of_job(look.key) and "queued" in look.states.values()


def seconds_of(value: Any) -> float | None:
    """A date (text of ISO 8601, or of a database) or a number, as seconds since 1970; None: it is neither.

    A date without a zone is taken as UTC; a number too large for seconds is one of milliseconds.
    """
    if isinstance(value, bool) or value is None or value == "":
        return None
    if isinstance(value, datetime):
        return (value if value.tzinfo else value.replace(tzinfo=UTC)).timestamp()
    with suppress(ValueError, TypeError):
        number = float(value)
        return number / 1000 if number > MILLISECONDS else number
    try:
        return seconds_of(datetime.fromisoformat(str(value).strip()))
    except ValueError:
        return None


def _can_list(source: RowsSource | RedisSource | JobSource) -> bool:
    match source:
        case RowsSource():
            return True
        case RedisSource(looks=looks):
            return any(is_of_job(look.key) or look.job is not None for look in looks)
        case JobSource():
            return False


def _why_not(file: TargetFile) -> str:
    why = {
        "asks for one job at a time" if isinstance(source, JobSource) else "has looks that know no ids"
        for source in file.observe.sources
    }
    return f"each of its sources {' or '.join(sorted(why))}"


def _gather(
    sources: Iterable[RowsSource | RedisSource | JobSource], caller: Caller, timeout_s: float
) -> dict[str, Listed]:
    """Ids with what the first source that has it says; of Redis the ids alone, and dates."""
    found: dict[str, Listed] = {}
    for source in sources:
        match source:
            case RowsSource():
                listed = _rows(source, caller, timeout_s)
            case RedisSource():
                listed = _of_redis(source, caller, timeout_s)
            case JobSource():
                continue
        for one in listed:
            found[one.job] = _joined(found[one.job], one) if one.job in found else one
    return found


def _rows(source: RowsSource, caller: Caller, timeout_s: float) -> Iterator[Listed]:
    for row in rows_in(caller.perform(source.call, {}, timeout_s), source.rows):
        told = of_row(source, row)
        if told is None:
            continue
        job, seen = told
        busy, name, tenant = (find(path, row) for path in (source.busy, source.name, source.tenant))
        yield replace(
            _as_seen(Listed(job=job), seen),
            since_s=seconds_of(find(source.since, row)),
            busy=None if busy is None else busy in (True, 1, "true", "t", "1"),
            name=None if name is None else str(name),
            tenant=None if tenant is None else str(tenant),
        )


def _of_redis(source: RedisSource, caller: Caller, timeout_s: float) -> Iterator[Listed]:
    client = caller.redis(source.dependency, source.database, timeout_s)
    try:
        for look in source.looks:
            if is_of_job(look.key):
                yield from _own_keys(client, look)
            elif look.job is not None:
                for member in _members(client, look):
                    job = _id_in(member, look.job)
                    if job is not None:
                        yield Listed(job=job, state=look.state, held=look.held)
    except CallError:
        raise
    except Exception as error:  # noqa: BLE001  of a library that may not be installed: all the same to us
        raise CallError(f"{source.dependency}: {error}", maybe=False) from None


def _own_keys(client: Any, look: Look) -> Iterator[Listed]:
    """By SCAN, which holds up no other client for long."""
    before, mark, after = fill(look.key, {OF_JOB: "\0"}.__getitem__).partition("\0")
    if "\0" in after:  # twice in one key: what stands between is no pattern of ours
        return
    assert mark
    pattern = "".join(f"\\{char}" if char in GLOB else char for char in before) + "*"
    pattern += "".join(f"\\{char}" if char in GLOB else char for char in after)
    field = look.field or look.reason
    kind = "HASH" if field is not None and not field.startswith("$") else None
    for keys in _parts(client.scan_iter(match=pattern, count=AT_ONCE, _type=kind), AT_ONCE):
        names = [text_of(key) for key in keys]
        since = _dates(client, names, look.since)
        for name, at in zip(names, since, strict=True):
            yield Listed(job=name[len(before) : len(name) - len(after)], since_s=at)


def _dates(client: Any, keys: Sequence[str], since: str | None) -> list[float | None]:
    if since is None:
        return [None] * len(keys)
    path = since.startswith("$")
    with client.pipeline(transaction=False) as asked:
        for key in keys:
            asked.get(key) if path else asked.hget(key, since)
        answers = asked.execute(raise_on_error=False)
    texts = [None if one is None or isinstance(one, Exception) else text_of(one) for one in answers]
    if not path:
        return [seconds_of(one) for one in texts]
    return [None if one is None else seconds_of(_at(since, one)) for one in texts]


def _members(client: Any, look: Look) -> Iterator[str]:
    """Of a list, set, sorted set or hash (its values), in parts; of a stream each value of an entry."""
    kind = text_of(client.type(look.key))
    match kind:
        case "list":
            members: Iterable[Any] = _pages(client, look.key)
        case "set":
            members = client.sscan_iter(look.key, count=AT_ONCE)
        case "zset":
            members = (member for member, _ in client.zscan_iter(look.key, count=AT_ONCE))
        case "hash":
            members = (value for _, value in client.hscan_iter(look.key, count=AT_ONCE))
        case "stream":
            members = (value for _, entry in client.xrange(look.key) for value in entry.values())
        case _:
            members = ()
    if look.through is None:
        yield from map(text_of, members)
        return
    for fields in _parts(members, AT_ONCE):
        yield from (text_of(one) for one in client.hmget(look.through, *fields) if one is not None)


def _pages(client: Any, key: str) -> Iterator[Any]:
    begin = 0
    while page := client.lrange(key, begin, begin + AT_ONCE - 1):
        yield from page
        begin += len(page)


def _parts(items: Iterable[T], count: int) -> Iterator[list[T]]:
    rest = iter(items)
    while part := list(islice(rest, count)):
        yield part


def _id_in(member: str, path: str) -> str | None:
    if path == "$":
        return member
    found = _at(path, member)
    return str(found) if isinstance(found, str | int) and not isinstance(found, bool) else None


def _at(path: str, text: str) -> Any:
    try:
        return find(path, json.loads(text))
    except ValueError:
        return None


def _look(file: TargetFile, found: Mapping[str, Listed], caller: Caller) -> dict[str, Listed]:
    """The state of each by all sources, as a run would have it: the first that knows decides."""
    sources = Sources(file.observe.sources, caller, file.observe.timeout_s)
    each = [source.call for source in file.observe.sources if isinstance(source, JobSource)]
    asked = [job for job in found if all(may_go_into(call, job) for call in each)]
    seen = (
        {job: replace(one, unmapped=UNSAFE) for job, one in found.items()} if len(asked) < len(found) else {}
    )
    for jobs in _parts(asked, AT_ONCE):
        for job, what in sources.look(jobs).items():
            # A short id is not looked for within other texts; who listed it knows where it was.
            seen[job] = _as_seen(found[job], merged(what, _seen(found[job])))
    return seen


def _as_seen(job: Listed, seen: Seen) -> Listed:
    return replace(job, state=seen.state, held=seen.held, raw=seen.raw, unmapped=seen.unmapped)


def _joined(first: Listed, second: Listed) -> Listed:
    """What the first does not know, the second says."""
    seen = merged(_seen(first), _seen(second))
    return replace(
        _as_seen(first, seen),
        since_s=first.since_s if first.since_s is not None else second.since_s,
        busy=first.busy if first.busy is not None else second.busy,
        name=first.name or second.name,
        tenant=first.tenant or second.tenant,
    )


def _seen(job: Listed) -> Seen:
    return replace(NOWHERE, state=job.state, held=job.held, raw=job.raw, unmapped=job.unmapped)
