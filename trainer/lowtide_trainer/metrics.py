"""Page `/metrics` of the trainer: the report's figures while the training runs.

The collector reads the reporter at scrape time, so both always agree. The series have no labels
except those that the scrape adds; an unknown figure has no series. A port in use is a warning:
reporting never stops a training.
"""

import logging
from collections.abc import Iterator
from contextlib import contextmanager

from prometheus_client import CollectorRegistry, start_http_server
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from lowtide.names import (
    METRIC_TRAINER_ACCURACY,
    METRIC_TRAINER_CHECKPOINT_FAILURES,
    METRIC_TRAINER_CHECKPOINTS,
    METRIC_TRAINER_EPOCH_DURATION,
    METRIC_TRAINER_EPOCHS,
    METRIC_TRAINER_EPOCHS_PLANNED,
    METRIC_TRAINER_LOSS,
    METRIC_TRAINER_SAMPLES,
)
from lowtide_trainer.reporter import Reporter

log = logging.getLogger(__name__)


class TrainerCollector(Collector):
    """Metric families made from the reporter's figures at scrape time."""

    def __init__(self, reporter: Reporter) -> None:
        self._reporter = reporter

    def collect(self) -> Iterator[Metric]:
        """Yield one family for each known figure."""
        report = self._reporter.report()
        counters = (
            (METRIC_TRAINER_EPOCHS, "Epochs finished.", report.epochs),
            (METRIC_TRAINER_SAMPLES, "Samples trained on.", report.samples),
            (
                METRIC_TRAINER_CHECKPOINTS,
                "Checkpoints written by this attempt.",
                self._reporter.checkpoints_saved,
            ),
            (
                METRIC_TRAINER_CHECKPOINT_FAILURES,
                "Checkpoints that could not be written by this attempt.",
                self._reporter.checkpoints_failed,
            ),
        )
        gauges = (
            (METRIC_TRAINER_EPOCHS_PLANNED, "Epochs planned.", report.epochs_planned),
            (METRIC_TRAINER_ACCURACY, "Accuracy on the validation data.", report.accuracy),
            (METRIC_TRAINER_LOSS, "Mean training loss of the last epoch.", report.loss),
            (
                METRIC_TRAINER_EPOCH_DURATION,
                "Duration of the last epoch, validation included.",
                self._reporter.epoch_seconds,
            ),
        )
        for name, meaning, count in counters:
            if count is not None:
                yield CounterMetricFamily(name, meaning, value=count)
        for name, meaning, figure in gauges:
            if figure is not None:
                yield GaugeMetricFamily(name, meaning, value=figure)


@contextmanager
def serve_metrics(reporter: Reporter, port: int, address: str = "0.0.0.0") -> Iterator[int | None]:
    """Serve `/metrics` while the block runs; yield the port, or `None` if it cannot be opened.

    Port 0 takes any free port.
    """
    registry = CollectorRegistry()
    registry.register(TrainerCollector(reporter))
    try:
        server, thread = start_http_server(port, address, registry)
    except OSError as error:
        log.warning("metrics cannot be served on %s:%d: %s", address, port, error)
        yield None
        return
    try:
        yield server.server_port
    finally:
        server.shutdown()
        server.server_close()
        thread.join(timeout=5)
