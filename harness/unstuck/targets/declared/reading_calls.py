"""Reads how a target is called and looked at: submission, sources of states, effects."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from unstuck.errors import did_you_mean
from unstuck.loading.fields import build, one_of, typed
from unstuck.loading.spot import Spot
from unstuck.targets.declared.file import (
    Call,
    CommandCall,
    HttpCall,
    JobSource,
    Look,
    Observation,
    PythonCall,
    RedisCall,
    RedisSource,
    RowsSource,
    Source,
    SqlCall,
    Submission,
)
from unstuck.targets.declared.templates import is_glob, is_of_job
from unstuck.targets.declared.words import (
    TargetWords,
    plain,
    read_command,
    read_held,
    read_says_held,
    read_settings,
    read_state,
    read_states,
    read_texts,
)

CALLS = ("command", "http", "python", "redis", "sql")
SUBMIT_KEYS = ("job", "chosen", "values", "timeout_s")  # beside a call
OBSERVE_KEYS = ("sources", "every_s", "absent", "timeout_s", "list")
LOOKS_KEYS = ("looks", "on", "database")
ROWS_TEXTS = ("rows", "job", "state", "held", "reason", "since", "busy", "name", "tenant")
ROWS_KEYS = (*ROWS_TEXTS, "states", "says_held")  # beside a call
EACH_KEYS = ("each", "state", "reason", "states", "says_held")
METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")
ABSENCES = ("lost", "succeeded", "unknown")
_FUNCTION = re.compile(r"[A-Za-z_][\w.]*:[A-Za-z_]\w*")
_SQL_KINDS = frozenset({"postgres"})
_REDIS_KINDS = frozenset({"redis"})


class CallReader:
    """Reads calls against the dependencies that the file declares (name -> kind)."""

    def __init__(self, dependencies: Mapping[str, str]) -> None:
        self._dependencies = dependencies
        self._words = TargetWords()

    def call(self, entries: Mapping[str, Spot], spot: Spot) -> Call:
        """The one call among the entries of `spot`. Raises `ScenarioError` for none, and for several."""
        kinds = [kind for kind in CALLS if kind in entries]
        if len(kinds) != 1:
            rule = f"says {len(kinds)} ways: {', '.join(kinds)}" if kinds else "says no way"
            raise spot.error(f"{rule}. Write one of: {', '.join(CALLS)}.")
        readers: Mapping[str, Callable[[Spot, Mapping[str, Spot]], Call]] = {
            "command": lambda one, _: CommandCall(command=read_command(one)),
            "http": lambda one, _: self._http(one),
            "python": lambda one, _: self._python(one),
            "redis": self._redis,
            "sql": self._sql,
        }
        return readers[kinds[0]](entries[kinds[0]], entries)

    def one_call(self, spot: Spot) -> Call:
        """A call that stands alone: `rescue: {command: …}`."""
        return self.call(spot.entries({*CALLS, "on"}), spot)

    def _http(self, spot: Spot) -> HttpCall:
        if not isinstance(spot.node.value, Mapping):
            return HttpCall(url=str(typed(spot, (str,))), method="GET")
        call = build(
            HttpCall,
            spot,
            self._words,
            readers={
                "body": plain,
                "headers": read_texts,
                "method": lambda one: str(one_of(one, METHODS)),
            },
        )
        return call if "method" in spot.entries() or call.body is not None else replace(call, method="GET")

    def _python(self, spot: Spot) -> PythonCall:
        text = str(typed(spot, (str,)))
        if not _FUNCTION.fullmatch(text):
            raise spot.error("is no function. Write it as module:function.")
        return PythonCall(function=text)

    def _redis(self, spot: Spot, entries: Mapping[str, Spot]) -> RedisCall:
        return RedisCall(dependency=self._on(spot, entries, _REDIS_KINDS), command=read_command(spot))

    def _sql(self, spot: Spot, entries: Mapping[str, Spot]) -> SqlCall:
        return SqlCall(dependency=self._on(spot, entries, _SQL_KINDS), statement=str(typed(spot, (str,))))

    def _on(self, spot: Spot, entries: Mapping[str, Spot], kinds: frozenset[str]) -> str:
        """The dependency that a call goes to: `on: NAME`, or the only one of its kind."""
        fitting = [name for name, kind in self._dependencies.items() if kind in kinds]
        if "on" not in entries:
            if len(fitting) == 1:
                return fitting[0]
            rule = "several could be meant" if fitting else f"there is no dependency of kind {min(kinds)}"
            raise spot.error(f"does not say where: {rule}. Add `on: NAME`.")
        return self.dependency(entries["on"], kinds)

    def dependency(self, spot: Spot, kinds: frozenset[str]) -> str:
        name = spot.scalar()
        fitting = [name for name, kind in self._dependencies.items() if kind in kinds]
        if not isinstance(name, str) or name not in fitting:
            raise spot.unknown(f"a dependency of kind {min(kinds)}", fitting)
        return name

    # What a file says of jobs

    def submission(self, spot: Spot) -> Submission:
        entries = spot.entries({*CALLS, "on", *SUBMIT_KEYS})
        submission = Submission(call=self.call(entries, spot))
        if "job" in entries:
            submission = replace(submission, job=str(typed(entries["job"], (str,))))
        if "chosen" in entries:
            submission = replace(submission, chosen=typed(entries["chosen"], (bool,)) is True)
        if "values" in entries:
            submission = replace(submission, values=read_settings(entries["values"]))
        if "timeout_s" in entries:
            submission = replace(submission, timeout_s=self._seconds(entries["timeout_s"], "timeout_s"))
        return submission

    def observation(self, spot: Spot) -> Observation:
        entries = spot.entries(OBSERVE_KEYS)
        if "sources" not in entries:
            raise spot.error("lacks 'sources'. List where the state of a job can be read.")
        sources = tuple(self.source(item) for item in entries["sources"].items())
        if not sources:
            raise entries["sources"].error("is empty. Name a place where the state of a job can be read.")
        found = Observation(sources=sources)
        if "every_s" in entries:
            found = replace(found, every_s=self._seconds(entries["every_s"], "every_s"))
        if "timeout_s" in entries:
            found = replace(found, timeout_s=self._seconds(entries["timeout_s"], "timeout_s"))
        if "absent" in entries:
            value = str(one_of(entries["absent"], ABSENCES))
            found = replace(found, absent=value)  # type: ignore[arg-type]  # one of the literals
        if "list" in entries:
            found = replace(found, listing=self._rows(entries["list"]))
        return found

    def source(self, spot: Spot) -> Source:
        entries = spot.entries()
        if "looks" in entries:
            return self._looks(spot)
        if "each" in entries:
            return self._each(spot)
        return self._rows(spot)

    def effects(self, spot: Spot) -> Source:
        """A source whose rows are effects; it has to show those of all jobs at once."""
        source = self.source(spot)
        if isinstance(source, JobSource):
            raise spot.error("asks for one job, and effects are rows of all. Write a call that lists them.")
        if isinstance(source, RedisSource):
            for look, item in zip(source.looks, spot.entries()["looks"].items(), strict=True):
                if is_of_job(look.key) or is_glob(look.key) or look.through is not None:
                    raise item.error(
                        "shows no rows that are effects: {job}, globs and `through` are for states. "
                        "Name one list."
                    )
        return source

    def _looks(self, spot: Spot) -> RedisSource:
        entries = spot.entries(LOOKS_KEYS)
        looks = tuple(self._look(item) for item in entries["looks"].items())
        if not looks:
            raise entries["looks"].error("is empty. Name a key.")
        database = int(str(typed(entries["database"], (int,)))) if "database" in entries else 0
        return RedisSource(dependency=self._on(spot, entries, _REDIS_KINDS), looks=looks, database=database)

    def _look(self, spot: Spot) -> Look:
        look = build(
            Look,
            spot,
            self._words,
            readers={"states": read_states, "state": read_state, "held": read_held},
        )
        self._check_look(look, spot)
        self._check_ids(look, spot)
        return look

    @staticmethod
    def _check_look(look: Look, spot: Spot) -> None:
        """Raises `ScenarioError` for what would be dropped silently when it is looked."""
        own = is_of_job(look.key)
        for key, value in (("field", look.field), ("reason", look.reason), ("since", look.since)):
            if value is not None and not own:
                raise spot.error(f"has a {key}, but its key is not the job's own. Put {{job}} into the key.")
        if look.states and look.field is None:
            raise spot.error("maps states, but reads none. Add `field`.")
        if look.field is not None and look.state is not None:
            raise spot.error("has a field and a state. Keep one of them.")
        if look.reason is not None:
            path = look.reason.startswith("$")
            if path and not (look.field or "").startswith("$"):
                raise spot.error(
                    "has a reason that is a JSONPath, and `field` is none. Read the state by one, too."
                )
            if look.field is None and (look.state or look.held):
                raise spot.error(
                    "has a reason without `field`: `state` and `held` would be dropped. Add a look."
                )
        if look.through is not None and own:
            raise spot.error("goes through a hash, but its key is the job's own already. Drop `through`.")
        if not (look.states or look.state or look.held or look.reason):
            raise spot.error("says nothing. Add `states` with `field`, or `state`, `held` or `reason`.")

    @staticmethod
    def _check_ids(look: Look, spot: Spot) -> None:
        if look.job is not None and (is_of_job(look.key) or is_glob(look.key)):
            raise spot.error("has a `job`, which is for one key that holds many. Drop it, or name that key.")
        if look.job is not None and not look.job.startswith("$"):
            raise spot.error("has a `job` that is no JSONPath. Write `$`, or `$.id` for a part of a member.")

    def _rows(self, spot: Spot) -> RowsSource:
        known = {*CALLS, "on", *ROWS_KEYS}
        entries = spot.entries()
        for key, entry in entries.items():
            if key not in known:
                hint = did_you_mean(key, {*known, "looks", "each"})
                raise spot.key_error(entry, key, f"is not a key here.{hint}")
        source = RowsSource(call=self.call(entries, spot))
        for key in ROWS_TEXTS:
            if key in entries:
                changed: dict[str, Any] = {key: str(typed(entries[key], (str,)))}
                source = replace(source, **changed)
        if "states" in entries:
            source = replace(source, states=read_states(entries["states"]))
        if "says_held" in entries:
            source = replace(source, says_held=read_says_held(entries["says_held"]))
        return source

    def _each(self, spot: Spot) -> JobSource:
        entries = spot.entries({"on", *EACH_KEYS})
        inner = entries["each"].entries({*CALLS, "on"})
        source = JobSource(call=self.call(inner, entries["each"]))
        for key in ("state", "reason"):
            if key in entries:
                changed: dict[str, Any] = {key: str(typed(entries[key], (str,)))}
                source = replace(source, **changed)
        if "states" in entries:
            source = replace(source, states=read_states(entries["states"]))
        if "says_held" in entries:
            source = replace(source, says_held=read_says_held(entries["says_held"]))
        return source

    def _seconds(self, spot: Spot, field: str) -> float:
        value = typed(spot, (float,))
        self._words.check(field, spot)
        assert isinstance(value, float)
        if value <= 0:
            raise spot.error("must be more than 0.")
        return value
