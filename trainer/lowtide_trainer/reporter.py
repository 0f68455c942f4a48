"""Reporter of a training loop's figures.

The reporter knows nothing of torch and fits any loop. It writes the report after every epoch, so
that a process which is killed without warning leaves its last epoch behind, and the metrics server
reads the same figures.

Invariant: a reporter never stops a training. An impossible figure is left out, with one warning; a
report that cannot be written is a warning.
"""

import logging
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from types import TracebackType
from typing import Any, Self

from lowtide.names import EXIT_CODE_PAUSED
from lowtide.trainingjob.report import (
    CheckpointInfo,
    EpochRecord,
    TrainingOutcome,
    TrainingReport,
    bounded_text,
    build_report,
)
from lowtide.trainingjob.report_values import ERROR_MAX_BYTES

log = logging.getLogger(__name__)


def utc_now() -> datetime:
    """Return the current time in UTC; the default clock."""
    return datetime.now(UTC)


@dataclass(slots=True)
class _Progress:
    """Figures that change while training; `epoch_seconds` counts from the last epoch's end."""

    epochs: int = 0
    samples: int = 0
    tokens: int | None = None
    accuracy: float | None = None
    accuracy_top5: float | None = None
    loss: float | None = None
    started_at: datetime | None = None
    training_seconds: float = 0.0
    epoch_seconds: float = 0.0


