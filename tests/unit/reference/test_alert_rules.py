"""The alerts in Prometheus' format: a sound rule file, whose metrics exist and are read."""

from __future__ import annotations

import re
from typing import Any

import pytest
import yaml

from reference_service.__main__ import main
from reference_service.alert_rules import rule_file
from reference_service.alerts import RULES
from reference_service.fakes import memory_world
from reference_service.figures import read_figures
from reference_service.metrics import BY_NAME

SELECTOR = re.compile(r'(reference_\w+)(?:\{(\w+)="(\w+)"\})?')
DURATION = re.compile(r"\d+[smh]")


def rules(**settings: Any) -> list[dict[str, Any]]:
    file = yaml.safe_load(rule_file(memory_world(**settings).service.settings))
    [group] = file["groups"]
    assert set(file) == {"groups"}
    assert set(group) == {"name", "rules"}
    return list(group["rules"])


def test_each_rule_has_the_structure_that_prometheus_wants() -> None:
    """A name, an expression with balanced brackets, a duration, texts; and each name once."""
    found = rules()
    assert len({rule["alert"] for rule in found}) == len(found) == len(RULES) + 2
    for rule in found:
        assert set(rule) == {"alert", "expr", "for", "labels", "annotations"}
        assert re.fullmatch(r"[a-zA-Z_]\w*", rule["alert"])
        assert DURATION.fullmatch(rule["for"])
        assert all(isinstance(text, str) and text for text in rule["annotations"].values())
        for opened, closed in ("()", "{}"):
            assert rule["expr"].count(opened) == rule["expr"].count(closed)


def test_each_metric_that_a_rule_names_is_exported_with_that_label() -> None:
    """By the API, from the same database: a rule over nothing never fires."""
    world = memory_world()
    shown = world.service.metrics.render(read_figures(world.service)).decode()
    for rule in rules():
        selectors = SELECTOR.findall(rule["expr"])
        assert selectors, rule
        for name, label, value in selectors:
            assert name in BY_NAME
            assert not label or f'{name}{{{label}="{value}"}}' in shown, rule["expr"]


def test_thresholds_are_those_of_the_settings() -> None:
    """As the service itself judges."""
    [expr] = [rule["expr"] for rule in rules(alert_failures=3) if rule["alert"] == "ReferenceFailures"]
    assert expr.endswith("> 3")


def test_what_the_service_would_tell_prometheus_reads_from_the_metrics() -> None:
    """Both come from one measurement."""
    world = memory_world(alert_orphans=0)
    shown = world.service.metrics.render(read_figures(world.service)).decode()
    assert 'reference_alert_value{alert="orphans"} 0.0' in shown
    assert 'reference_alerts_firing{alert="orphans"} 0.0' in shown


def test_the_rules_need_no_other_settings(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """Whoever writes the file has no database; a bad threshold is one line all the same."""
    for name in ("REFERENCE_DATABASE_URL", "REFERENCE_SINK_URL"):
        monkeypatch.delenv(name, raising=False)
    assert main(["alerts", "--prometheus"]) == 0
    assert capfd.readouterr().out.startswith("groups:")
    monkeypatch.setenv("REFERENCE_ALERT_ORPHANS", "-1")
    assert main(["alerts", "--prometheus"]) == 2
    assert "REFERENCE_ALERT_ORPHANS" in capfd.readouterr().err
