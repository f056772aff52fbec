"""What the service counts and measures, declared in one table, in Prometheus' format.

Figures of one process (`counter`, `histogram`, `gauge`) are noted by it as things happen. Those of the whole
service (`whole`) are read from database and queue when somebody asks (`figures.read_figures`), by the API.
A job's child notes into a `Journal`, which goes to its parent with the child's result.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry
    from prometheus_client.metrics_core import Metric as Family

Kind = Literal["counter", "histogram", "gauge", "whole"]
CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
STAGE_BUCKETS_S = (0.01, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 1800)
JOB_BUCKETS_S = (0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600, 1800, 3600)


@dataclass(frozen=True, slots=True, kw_only=True)
class Metric:
    """One row of the table. A `counter`'s name ends in `_total`; units are last in the others' names."""

    name: str
    kind: Kind
    help: str
    labels: tuple[str, ...] = ()
    buckets: tuple[float, ...] = ()


METRICS = (
    # Of the whole service, read at the scrape.
    Metric(name="reference_jobs", kind="whole", help="jobs by state", labels=("state",)),
    Metric(
        name="reference_oldest_job_age_seconds",
        kind="whole",
        help="how long the job of this state that has not moved for longest has not",
        labels=("state",),
    ),
    Metric(name="reference_outbox_depth", kind="whole", help="events that wait to be sent"),
    Metric(name="reference_queue_depth", kind="whole", help="messages in the queue of jobs, about"),
    Metric(
        name="reference_live_instances",
        kind="whole",
        help="instances with a heartbeat lately",
        labels=("role",),
    ),
    Metric(
        name="reference_breaker_open_seconds",
        kind="whole",
        help="for how long a dependency that does not answer has been left alone; 0: it is not",
        labels=("dependency",),
    ),
    Metric(
        name="reference_alert_value", kind="whole", help="what an alert's rule measures", labels=("alert",)
    ),
    Metric(name="reference_alerts_firing", kind="whole", help="alerts that fire now", labels=("alert",)),
    Metric(
        name="reference_source_read",
        kind="whole",
        help="1: the figures of this source were read, 0: it was away",
        labels=("source",),
    ),
    # Of the API.
    Metric(
        name="reference_requests_total",
        kind="counter",
        help="requests answered",
        labels=("method", "status"),
    ),
    Metric(
        name="reference_requests_refused_total",
        kind="counter",
        help="requests that were told to come again later",
        labels=("why",),
    ),
    Metric(name="reference_uploads_total", kind="counter", help="uploads, by how far", labels=("what",)),
    # Of the worker.
    Metric(
        name="reference_claims_total",
        kind="counter",
        help="events taken from the queue, by whether their job was to be had",
        labels=("got",),
    ),
    Metric(
        name="reference_attempts_total",
        kind="counter",
        help="attempts that ended",
        labels=("outcome", "reason"),
    ),
    Metric(
        name="reference_job_seconds",
        kind="histogram",
        help="from a job's creation to its end",
        labels=("state",),
        buckets=JOB_BUCKETS_S,
    ),
    Metric(
        name="reference_stage_seconds",
        kind="histogram",
        help="how long a stage took that was finished",
        labels=("stage",),
        buckets=STAGE_BUCKETS_S,
    ),
    Metric(
        name="reference_retries_total",
        kind="counter",
        help="calls that were tried again after a dependency did not answer",
    ),
    Metric(
        name="reference_parts_kept_total",
        kind="counter",
        help="checkpoints within a stage",
        labels=("stage",),
    ),
    Metric(
        name="reference_breaker_refusals_total",
        kind="counter",
        help="attempts that were handed back, since a dependency is left alone",
        labels=("dependency",),
    ),
    Metric(name="reference_leases_lost_total", kind="counter", help="attempts whose lease went"),
    Metric(name="reference_disk_free_bytes", kind="gauge", help="of the disk budget, or of the disk"),
    Metric(
        name="reference_disk_waits_total",
        kind="counter",
        help="jobs that waited for room on the disk, or were given back for want of it",
    ),
    Metric(
        name="reference_descriptor_waits_total",
        kind="counter",
        help="times that a worker took no job for want of descriptors, and jobs that were given back for it",
    ),
    Metric(
        name="reference_memory_used_bytes",
        kind="gauge",
        help="most that the role's process and its children used since the last heartbeat",
    ),
    Metric(name="reference_memory_budget_bytes", kind="gauge", help="the most that they may use"),
    Metric(
        name="reference_memory_warnings_total",
        kind="counter",
        help="times that more of the budget was in use than the setting warns at",
    ),
    # Of the relay and the sweeper.
    Metric(name="reference_events_sent_total", kind="counter", help="events handed to the queue"),
    Metric(name="reference_notifications_total", kind="counter", help="notifications of uploads"),
    Metric(name="reference_sweeps_total", kind="counter", help="sweeps"),
    Metric(
        name="reference_swept_total",
        kind="counter",
        help="what sweeps moved, and what they could not (unremoved, unavailable)",
        labels=("what",),
    ),
    # Of the recovery sweep.
    Metric(name="reference_recovery_found_total", kind="counter", help="stuck jobs that were found"),
    Metric(
        name="reference_recovery_jobs_total",
        kind="counter",
        help="stuck jobs, by what was done: triggered, skipped, failed",
        labels=("result",),
    ),
    Metric(
        name="reference_recovery_skips_total",
        kind="counter",
        help="stuck jobs that were left alone",
        labels=("why",),
    ),
    Metric(
        name="reference_recovery_seconds",
        kind="histogram",
        help="from a stuck job's creation to its recovery",
        buckets=JOB_BUCKETS_S,
    ),
)
BY_NAME: Mapping[str, Metric] = {metric.name: metric for metric in METRICS}


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """One value of a metric of kind `whole`."""

    name: str
    value: float
    labels: Mapping[str, str]


class Metrics:
    """The figures of one process. Safe to fork: a child's are its own.

    Nothing is imported or made before something is noted. With `kept` off nothing ever is: nobody will ask.
    Each method raises KeyError for a name, and ValueError for labels, that the table does not have.
    """

    def __init__(self, *, kept: bool = True) -> None:
        self._kept = kept
        self._made: dict[str, Any] = {}
        self._registry: CollectorRegistry | None = None

    def count(self, name: str, amount: float = 1, **labels: str) -> None:
        """Adds to a counter."""
        self._note("counter", name, amount, labels)

    def observe(self, name: str, value: float, **labels: str) -> None:
        """One more value in a histogram."""
        self._note("histogram", name, value, labels)

    def set(self, name: str, value: float, **labels: str) -> None:
        """A gauge of this process."""
        self._note("gauge", name, value, labels)

    def add(self, entries: Iterable[Sequence[Any]]) -> None:
        """What a child's journal has (`Journal.entries`)."""
        for kind, name, amount, labels in entries:
            self._note(kind, name, amount, labels)

    def render(self, figures: Iterable[Figure] = ()) -> bytes:
        """Everything in Prometheus' text format: what this process noted, and `figures` of the whole."""
        from prometheus_client import CollectorRegistry, ProcessCollector, generate_latest  # noqa: PLC0415  lazy

        for metric in METRICS:
            if metric.kind != "whole":
                self._metric(metric)
        whole = CollectorRegistry()
        whole.register(_Families(list(figures)))
        ProcessCollector(registry=whole)
        return generate_latest(self._own_registry()) + generate_latest(whole)

    def _note(self, kind: str, name: str, amount: float, labels: Mapping[str, str]) -> None:
        if not self._kept:
            return
        made = self._metric(BY_NAME[name])
        target = made.labels(**labels) if labels else made
        if kind == "counter":
            target.inc(amount)
        elif kind == "histogram":
            target.observe(amount)
        else:
            target.set(amount)

    def _metric(self, metric: Metric) -> Any:
        made = self._made.get(metric.name)
        if made is None:
            made = self._made[metric.name] = _make(metric, self._own_registry())
        return made

    def _own_registry(self) -> CollectorRegistry:
        if self._registry is None:
            from prometheus_client import CollectorRegistry  # noqa: PLC0415  a role's start must not wait for it

            self._registry = CollectorRegistry()
        return self._registry


