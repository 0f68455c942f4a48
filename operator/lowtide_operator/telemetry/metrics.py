"""Metrics of the operator itself, collected at scrape time.

One collector reads the cache, the queue, the zones and the counts: no gauge must be kept in sync,
and a deleted job has no series. Jobs that run, are due or ended lately have series of their own;
all jobs are in the sums by namespace and state. Labels are bounded: namespace and name of a job,
zone and signal; one info metric describes a job. Base units everywhere.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import Final

from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from lowtide import __version__
from lowtide_operator.app import App
from lowtide_operator.telemetry.forecast_metrics import forecast_families
from lowtide_operator.telemetry.job_choice import shown_jobs
from lowtide_operator.telemetry.job_metrics import (
    JOB_FIGURES,
    conditions_of,
    costs_of,
    figure_of,
    info_of,
    sums_of,
)
from lowtide_operator.telemetry.price_metrics import price_families
from lowtide_operator.telemetry.provider_metrics import provider_families

OUTCOMES: Final = ("ok", "error", "conflict", "refused")
WRITE_OUTCOMES: Final = ("ok", "error", "conflict")


def build_registry(app: App) -> CollectorRegistry:
    """Return a registry of its own with the operator's collector."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(OperatorCollector(app))
    return registry


class OperatorCollector(Collector):
    """Collector of the operator's state; does no I/O."""

    def __init__(self, app: App) -> None:
        self._app = app

    def collect(self) -> Iterator[Metric]:
        """Yield all metric families."""
        yield _gauge("lowtide_operator_info", "Version", 1, version=__version__)
        leads = self._app.leadership.is_held
        yield _gauge("lowtide_operator_leads", "Whether this operator may write", float(leads))
        yield from self._queue()
        yield from self._work()
        yield from self._troubles()
        yield from self._exporters()
        yield from self._zones()
        if leads:  # A standby would say every job a second time.
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
        yield _by_outcome(
            "lowtide_operator_reconciliations", "Looks at jobs", tally.reconciles, OUTCOMES
        )
        yield _by_outcome(
            "lowtide_operator_status_writes", "Status writes", tally.status_writes, WRITE_OUTCOMES
        )
        for name, text, value in (
            ("reconcile_seconds", "Time spent looking at jobs", tally.reconcile_seconds),
            ("jobs_created", "Batch Jobs created", tally.jobs_created),
            ("planning_passes", "Passes that planned waiting jobs", tally.planning_passes),
            ("planning_seconds", "Time spent in these passes", tally.planning_seconds),
            ("events_recorded", "Events recorded", tally.events_recorded),
            ("events_dropped", "Events that could not be recorded", tally.events_dropped),
            (
                "events_left_out",
                "Events about plans that a flood of them left out",
                tally.events_left_out,
            ),
            (
                "settings_reload_failures",
                "Changed settings files that could not be used",
                tally.settings_reload_failures,
            ),
        ):
            yield CounterMetricFamily(f"lowtide_operator_{name}", text, value=value)

    def _troubles(self) -> Iterator[Metric]:
        tally = self._app.tally
        yield _gauge(
            "lowtide_operator_faulty_jobs",
            "Jobs that the operator failed at; the condition HandlingFailed says why",
            len(tally.jobs_faulty),
        )
        yield _gauge(
            "lowtide_operator_refused_namespaces",
            "Namespaces that the operator may not list; the others are served",
            len(tally.namespaces_refused),
        )

    def _exporters(self) -> Iterator[Metric]:
        """Yield the counts of exporters; nothing where Prometheus scrapes them."""
        if self._app.exporters is None:
            return
        family = GaugeMetricFamily(
            "lowtide_operator_exporters",
            "Exporters that the operator scrapes itself, by what came of the last scrape",
            labels=["state"],
        )
        states = self._app.exporters.exporters.values()
        failing = sum(1 for state in states if state.failure is not None)
        family.add_metric(["answering"], len(states) - failing)
        family.add_metric(["failing"], failing)
        yield family

    def _zones(self) -> Iterator[Metric]:
        prefix = "lowtide_operator"
        intensity = GaugeMetricFamily(
            f"{prefix}_intensity_grams_per_kwh",
            "Intensity now, by what it is and which emissions its factors include",
            labels=["zone", "signal", "factor"],
        )
        age = GaugeMetricFamily(
            f"{prefix}_forecast_age_seconds", "Age of the provider's forecast", labels=["zone"]
        )
        horizon = GaugeMetricFamily(
            f"{prefix}_forecast_horizon_seconds",
            "How far ahead the provider's forecast reaches",
            labels=["zone"],
        )
        available = GaugeMetricFamily(
            f"{prefix}_forecast_available", "1 if a provider's forecast is in use", labels=["zone"]
        )
        failures = CounterMetricFamily(
            f"{prefix}_provider_failures",
            "Refreshes at which a provider could not answer",
            labels=["zone", "provider", "reason"],
        )
        now = self._app.clock()
        for name, zone in self._app.forecasts.zones.items():
            current = zone.intensity_at(now)
            if current is not None:
                labels = [name, str(zone.grid.signal), str(zone.factor)]
                intensity.add_metric(labels, current)
            made, ahead = zone.forecast_age_seconds(now), zone.forecast_horizon_seconds(now)
            if made is not None and ahead is not None:
                age.add_metric([name], made)
                horizon.add_metric([name], ahead)
            available.add_metric([name], float(zone.has_provider_forecast))
            for (provider, reason), count in sorted(zone.failures.items()):
                failures.add_metric([name, provider, reason], count)
        yield from (intensity, age, horizon, available, failures)
        yield from forecast_families(
            self._app.forecasts.zones, now, self._app.settings.zone_of_unmarked_jobs
        )
        yield from provider_families(self._app.forecasts.zones)
        prices = self._app.forecasts.prices
        yield from price_families(prices.zones, prices.known, prices.forecasts, now)

    def _jobs(self) -> Iterator[Metric]:
        records = list(self._app.cache.records())
        states = GaugeMetricFamily("lowtide_trainingjobs", "Jobs by state", labels=["state"])
        for state, count in sorted(Counter(record.summary.state for record in records).items()):
            states.add_metric([state], count)
        yield states
        yield from sums_of(records)
        lately = self._app.settings.server.job_series_seconds
        shown = shown_jobs(records, self._app.clock().timestamp() - lately)
        yield info_of(shown)
        yield conditions_of(shown)
        for name, text in JOB_FIGURES.items():
            yield figure_of(shown, name, text)
        yield costs_of(shown)


def _by_outcome(name: str, text: str, counts: Mapping[str, int], outcomes: Iterable[str]) -> Metric:
    family = CounterMetricFamily(name, f"{text}, by outcome", labels=["outcome"])
    for outcome in outcomes:
        family.add_metric([outcome], counts.get(outcome, 0))
    return family


def _gauge(name: str, text: str, value: float, **labels: str) -> Metric:
    family = GaugeMetricFamily(name, text, labels=list(labels))
    family.add_metric(list(labels.values()), value)
    return family
