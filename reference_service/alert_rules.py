"""The alerts in the format of Prometheus' rule files, for whoever watches the service from further outside.

Beside our own rules there are two about those who evaluate them: with the API and its database away nobody
measures, and without a relay nobody in the service is told.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from reference_service.alerts import RULES, threshold_of, window_of
from reference_service.settings import Settings, read_settings

GROUP = "reference_service"
NEEDED = {"database_url": "sqlite://", "sink_url": "http://127.0.0.1:9"}  # of every role, and of no rule


@dataclass(frozen=True, slots=True, kw_only=True)
class PrometheusRule:
    """One rule. Durations are Prometheus' own (`1m`)."""

    alert: str
    expr: str
    lasting: str
    severity: str
    summary: str
    do: str


def settings_for_rules() -> Settings:
    """As of this environment; what has nothing to do with alerts may be missing. Raises `BadSettings`."""
    missing = {name: value for name, value in NEEDED.items() if f"REFERENCE_{name.upper()}" not in os.environ}
    return read_settings(**missing)


def rules_of(settings: Settings) -> Iterator[PrometheusRule]:
    """Ours with their thresholds, then those about the evaluation itself."""
    for rule in RULES:
        threshold = threshold_of(rule, settings)
        window_s = window_of(rule, settings)
        since = "" if window_s is None else f", window {window_s:g} s"
        yield PrometheusRule(
            alert=_camel(rule.name),
            expr=f'max(reference_alert_value{{alert="{rule.name}"}}) > {threshold:g}',
            lasting="1m",
            severity=rule.severity,
            summary=f"{rule.says}: {{{{ $value }}}}, more than {threshold:g}{since}",
            do=rule.do,
        )
    yield PrometheusRule(
        alert="ReferenceUnobserved",
        expr='absent(reference_source_read{source="database"} == 1)',
        lasting="2m",
        severity="page",
        summary="no API could read the database: nothing is known of any job",
        do="look at the APIs' /livez and /readyz, then at the database",
    )
    yield PrometheusRule(
        alert="ReferenceNobodyEvaluates",
        expr='absent(reference_live_instances{role="relay"} > 0)',
        lasting="2m",
        severity="page",
        summary="no relay lives: events are not sent, and the service's own alerts are not evaluated",
        do="start a relay",
    )


def rule_file(settings: Settings) -> str:
    """YAML as `promtool check rules` wants it; texts are JSON strings, which YAML takes as they are."""
    lines = ["groups:", f"  - name: {GROUP}", "    rules:"]
    for rule in rules_of(settings):
        lines += [
            f"      - alert: {rule.alert}",
            f"        expr: {_text(rule.expr)}",
            f"        for: {rule.lasting}",
            *_mapping("labels", {"severity": rule.severity}),
            *_mapping("annotations", {"summary": rule.summary, "description": rule.do}),
        ]
    return "\n".join(lines) + "\n"


def _mapping(name: str, entries: Mapping[str, str]) -> Iterator[str]:
    yield f"        {name}:"
    for key, value in entries.items():
        yield f"          {key}: {_text(value)}"


def _text(value: str) -> str:
    return json.dumps(value, ensure_ascii=False)


def _camel(name: str) -> str:
    return "Reference" + "".join(word.capitalize() for word in name.split("_"))
