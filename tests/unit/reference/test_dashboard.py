"""The Grafana dashboard asks only for what the service exports, by labels that it has."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from reference_service.metrics import METRICS, Metrics

DASHBOARD = Path(__file__).parents[3] / "reference_service/grafana/dashboard.json"
NAME = re.compile(r"\b(?:reference|process)_[a-z_]+\b")
LABELS = re.compile(r"\{\{(\w+)\}\}")
OURS = {"instance", "job"}  # Prometheus adds them at the scrape


def targets() -> Iterator[tuple[str, str, str]]:
    """Title of the panel, query, legend."""
    for panel in json.loads(DASHBOARD.read_text(encoding="utf-8"))["panels"]:
        for target in panel["targets"]:
            yield panel["title"], target["expr"], target["legendFormat"]


def exported() -> set[str]:
    """Every sample's name, the standard ones of the process among them."""
    metrics = Metrics()
    for metric in METRICS:  # a histogram with labels shows no sample before its first value
        labels: dict[str, Any] = dict.fromkeys(metric.labels, "x")
        if metric.kind == "histogram":
            metrics.observe(metric.name, 1.0, **labels)
        elif metric.kind == "counter":
            metrics.count(metric.name, 1, **labels)
    lines = metrics.render().decode().splitlines()
    shown = {re.split(r"[ {]", line)[0] for line in lines if not line.startswith("#")}
    return shown | {metric.name for metric in METRICS if metric.kind in {"whole", "gauge"}}


@pytest.mark.parametrize(("title", "query", "legend"), list(targets()))
def test_every_query_names_metrics_that_exist(title: str, query: str, legend: str) -> None:
    """And groups by, selects by and shows labels that they have."""
    names = NAME.findall(query)
    known = exported()
    assert names, title
    assert not [name for name in names if name not in known], title
    by_name = {metric.name: metric for metric in METRICS}
    labels = {"le", *OURS}
    for name in names:
        metric = by_name.get(re.sub(r"_bucket$", "", name))
        labels |= set(metric.labels) if metric is not None else set()
    grouped = {label.strip() for group in re.findall(r"by \(([^)]*)\)", query) for label in group.split(",")}
    selected = set(re.findall(r"[{,](\w+)=~?\"", query))
    assert grouped | selected | set(LABELS.findall(legend)) <= labels, title


def test_every_metric_is_drawn() -> None:
    """What nobody looks at need not be counted."""
    drawn = {re.sub(r"_bucket$", "", name) for _, query, _ in targets() for name in NAME.findall(query)}
    assert not {metric.name for metric in METRICS} - drawn
