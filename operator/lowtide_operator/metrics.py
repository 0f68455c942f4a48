"""The operator's own metrics, read from the source of truth at scrape time.

One collector over the cache, the queue, the zones and the counts: no gauges to keep in sync, and
a job that is gone has no series. Labels are bounded: namespace and name of a job, zone and signal;
what describes a job stands on one info metric. Base units everywhere.
"""

from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Final

from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from lowtide import __version__
from lowtide_operator.app import App
from lowtide_operator.views import Record

JOB_LABELS: Final = ("namespace", "trainingjob")
JOBS_MAX: Final = 10_000
"""Jobs with series of their own; the newest if there are more."""

JOB_FIGURES: Final = (
    ("planned_start_timestamp_seconds", "Planned or actual start, Unix time", "planned_start"),
    ("latest_start_timestamp_seconds", "Last start that keeps the deadline", "latest_start"),
    ("energy_joules", "Energy of all attempts", "energy_joules"),
    ("operational_grams", "Operational emissions, CO2 equivalent", "operational_grams"),
    ("embodied_grams", "Embodied emissions, CO2 equivalent", "embodied_grams"),
    ("sci_grams", "Software Carbon Intensity per functional unit", "sci_grams"),
    ("avoided_grams", "Emissions avoided against running at submission", "avoided_grams"),
)


def build_registry(app: App) -> CollectorRegistry:
    """Return a registry of its own with the operator's collector."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(OperatorCollector(app))
    return registry


class OperatorCollector(Collector):
    """Reads the operator's state; does no I/O."""

    def __init__(self, app: App) -> None:
        self._app = app

    def collect(self) -> Iterator[Metric]:
        """Yield all metric families."""
        yield _gauge("lowtide_operator_info", "Version", 1, version=__version__)
        yield from self._queue()
        yield from self._work()
        yield from self._zones()
        yield from self._jobs()

    def _queue(self) -> Iterator[Metric]:
        queue = self._app.queue
        yield _gauge(
            "lowtide_operator_queue_oldest_age_seconds",
            "How long the first job in the queue has waited",
            queue.oldest_age_seconds,
        )
        length = GaugeMetricFamily(
            "lowtide_operator_queue_length", "Jobs in the queue, by state", labels=["state"]
        )
        for state, count in (
            ("waiting", queue.length),
            ("active", queue.active),
            ("later", queue.later),
            ("failing", queue.failing),
        ):
            length.add_metric([state], count)
        yield length
        tally = self._app.tally
        yield _gauge(
            "lowtide_operator_loop_lag_seconds",
            "How late the event loop last was",
            tally.loop_lag_seconds,
        )

    def _work(self) -> Iterator[Metric]:
        tally = self._app.tally
        reconciles = CounterMetricFamily(
            "lowtide_operator_reconciles", "Looks at jobs, by result", labels=["result"]
        )
        for result in ("done", "error", "conflict", "refused"):
            reconciles.add_metric([result], tally.reconciles[result])
        yield reconciles
        for name, text, value in (
            ("reconcile_seconds", "Time spent looking at jobs", tally.reconcile_seconds),
            ("status_writes", "Status writes", tally.status_writes),
            ("status_write_failures", "Failed status writes", tally.status_write_failures),
            ("jobs_created", "Batch Jobs created", tally.jobs_created),
            ("events_recorded", "Events recorded", tally.events_recorded),
            (
                "settings_reload_failures",
                "Changed settings files that could not be used",
                tally.settings_reload_failures,
            ),
        ):
            yield CounterMetricFamily(f"lowtide_operator_{name}", text, value=value)

    def _zones(self) -> Iterator[Metric]:
        labels = ["zone", "signal"]
        intensity = GaugeMetricFamily(
            "lowtide_grid_intensity_grams_per_kwh", "Intensity now", labels=labels
        )
        age = GaugeMetricFamily(
            "lowtide_forecast_age_seconds", "Time since the forecast in use was made", labels=labels
        )
        available = GaugeMetricFamily(
            "lowtide_forecast_available", "1 if a provider's forecast is in use", labels=labels
        )
        now = self._app.clock()
        for zone in self._app.forecasts.zones.values():
            values = [zone.name, str(zone.signal)]
            current = zone.intensity_at(now)
            if current is not None:
                intensity.add_metric(values, current)
            made = zone.forecast_made_at
            if made is not None:
                age.add_metric(values, max(0.0, (now - made).total_seconds()))
            available.add_metric(values, float(zone.has_provider_forecast))
        yield from (intensity, age, available)

    def _jobs(self) -> Iterator[Metric]:
        records = list(self._app.cache.records())
        states = GaugeMetricFamily(
            "lowtide_trainingjobs", "TrainingJobs by state", labels=["state"]
        )
        counts = Counter(record.summary.state for record in records)
        for state, count in sorted(counts.items()):
            states.add_metric([state], count)
        yield states
        newest = sorted(records, key=lambda record: record.created, reverse=True)[:JOBS_MAX]
        yield _info_of(newest)
        for name, text, field in JOB_FIGURES:
            yield _family_of(newest, f"lowtide_trainingjob_{name}", text, field)
        risk = GaugeMetricFamily(
            "lowtide_trainingjob_deadline_at_risk",
            "1 if the deadline is at risk",
            labels=JOB_LABELS,
        )
        for record in newest:
            risk.add_metric(record.key, float(record.summary.at_risk))
        yield risk


def _info_of(records: Iterable[Record]) -> Metric:
    labels = [*JOB_LABELS, "zone", "policy", "series", "state"]
    info = GaugeMetricFamily("lowtide_trainingjob_info", "What describes a job", labels=labels)
    for record in records:
        summary = record.summary
        described = (summary.zone, summary.policy, record.series, summary.state)
        info.add_metric([*record.key, *(value or "" for value in described)], 1)
    return info


def _family_of(records: Iterable[Record], name: str, text: str, field: str) -> Metric:
    family = GaugeMetricFamily(name, text, labels=JOB_LABELS)
    for record in records:
        value = getattr(record.summary, field)
        if value is not None:
            family.add_metric(record.key, value)
    return family


def _gauge(name: str, text: str, value: float, **labels: str) -> Metric:
    family = GaugeMetricFamily(name, text, labels=list(labels))
    family.add_metric(list(labels.values()), value)
    return family
