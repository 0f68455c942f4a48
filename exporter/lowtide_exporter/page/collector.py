"""Collector that hands a snapshot to the Prometheus client library.

One custom collector instead of metric objects: a series that is gone cannot linger, a scrape
cannot see half a tick, and the labels of 20,000 ended pods do not pile up.
"""

from collections.abc import Callable, Iterator

from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from lowtide_exporter.page.catalogue import FAMILIES, Family, MetricType
from lowtide_exporter.page.snapshot import LabelledValue, Snapshot


class SnapshotCollector(Collector):
    """Collects what `take` returns at the time of the scrape."""

    def __init__(self, take: Callable[[], Snapshot]) -> None:
        self._take = take

    def describe(self) -> list[Metric]:
        """Return every metric without samples: registering must not take a snapshot."""
        return [_metric(family, ()) for family in FAMILIES]

    def collect(self) -> Iterator[Metric]:
        """Yield every family that has samples, in the order of the catalogue."""
        snapshot = self._take()
        for family in FAMILIES:
            samples = snapshot.samples.get(family.name)
            if samples:
                yield _metric(family, samples)


def _metric(family: Family, samples: tuple[LabelledValue, ...]) -> Metric:
    base = family.name.removesuffix("_total") if family.kind is MetricType.COUNTER else family.name
    metric = Metric(base, family.text, family.kind.value, family.unit)
    for values, number in samples:
        metric.add_sample(family.name, dict(zip(family.labels, values, strict=True)), number)
    return metric
