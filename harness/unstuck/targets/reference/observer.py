"""Our own witness in the service's database: triggers that append each change of a job, and tell us.

The service is not asked. A row is written in the transaction that changes the job, so it is there exactly
when the change is; NOTIFY hurries it to us, and the table says at the end whether any was missed.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Mapping
from typing import Any, Final

import psycopg

from unstuck.clock import monotonic_ns, realtime_s
from unstuck.errors import HarnessError
from unstuck.targets.port import Emit

CHANNEL = "unstuck_seen"
OPERATOR = "unstuck-operator"  # the name of a connection on which a fault plays the operator

INSTALL = """
CREATE SCHEMA IF NOT EXISTS unstuck;
CREATE TABLE IF NOT EXISTS unstuck.seen (number bigserial PRIMARY KEY, facts json NOT NULL);

CREATE OR REPLACE FUNCTION unstuck.see() RETURNS trigger LANGUAGE plpgsql AS $see$
DECLARE
    kind text;
    seen bigint;
    facts json;
BEGIN
    IF TG_OP = 'INSERT' OR NEW.state IS DISTINCT FROM OLD.state OR NEW.token IS DISTINCT FROM OLD.token THEN
        kind := 'transition';
    ELSIF NEW.stage IS DISTINCT FROM OLD.stage THEN
        kind := 'stage';
    ELSE
        RETURN NEW;
    END IF;
    seen := nextval('unstuck.seen_number_seq');
    facts := json_build_object(
        'number', seen, 'kind', kind, 'job', NEW.id, 'at_s', extract(epoch FROM clock_timestamp()),
        'from', CASE WHEN TG_OP = 'INSERT' THEN NULL ELSE OLD.state END, 'to', NEW.state,
        'stage', NEW.stage, 'attempt', NEW.attempt, 'token', NEW.token, 'worker', NEW.worker,
        'reason', NEW.reason, 'tenant', NEW.tenant, 'name', left(NEW.name, 200),
        'by', CASE WHEN current_setting('application_name') = 'unstuck-operator' THEN 'operator' END);
    INSERT INTO unstuck.seen (number, facts) VALUES (seen, facts);
    PERFORM pg_notify('unstuck_seen', facts::text);
    RETURN NEW;
END $see$;

DROP TRIGGER IF EXISTS unstuck_see ON jobs;
CREATE TRIGGER unstuck_see AFTER INSERT OR UPDATE ON jobs FOR EACH ROW EXECUTE FUNCTION unstuck.see();

CREATE OR REPLACE FUNCTION unstuck.see_alert() RETURNS trigger LANGUAGE plpgsql AS $see$
DECLARE
    seen bigint;
    facts json;
BEGIN
    seen := nextval('unstuck.seen_number_seq');
    facts := json_build_object(
        'number', seen, 'kind', 'alert', 'at_s', extract(epoch FROM clock_timestamp()),
        'alert', NEW.name, 'state', NEW.state, 'value', NEW.value, 'threshold', NEW.threshold);
    INSERT INTO unstuck.seen (number, facts) VALUES (seen, facts);
    PERFORM pg_notify('unstuck_seen', facts::text);
    RETURN NEW;
END $see$;

CREATE OR REPLACE FUNCTION unstuck.see_sweep() RETURNS trigger LANGUAGE plpgsql AS $see$
DECLARE
    seen bigint;
    facts json;
BEGIN
    seen := nextval('unstuck.seen_number_seq');
    facts := json_build_object(
        'number', seen, 'kind', 'sweep', 'at_s', extract(epoch FROM clock_timestamp()),
        'run', NEW.id, 'trigger', NEW.trigger, 'actor', NEW.actor, 'state', NEW.state, 'found', NEW.found,
        'triggered', NEW.triggered, 'skipped', NEW.skipped, 'failed', NEW.failed);
    INSERT INTO unstuck.seen (number, facts) VALUES (seen, facts);
    PERFORM pg_notify('unstuck_seen', facts::text);
    RETURN NEW;
END $see$;

DO $$ BEGIN
    IF to_regclass('recovery_runs') IS NOT NULL THEN
        DROP TRIGGER IF EXISTS unstuck_see_sweep ON recovery_runs;
        CREATE TRIGGER unstuck_see_sweep AFTER INSERT OR UPDATE OF state ON recovery_runs
            FOR EACH ROW EXECUTE FUNCTION unstuck.see_sweep();
    END IF;
    IF to_regclass('alerts') IS NOT NULL THEN  -- a version of the service before it had alerts has none
        DROP TRIGGER IF EXISTS unstuck_see_alert ON alerts;
        CREATE TRIGGER unstuck_see_alert AFTER INSERT ON alerts
            FOR EACH ROW EXECUTE FUNCTION unstuck.see_alert();
    END IF;
