"""Looks at a system through the sources of its target file: job -> what was seen, all at about one moment."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from unstuck.scenario import CANONICAL_STATES
from unstuck.targets.declared.agent_client import CallError
from unstuck.targets.declared.calls import Caller, find, has
from unstuck.targets.declared.file import HELD, JobSource, Look, RedisSource, RowsSource, Source
from unstuck.targets.declared.templates import OF_JOB, fill, is_glob, is_of_job
from unstuck.targets.declared.tracker import NOWHERE, Seen

LONG_ID = 8  # characters
REASON_MAX = 200  # the same
NOT_FOUND = 404
OURS: Mapping[str, str | None] = {state: state for state in CANONICAL_STATES}  # of a source without a map
LOOK = """
local function members(key)
  local kind = redis.call('TYPE', key)['ok']
  if kind == 'list' then return redis.call('LRANGE', key, 0, -1) end
  if kind == 'set' then return redis.call('SMEMBERS', key) end
  if kind == 'zset' then return redis.call('ZRANGE', key, 0, -1) end
  if kind == 'string' then return {redis.call('GET', key)} end
  if kind == 'hash' then return redis.call('HGETALL', key) end
  if kind == 'stream' then
    local flat = {}
    for _, entry in ipairs(redis.call('XRANGE', key, '-', '+')) do
      flat[#flat + 1] = entry[1]
      for _, part in ipairs(entry[2]) do flat[#flat + 1] = part end
    end
    return flat
  end
  return {}
end
local found = {}
for at = 1, #ARGV, 5 do
  local how, key, field, reason = ARGV[at], ARGV[at + 1], ARGV[at + 2], ARGV[at + 3]
  local through = ARGV[at + 4]
  local keys = {key}
  if how == 'glob' then keys = redis.call('KEYS', key) end
  local values = {}
  for _, name in ipairs(keys) do
    if how == 'hash' then
      local kind = redis.call('TYPE', name)['ok']
      local value = kind == 'hash' and redis.call('HGET', name, field)
      if value then
        values[1] = value
        if reason ~= '' then values[2] = redis.call('HGET', name, reason) or '' end
      end
    else
      for _, member in ipairs(members(name)) do values[#values + 1] = member end
    end
  end
  if through ~= '' then
    local carried = {}
    for _, member in ipairs(values) do
      local value = redis.call('HGET', through, member)
      if value then carried[#carried + 1] = value end
    end
    values = carried
  end
  found[#found + 1] = values
end
return found
"""
"""Everything at one moment: between two commands of a client, a job moves from one list to the next."""


class Sources:
    """All sources of a target. `look` may be called from one thread at a time."""

    def __init__(self, sources: Sequence[Source], caller: Caller, timeout_s: float) -> None:
        self._caller = caller
        self._timeout_s = timeout_s
        self._mentions = {id(look): Mentions() for source in sources for look in _looks_of(source)}
        self._readers: list[Callable[[Sequence[str]], Mapping[str, Seen]]] = [
            self._reader(source) for source in sources
        ]

    def look(self, jobs: Sequence[str]) -> dict[str, Seen]:
        """What is seen of each of `jobs`: its state by the first source that knows one, and so where it is
        held. Raises `CallError` when a source cannot be asked.
        """
        seen = dict.fromkeys(jobs, NOWHERE)
        for read in self._readers:
            for job, found in read(jobs).items():
                if job in seen:
                    seen[job] = merged(seen[job], found)
        return seen

    def _reader(self, source: Source) -> Callable[[Sequence[str]], Mapping[str, Seen]]:
        match source:
            case RedisSource():
                return lambda jobs: self._redis(source, jobs)
            case RowsSource():
                return lambda _: self._rows(source)
            case JobSource():
                return lambda jobs: {job: self._job(source, job) for job in jobs}

    # Redis

    def _redis(self, source: RedisSource, jobs: Sequence[str]) -> Mapping[str, Seen]:
        asked: list[tuple[Look, str | None]] = []
        words: list[str] = []
        for look in source.looks:
            for job in jobs if is_of_job(look.key) else (None,):
                asked.append((look, job))
                words += _look_words(look, job)
        client = self._caller.redis(source.dependency, source.database, self._timeout_s)
        try:
            answers = client.eval(LOOK, 0, *words)
        except Exception as error:  # noqa: BLE001  of a library that may not be installed: all the same to us
            raise CallError(f"{source.dependency}: {error}", maybe=False) from None
        seen: dict[str, Seen] = {}
        for (look, job), values in zip(asked, answers, strict=True):
            texts = [text_of(value) for value in values if value is not None]
            if job is None:
                there = Seen(state=look.state, held=look.held)
                for about in self._mentions[id(look)].of(texts, jobs):
                    seen[about] = merged(seen.get(about, NOWHERE), there)
            elif (found := _found(look, texts)) is not None:
                seen[job] = merged(seen.get(job, NOWHERE), found)
        return seen

    # Calls

    def _rows(self, source: RowsSource) -> Mapping[str, Seen]:
        rows = rows_in(self._caller.perform(source.call, {}, self._timeout_s), source.rows)
        found = [of_row(source, row) for row in rows]
        return dict(one for one in found if one is not None)

    def _job(self, source: JobSource, job: str) -> Seen:
        try:
            answer = self._caller.perform(source.call, {"job": job}, self._timeout_s)
        except CallError as error:
            if error.status == NOT_FOUND:
                return NOWHERE
            raise
        if isinstance(answer, str) and not answer.strip():
            return NOWHERE
        raw = _in_answer(source.state, answer)
        reason = None if source.reason is None else _in_answer(source.reason, answer)
        if isinstance(raw, str):
            raw = raw.strip()
        found = seen_of(None if raw == "" else raw, source.states, source.says_held)
        return replace(found, reason=_reason(reason))


def _in_answer(path: str | None, answer: Any) -> Any:
    """What is said of one job; of rows, as a statement answers, a column of the first. Raises `CallError`."""
    try:
        if path is not None and not path.startswith("$"):
            answer = _parsed(answer)
            if isinstance(answer, list):
                answer = answer[0] if answer else None
        return find(path, answer)
    except ValueError as error:
        raise CallError(f"a source's answer is not JSON ({error}): {_shown(answer)}", maybe=False) from None


def of_row(source: RowsSource, row: Any) -> tuple[str, Seen] | None:
    """A job, and what its row says of it; None: it names no job."""
    job = find(source.job, row)
    if job is None:
        return None
    raw = None if source.state is None else find(source.state, row)
    found = seen_of(raw, source.states, source.says_held)
    held = None if source.held is None else find(source.held, row)
    reason = None if source.reason is None else find(source.reason, row)
    if isinstance(held, str) and held in HELD:
        found = replace(found, held=held)
    elif isinstance(held, str) and held:
        found = replace(found, unmapped=f"held: {held}")
    return str(job), replace(found, reason=_reason(reason))


def seen_of(raw: Any, states: Mapping[str, str | None], says_held: Mapping[str, str]) -> Seen:
    """A word of the system in ours; without a map, its words are ours already."""
    if raw is None:
        return NOWHERE
    word = str(raw).lower() if isinstance(raw, bool) else str(raw)
    states = states or OURS
    if word not in states:
        return Seen(raw=word, unmapped=word)
    state = states[word]
    return Seen(state=state, held=None if state is None else says_held.get(state), raw=word)


def _look_words(look: Look, job: str | None) -> tuple[str, str, str, str, str]:
    key = fill(look.key, ({} if job is None else {OF_JOB: job}).__getitem__)
    field = look.field or look.reason  # a look may be for the reason alone
    if field is not None and not field.startswith("$"):
        return "hash", key, field, look.reason or "", ""
    how = "glob" if job is None and is_glob(key) else "key"
    return how, key, "", "", look.through or ""


def _found(look: Look, texts: Sequence[str]) -> Seen | None:
    """What a look at a job's own key says; None: nothing."""
    if not texts:
        return None
    if look.field is None:
        there = Seen(state=look.state, held=look.held)
        return there if look.reason is None else Seen(reason=_reason(texts[0]))
    raw: Any = texts[0]
    reason: Any = texts[1] if len(texts) > 1 else None
    if look.field.startswith("$"):
        try:
            raw = find(look.field, texts[0])
            reason = find(look.reason, texts[0]) if look.reason else None
        except ValueError:
            return Seen(raw=texts[0][:100], unmapped=texts[0][:100])
    return replace(seen_of(raw, look.states, {}), held=look.held, reason=_reason(reason))


class Mentions:
    """Which jobs the members of one place name. Most members are still there in the next look: each is
    searched for a job once, and not once a look."""

    def __init__(self) -> None:
        self._jobs: set[str] = set()
        self._order: list[str] = []  # the same, in the order in which they were asked for
        self._known: dict[
            str, tuple[int, set[str]]
        ] = {}  # member -> how many jobs it was searched for; which

    def of(self, members: Sequence[str], jobs: Sequence[str]) -> set[str]:
        """Those of `jobs` that any member names."""
        for job in jobs:
            if job not in self._jobs:
                self._jobs.add(job)
                self._order.append(job)
        known: dict[str, tuple[int, set[str]]] = {}
        found: set[str] = set()
        for member in members:
            searched, named = self._known.get(member, (0, set()))
            if searched < len(self._order):
                named = named | {job for job in self._order[searched:] if holds(member, job)}
            known[member] = len(self._order), named
            found |= named
        self._known = known  # what has gone is forgotten
        return found.intersection(jobs)


def holds(text: str, job: str) -> bool:
    """A member is the id, or has it somewhere in it; a short id (`7`) could stand there for anything, and
    `order-12` is not meant by `order-123`."""
    if text == job:
        return True
    at = text.find(job) if len(job) >= LONG_ID else -1
    while at >= 0:
        after = at + len(job)
        if not (job[-1].isdecimal() and text[after : after + 1].isdecimal()):
            return True
        at = text.find(job, at + 1)
    return False


def merged(first: Seen, second: Seen) -> Seen:
    """The first that knows decides; each of the two things for itself."""
    return Seen(
        state=first.state if first.state is not None else second.state,
        held=first.held if first.held is not None else second.held,
        raw=first.raw if first.raw is not None else second.raw,
        reason=first.reason if first.reason is not None else second.reason,
        unmapped=first.unmapped if first.unmapped is not None else second.unmapped,
    )


def _reason(value: Any) -> str | None:
    """The last line of what a system keeps, which of a traceback is the one that says it."""
    lines = [] if value is None else str(value).strip().splitlines()
    return lines[-1].strip()[:REASON_MAX] if lines else None


def _looks_of(source: Source) -> tuple[Look, ...]:
    return source.looks if isinstance(source, RedisSource) else ()


def rows_in(answer: Any, path: str | None) -> list[Mapping[str, Any]]:
    """The rows of an answer, also of an object by job. Raises `CallError` as `list_in`."""
    found = _at(path, answer)
    if isinstance(found, Mapping):
        found = [
            {"job": job, **(row if isinstance(row, Mapping) else {"state": row})}
            for job, row in found.items()
        ]
    rows = list_in(found, None)
    if not all(isinstance(row, Mapping) for row in rows):
        raise CallError(f"a source's answer has no rows (a list of objects): {_shown(answer)}", maybe=False)
    return rows


def list_in(answer: Any, path: str | None) -> list[Any]:
    """The list in an answer; `null` is an empty one, as some languages write it.

    Raises `CallError` when there is none: an error that comes as an answer is not the absence of every job.
    """
    found = _at(path, answer)
    if found is not None and not isinstance(found, list):
        raise CallError(f"a source's answer has no list of rows: {_shown(answer)}", maybe=False)
    return found or []


def _at(path: str | None, answer: Any) -> Any:
    try:
        found = _parsed(answer)
    except ValueError as error:
        raise CallError(f"a source's answer is not JSON ({error}): {_shown(answer)}", maybe=False) from None
    if path is None:
        return found
    if not has(path, found):
        raise CallError(f"a source's answer has no {path}: {_shown(answer)}", maybe=False)
    return find(path, found)


def _shown(answer: Any) -> str:
    return " ".join(str(answer).split())[:100]


def _parsed(answer: Any) -> Any:
    return json.loads(answer) if isinstance(answer, str) else answer


def text_of(value: Any) -> str:
    return value.decode(errors="replace") if isinstance(value, bytes) else str(value)