class Journal(Metrics):
    """Notes for somebody else: a child's, to be handed to its parent."""

    def __init__(self) -> None:
        super().__init__()
        self._sums: dict[tuple[str, tuple[tuple[str, str], ...]], float] = {}
        self._values: list[tuple[str, str, float, dict[str, str]]] = []

    def entries(self) -> list[tuple[str, str, float, dict[str, str]]]:
        """As JSON can carry them: kind, name, amount, labels."""
        sums = [("counter", name, amount, dict(labels)) for (name, labels), amount in self._sums.items()]
        return sums + self._values

    def _note(self, kind: str, name: str, amount: float, labels: Mapping[str, str]) -> None:
        if kind == "counter":
            key = (name, tuple(sorted(labels.items())))
            self._sums[key] = self._sums.get(key, 0) + amount
        else:
            self._values.append((kind, name, amount, dict(labels)))


class _Families:
    """The collector of figures that were read for one scrape."""

    def __init__(self, figures: Sequence[Figure]) -> None:
        self._figures = figures

    def collect(self) -> Iterable[Family]:
        from prometheus_client.core import GaugeMetricFamily  # noqa: PLC0415  lazy, as above

        for metric in METRICS:
            found = [figure for figure in self._figures if figure.name == metric.name]
            if metric.kind == "whole":
                family = GaugeMetricFamily(metric.name, metric.help, labels=metric.labels)
                for figure in found:
                    family.add_metric([figure.labels[label] for label in metric.labels], figure.value)
                yield family


def _make(metric: Metric, registry: CollectorRegistry) -> Any:
    from prometheus_client import Counter, Gauge, Histogram  # noqa: PLC0415  lazy, as above

    if metric.kind == "counter":
        return Counter(metric.name, metric.help, metric.labels, registry=registry)
    if metric.kind == "histogram":
        return Histogram(metric.name, metric.help, metric.labels, buckets=metric.buckets, registry=registry)
    if metric.kind == "gauge":
        return Gauge(metric.name, metric.help, metric.labels, registry=registry)
    raise KeyError(f"{metric.name}: a figure of the whole service is read, not noted")