END $$;
"""
"""Idempotent. What it costs: one insert and one notification for each change of state or stage."""


MANUAL_UPDATE: Final = """
UPDATE jobs SET state = %s WHERE state = %s AND (%s::text IS NULL OR id = %s)
AND (%s::text IS NULL OR starts_with(name, %s || '/')) RETURNING id
"""


class Observer:
    """Listens on a connection of its own, past every link, and records each change in commit order."""

    def __init__(self, url: str, emit: Emit) -> None:
        self._emit = emit
        self._failure: Exception | None = None
        self._seen: set[int] = set()
        # The database stamps with the wall clock of this very machine; a step of it is noticed elsewhere.
        self._epoch_ns = _epoch_ns()
        self._connection = psycopg.connect(url, autocommit=True)
        try:
            self._connection.execute(f"LISTEN {CHANNEL}")
        except BaseException:
            self._connection.close()
            raise
        self._closing = False
        self._lock = threading.Lock()
        self._thread = threading.Thread(target=self._listen, name="observer", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._closing = True
        self._thread.join(2.0)
        self._connection.close()

    def check(self) -> None:
        """Raises `HarnessError` when it stopped seeing: triggers may have missed what they wait for."""
        if self._failure is not None and not self._closing:
            raise HarnessError(
                f"observer: saw no more of the database ({type(self._failure).__name__}: {self._failure}). "
                "Look at the log of PostgreSQL, and run again."
            ) from self._failure

    def catch_up(self, url: str) -> None:
        """Takes from the table what no notification brought; afterwards nothing is missing."""
        with psycopg.connect(url, autocommit=True) as connection:
            rows = connection.execute("SELECT facts FROM unstuck.seen ORDER BY number").fetchall()
        for (facts,) in rows:
            self._take(facts)

    def _listen(self) -> None:
        while not self._closing:
            try:
                for notice in self._connection.notifies(timeout=0.25):
                    self._take(json.loads(notice.payload))
            except Exception as error:  # noqa: BLE001  `check` tells, where somebody can act on it
                self._failure = error
                return

    def _take(self, facts: Mapping[str, Any]) -> None:
        with self._lock:
            number = int(facts["number"])
            if number in self._seen:
                return
            self._seen.add(number)
        at_ns = int(float(facts["at_s"]) * 1e9) + self._epoch_ns
        if facts["kind"] == "alert":
            about = {key: facts[key] for key in ("alert", "value", "threshold")}
            self._emit("alert", str(facts["state"]), at_ns=at_ns, **about)
            return
        if facts["kind"] == "sweep":
            phase, about = sweep_of(facts)
            self._emit("sweep", phase, at_ns=at_ns, **about)
            return
        data = {
            key: facts[key]
            for key in ("from", "to", "stage", "attempt", "token", "worker", "reason", "tenant", "by")
            if facts.get(key) is not None or key == "from"
        }
        if facts["kind"] == "stage":
            data.pop("from")
            data.pop("to")
        self._emit(
            facts["kind"],
            job=facts["job"],
            at_ns=at_ns,
            tag=tag_of(str(facts["name"])),
            **data,
        )


SWEEP = ("run", "trigger", "actor", "state", "found", "triggered", "skipped", "failed")


def sweep_of(facts: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    """The phase of a recovery sweep, and what is known of it then."""
    if facts["state"] == "running":
        return "begin", {key: facts[key] for key in SWEEP[:3]}
    return "end", {key: facts[key] for key in SWEEP}


def _epoch_ns() -> int:
    """What to add to a wall clock's stamp: of several readings the one that was interrupted the least."""
    readings = []
    for _ in range(5):
        before_ns = monotonic_ns()
        wall_ns = int(realtime_s() * 1e9)
        after_ns = monotonic_ns()
        readings.append((after_ns - before_ns, (before_ns + after_ns) // 2 - wall_ns))
    return min(readings)[1]


def tag_of(name: str) -> str:
    """Clients name their jobs `tag/client`, so that a fault can select them from the first moment on."""
    return name.split("/", 1)[0]