class Reporter:
    """Figures of a training; a context manager around the loop.

    A normal exit reports the training as finished, an exception as failed, and `SystemExit` with
    the exit code of a pause as paused. `facts` are fields of `TrainingReport` that do not change
    while training, such as `model`, `dataset`, `seed` or `epochs_planned`. `write` receives every
    report; `clock` gives the time of day and `monotonic` seconds that never go back.

    A user's own loop needs three lines (here with `report_training`, which reads the environment
    of a TrainingJob's pod and serves the metrics)::

        with report_training(model="resnet18", epochs_planned=10) as reporter:
            for epoch in range(10):
                for images, labels in loader:
                    train_on(images, labels)
                    reporter.batch_ended(samples=len(images))
                reporter.epoch_ended(accuracy=evaluate(), loss=mean_loss)
    """

    def __init__(
        self,
        *,
        write: Callable[[TrainingReport], None],
        clock: Callable[[], datetime] = utc_now,
        monotonic: Callable[[], float] = time.monotonic,
        **facts: object,
    ) -> None:
        self.checkpoints_saved = 0
        self.checkpoints_failed = 0
        self._write = write
        self._clock = clock
        self._monotonic = monotonic
        self._facts = facts
        self._outcome = TrainingOutcome.RUNNING
        self._error: str | None = None
        self._progress = _Progress()
        self._history: list[EpochRecord] = []
        self._checkpoint: CheckpointInfo | None = None
        self._resumed_samples: int | None = None
        self._mark: float | None = None
        self._faults: set[str] = set()
        # The metrics server reads from its own thread.
        self._lock = threading.RLock()

    def __enter__(self) -> Self:
        """Start the clock and write a first report."""
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Report how the training ended."""
        if self._outcome is not TrainingOutcome.RUNNING:
            return
        if error is None:
            self.end(TrainingOutcome.FINISHED)
        elif isinstance(error, SystemExit) and error.code == EXIT_CODE_PAUSED:
            self.end(TrainingOutcome.PAUSED)
        else:
            self.end(TrainingOutcome.FAILED, f"{type(error).__name__}: {error}")

    def start(self) -> None:
        """Start the clock of the training and write a first report."""
        with self._lock:
            self._mark = self._monotonic()
            self._resumed_samples = self._progress.samples
            if self._progress.started_at is None:
                self._progress.started_at = self._clock()
        self.publish()

    def describe(self, **facts: object) -> None:
        """Add fields of `TrainingReport` that were not known before."""
        with self._lock:
            self._facts |= facts

    def batch_ended(self, *, samples: int, tokens: int | None = None) -> None:
        """Count a batch whose gradients are in the weights; takes microseconds."""
        with self._lock:
            self._progress.samples += samples
            if tokens is not None:
                self._progress.tokens = (self._progress.tokens or 0) + tokens

    def epoch_ended(
        self,
        *,
        accuracy: float | None = None,
        accuracy_top5: float | None = None,
        loss: float | None = None,
    ) -> None:
        """Count an epoch with its figures: accuracies as fractions, and the mean training loss."""
        with self._lock:
            self._advance()
            now = self._progress
            now.epochs += 1
            now.accuracy, now.accuracy_top5, now.loss = accuracy, accuracy_top5, loss
            fraction = build_report({"accuracy": accuracy}).report
            self._history.append(
                EpochRecord(
                    epoch=now.epochs,
                    ended_at=self._clock(),
                    duration_seconds=now.epoch_seconds,
                    accuracy=fraction.accuracy if fraction else None,
                )
            )
            now.epoch_seconds = 0.0
        self.publish()

    def checkpoint_saved(self, checkpoint: CheckpointInfo) -> None:
        """Record the newest checkpoint."""
        with self._lock:
            self._checkpoint = checkpoint
            self.checkpoints_saved += 1
        self.publish()

    def checkpoint_failed(self) -> None:
        """Count a checkpoint that could not be written."""
        self.checkpoints_failed += 1

    def end(self, outcome: TrainingOutcome, error: str | None = None) -> None:
        """Report how the training ended; `error` says in one sentence why it failed."""
        with self._lock:
            self._advance()
            self._mark = None
            self._outcome = outcome
            self._error = bounded_text(error, ERROR_MAX_BYTES) if error else None
        self.publish()

    def publish(self) -> None:
        """Write the current report; a failure is a warning."""
        try:
            self._write(self.report())
        except OSError as error:
            self._warn(f"the report cannot be written: {error}")

    @property
    def epoch_seconds(self) -> float | None:
        """Return the duration of the last finished epoch, or `None` before the first."""
        return self._history[-1].duration_seconds if self._history else None

    def report(self) -> TrainingReport:
        """Return the current report, without impossible figures."""
        with self._lock:
            self._advance()
            now = self._progress
            values = {
                **self._facts,
                "outcome": self._outcome,
                "error": self._error,
                "epochs": now.epochs,
                "samples": now.samples,
                "tokens": now.tokens,
                "accuracy": now.accuracy,
                "accuracy_top5": now.accuracy_top5,
                "loss": now.loss,
                "started_at": now.started_at,
                "training_seconds": now.training_seconds,
                "history": tuple(self._history),
                "checkpoint": self._checkpoint,
                "resumed_samples": self._resumed_samples,
            }
        flops_per_sample = self._facts.get("flops_per_sample")
        if isinstance(flops_per_sample, int):
            values["flops"] = flops_per_sample * now.samples
        parsed = build_report(values)
        for fault in parsed.faults:
            self._warn(fault)
        return parsed.report or TrainingReport(outcome=self._outcome)

    def state(self) -> dict[str, Any]:
        """Return plain values with which a later attempt continues the counts."""
        with self._lock:
            self._advance()
            now = self._progress
            return {
                "epochs": now.epochs,
                "samples": now.samples,
                "tokens": now.tokens,
                "accuracy": now.accuracy,
                "accuracy_top5": now.accuracy_top5,
                "loss": now.loss,
                "started_at": now.started_at.timestamp() if now.started_at else None,
                "training_seconds": now.training_seconds,
                "epoch_seconds": now.epoch_seconds,
                "history": [
                    (
                        entry.epoch,
                        entry.ended_at.timestamp(),
                        entry.duration_seconds,
                        entry.accuracy,
                    )
                    for entry in self._history
                ],
            }

    def restore(self, state: Mapping[str, Any], checkpoint: CheckpointInfo | None = None) -> None:
        """Continue the counts from `state()` of an earlier attempt, stored in `checkpoint`.

        A figure that is missing in `state` starts anew.
        """
        values = {name: value for name, value in state.items() if name != "history"}
        if values.get("started_at") is not None:
            values["started_at"] = datetime.fromtimestamp(values["started_at"], UTC)
        with self._lock:
            self._progress = replace(_Progress(), **values)
            self._checkpoint = checkpoint
            self._history = [
                EpochRecord(
                    epoch=epoch,
                    ended_at=datetime.fromtimestamp(ended_at, UTC),
                    duration_seconds=seconds,
                    accuracy=accuracy,
                )
                for epoch, ended_at, seconds, accuracy in state.get("history", ())
            ]

    def _advance(self) -> None:
        """Add the time since the last call to the training and to the epoch."""
        if self._mark is not None:
            now = self._monotonic()
            self._progress.training_seconds += now - self._mark
            self._progress.epoch_seconds += now - self._mark
            self._mark = now

    def _warn(self, sentence: str) -> None:
        if sentence not in self._faults:
            self._faults.add(sentence)
            log.warning("%s", sentence)
