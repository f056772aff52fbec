"""Effects that the target file says can be seen: rows of a source, one for each time that one was had."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping

from unstuck.targets.declared.agent_client import CallError
from unstuck.targets.declared.calls import Caller, find
from unstuck.targets.declared.file import Look, RedisSource, RowsSource, Source
from unstuck.targets.declared.sources import list_in
from unstuck.targets.declared.templates import fill
from unstuck.targets.declared.tracker import Tracker


class EffectsLook:
    """`look` tells the tracker of each row that is new. Rows are counted, so none may vanish."""

    def __init__(self, source: Source, caller: Caller, tracker: Tracker, timeout_s: float) -> None:
        self._source = source
        self._caller = caller
        self._tracker = tracker
        self._timeout_s = timeout_s
        self._told: Counter[str] = Counter()

    def look(self) -> None:
        """Raises `CallError` when the source cannot be asked."""
        found = Counter(self._rows())
        for job, count in found.items():
            for number in range(self._told[job] + 1, count + 1):
                self._told[job] = number
                self._tracker.effect(job, f"{job}#{number}")

    def _rows(self) -> list[str]:
        """The job of each row."""
        match self._source:
            case RowsSource(call=call, job=path, rows=rows):
                found = list_in(self._caller.perform(call, {}, self._timeout_s), rows)
                jobs = [row if isinstance(row, str | int) else find(path, row) for row in found]
                return [str(job) for job in jobs if job is not None]
            case RedisSource(dependency=name, looks=looks, database=database):
                client = self._caller.redis(name, database, self._timeout_s)
                try:
                    members = [one for look in looks for one in client.lrange(_key(look), 0, -1)]
                except Exception as error:  # noqa: BLE001  of a library that may not be installed
                    raise CallError(f"effects: {name}: {error}", maybe=False) from None
                return [_job_of(one.decode(errors="replace")) for one in members]
            case _:
                return []


def _key(look: Look) -> str:
    """With doubled braces made single; it names no job."""
    return fill(look.key, dict[str, str]().__getitem__)


def _job_of(member: str) -> str:
    """A member of a list is a job's id, or an object with `job`."""
    try:
        value = json.loads(member)
    except ValueError:
        return member
    return str(value["job"]) if isinstance(value, Mapping) and "job" in value else member
