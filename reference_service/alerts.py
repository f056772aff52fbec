"""Alerts: rules as data over what the database says, and the record of when each fired.

The relay evaluates them. Whoever is watched must not be the one who watches: with the `alerts_from_outside`
defence off the sweeper does it, and its own death goes unnoticed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from sqlalchemy import ColumnElement

from reference_service.domain import Defence
from reference_service.metrics import Figure
from reference_service.service import Service
from reference_service.settings import Settings
from reference_service.store import alerting
from reference_service.store.alerting import FIRING


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """Fires while `value` is above the setting `threshold`.

    `window` is the setting that says how far back `value` looks (None: it looks at now).
    """

    name: str
    says: str  # for whoever is woken: what it is, in one line
    do: str  # the next step
    severity: Literal["page", "ticket"]
    value: ColumnElement[Any]
    threshold: str
    window: str | None


RULES: tuple[Rule, ...] = (
    Rule(
        name="uploads_waiting",
        says="uploads were announced and have not come",
        do="ask whether completions arrive: the API's log, the notifications of the bucket, the relay",
        severity="ticket",
        value=alerting.waiting_uploads("alert_upload_age_s"),
        threshold="alert_uploads",
        window="alert_upload_age_s",
    ),
    Rule(
        name="failures",
        says="jobs have failed",
        do="group them by reason: GET /jobs?state=failed",
        severity="page",
        value=alerting.failures("alert_failures_within_s"),
        threshold="alert_failures",
        window="alert_failures_within_s",
    ),
    Rule(
        name="orphans",
        says="jobs are held by nobody and do not move",
        do="see that workers, relay and sweeper run: GET /jobs/orphaned names the jobs",
        severity="page",
        value=alerting.orphans("alert_orphan_age_s"),
        threshold="alert_orphans",
        window="alert_orphan_age_s",
    ),
    Rule(
        name="memory_near_limit",
        says="an instance is near the limit of its memory (percent)",
        do="see which stage needs it (stage_peaks of its attempts), and how much the limit leaves",
        severity="ticket",
        value=alerting.fullest(),
        threshold="memory_warn_percent",
        window="alert_memory_within_s",
    ),
    Rule(
        name="sweeper_silent",
        says="no sweeper has been heard of (seconds)",
        do="start it again: nothing else brings back what a dead worker held",
        severity="page",
        value=alerting.silence_of("sweeper"),
        threshold="alert_sweeper_silent_s",
        window=None,
    ),
    Rule(
        name="dependency_away",
        says="a dependency does not answer, and jobs wait for it (seconds)",
        do="`diagnose` says which: see that it runs, and that workers reach it; the jobs go on by themselves",
        severity="page",
        value=alerting.dependency_away("alert_dependency_within_s"),
        threshold="alert_dependency_away_s",
        window="alert_dependency_within_s",
    ),
    Rule(
        name="recovery_silent",
        says="no recovery sweep has begun by schedule or by HTTP (seconds)",
        do="start the scheduler again, and look why it stopped: its log, `recovery runs`",
        severity="page",
        value=alerting.recovery_silence(),
        threshold="alert_recovery_silent_s",
        window=None,
    ),
    Rule(
        name="recovery_paused",
        says="recovery sweeps are paused (seconds)",
        do="`recovery resume`, unless whoever paused them still needs it",
        severity="ticket",
        value=alerting.recovery_pause(),
        threshold="alert_recovery_paused_s",
        window=None,
    ),
)


class Watch:
    """Evaluates every `alerts_every_s`, the first time that long after the start of its process."""

    def __init__(self, service: Service, role: str) -> None:
        self._service = service
        outside = service.defended(Defence.ALERTS_FROM_OUTSIDE)
        self._mine = service.defended(Defence.ALERTS) and (role == "sweeper") is not outside
        self._due_at = service.clock.monotonic() + service.settings.alerts_every_s

    def look_if_due(self) -> None:
        """Raises `Unavailable`; it is due again a period later."""
        now = self._service.clock.monotonic()
        if self._mine and now >= self._due_at:
            self._due_at = now + self._service.settings.alerts_every_s
            evaluate(self._service)


def values(service: Service) -> Mapping[str, float]:
    """What each rule measures, now. Raises `Unavailable`."""
    settings = service.settings
    windows = {rule.window: float(getattr(settings, rule.window)) for rule in RULES if rule.window}
    return alerting.measure(service.store, {rule.name: rule.value for rule in RULES}, windows)


def evaluate(service: Service) -> Sequence[alerting.Spell]:
    """Measures, and records what has changed; the changes. Raises `Unavailable`."""
    known = alerting.newest(service.store)
    found = values(service)
    changes = alerting.record(
        service.store,
        known,
        {rule.name: (found[rule.name], threshold_of(rule, service.settings)) for rule in RULES},
    )
    for spell in changes:
        facts = {"alert": spell.name, "value": round(spell.value, 3), "threshold": spell.threshold}
        if spell.state == FIRING:
            service.log.warning("alert fires", **facts)
        elif spell.number > 1:
            service.log.info("alert is quiet again", **facts)
    return changes


def report(service: Service) -> Mapping[str, Any]:
    """What is in force, what each rule measures now, and the last changes. Raises `Unavailable`."""
    found = values(service)
    in_force = {spell.name: spell for spell in alerting.newest(service.store)}
    return {
        "alerts": [
            _view(rule, found[rule.name], in_force.get(rule.name), service.settings) for rule in RULES
        ],
        "changes": [
            {"alert": spell.name, "state": spell.state, "value": spell.value, "at": spell.since}
            for spell in alerting.log(service.store, limit=50)
        ],
    }


def figures(service: Service) -> Sequence[Figure]:
    """What each rule measures now, and whether it fires, for `/metrics`. Raises `Unavailable`."""
    found: list[Figure] = []
    for name, value in values(service).items():
        rule = next(rule for rule in RULES if rule.name == name)
        fires = value > threshold_of(rule, service.settings)
        found.append(Figure(name="reference_alert_value", value=value, labels={"alert": name}))
        found.append(Figure(name="reference_alerts_firing", value=int(fires), labels={"alert": name}))
    return found


def _view(rule: Rule, value: float, spell: alerting.Spell | None, settings: Settings) -> Mapping[str, Any]:
    """`state` is null until somebody has evaluated the rule."""
    return {
        "alert": rule.name,
        "state": spell.state if spell else None,
        "since": spell.since if spell else None,
        "evaluated_at": spell.evaluated_at if spell else None,
        "value": round(value, 3),
        "threshold": threshold_of(rule, settings),
        "window_s": window_of(rule, settings),
        "severity": rule.severity,
        "says": rule.says,
        "do": rule.do,
    }


def threshold_of(rule: Rule, settings: Settings) -> float:
    return float(getattr(settings, rule.threshold))


def window_of(rule: Rule, settings: Settings) -> float | None:
    """Seconds; None for a rule that looks at now."""
    return None if rule.window is None else float(getattr(settings, rule.window))
