"""Reporter of a training loop's figures.

The reporter knows nothing of torch and fits any loop. It writes the report after every epoch, so
that a process which is killed without warning leaves its last epoch behind, and the metrics server
reads the same figures.

Invariant: a reporter never stops a training. An impossible figure is left out, with one warning; a
report that cannot be written is a warning.
"""

from __future__ import annotations

import time
from _thread import RLock

from lowtide.blocks import CodeBlock
from lowtide.names import (
    EXIT_CODE_PAUSED,
    OUTCOME_FAILED,
    OUTCOME_FINISHED,
    OUTCOME_PAUSED,
    OUTCOME_RUNNING,
)
from lowtide.trainingjob.first_report import first_message
from lowtide.trainingjob.report_values import ERROR_MAX_BYTES, check_fraction, shown
from lowtide_trainer.clock import utc_text
from lowtide_trainer.facts import FACTS, FACTS_PER_SAMPLE, OTHER_FACTS, unknown_fact
from lowtide_trainer.figures import (
    TrainingFigures,
    figures_of_state,
    new_record,
    plain_count,
    plain_number,
)
from lowtide_trainer.warnings_log import warn

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any, Self

    from lowtide.trainingjob.report import CheckpointInfo, TrainingReport


class Reporter(CodeBlock):
    """Figures of a training; a context manager around the loop.

    A normal exit and `sys.exit(0)` report the training as finished, `SystemExit` with the exit
    code of a pause as paused, and any other exception as failed. `facts` are fields of
    `TrainingReport` that do not change while training, such as `model`, `dataset` or `seed`, and
    `flops_per_sample`. `write` receives every report, unless `write_first` takes the message of a
    training that begins anew; `clock` gives Unix seconds and `monotonic` seconds that never go
    back. A loop that calls it directly looks like this::

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
        write_first: Callable[[str], None] | None = None,
        clock: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
        **facts: object,
    ) -> None:
        self.checkpoints_saved = 0
        self.checkpoints_failed = 0
        self._write = write
        self._write_first = write_first
        self._clock = clock
        self._monotonic = monotonic
        self._facts: dict[str, object] = {}
        self._outcome: str = OUTCOME_RUNNING
        self._error: str | None = None
        self._figures = TrainingFigures()
        self._checkpoint: CheckpointInfo | None = None
        self._resumed_samples: int | None = None
        self._mark: float | None = None
        self._is_between_epochs = False
        self._faults: set[str] = set()
        # The metrics server reads from its own thread.
        self._lock = RLock()
        self.describe(**facts)

    def __enter__(self) -> Self:
        """Start the clock and write a first report."""
        self.start()
        return self

    def end_with(self, error: BaseException | None) -> None:
        """Report the ending that an exception, or none, stands for; once only."""
        if self._outcome != OUTCOME_RUNNING:
            return
        if not isinstance(error, SystemExit):
            from lowtide_trainer.explaining import sentence_about

            sentence = None if error is None else sentence_about(error)
            self.end(OUTCOME_FAILED if sentence else OUTCOME_FINISHED, sentence)
        elif error.code in (None, 0):
            self.end(OUTCOME_FINISHED)
        elif error.code == EXIT_CODE_PAUSED:
            self.end(OUTCOME_PAUSED)
        else:
            code = error.code
            sentence = f"exited with status {code}" if isinstance(code, int) else str(code)
            self.end(OUTCOME_FAILED, sentence)

    def start(self) -> None:
        """Start the clock of the training and write a first report."""
        with self._lock:
            self._mark = self._monotonic()
            self._resumed_samples = self._figures.samples
            if self._figures.started_at is None:
                self._figures.started_at = self._clock()
        self.publish()

    def describe(self, **facts: object) -> None:
        """Add facts that were not known before; a misspelt one is a warning."""
        known = {name: plain_number(value) for name, value in facts.items() if name in FACTS}
        with self._lock:
            self._facts |= known
        for name in sorted(facts.keys() - FACTS):
            self.warn(unknown_fact(name))

    def batch_ended(self, *, samples: object, tokens: object = None) -> None:
        """Count a batch whose gradients are in the weights; takes microseconds.

        What is not a count makes its total unknown from then on: a total without this batch would
        be wrong.
        """
        figures = self._figures
        if tokens is None and type(samples) is int and figures.samples is not None and samples >= 0:
            # The usual batch, without the lock: the training's own thread alone counts.
            figures.samples += samples
            self._is_between_epochs = False
            return
        with self._lock:
            self._is_between_epochs = False
            size = self.count("samples", samples)
            if size is None:
                figures.samples = None
            elif figures.samples is not None:
                figures.samples += size
            if tokens is not None:
                count = self.count("tokens", tokens)
                if count is None:
                    self.tokens_unknown()
                elif not figures.tokens_are_unknown:
                    figures.tokens = (figures.tokens or 0) + count

    def tokens_unknown(self) -> None:
        """Leave the number of tokens unknown from now on."""
        with self._lock:
            self._figures.tokens, self._figures.tokens_are_unknown = None, True

    def epoch_ended(
        self, *, accuracy: object = None, accuracy_top5: object = None, loss: object = None
    ) -> None:
        """Count an epoch with its figures: accuracies as fractions, and the mean training loss.

        Without an accuracy, as in an epoch that was not evaluated, the newest one stays in the
        report and the entry of this epoch has none.
        """
        with self._lock:
            self._advance()
            figures = self._figures
            figures.epochs += 1
            if accuracy is not None:
                figures.accuracy = plain_number(accuracy)
                figures.accuracy_top5 = plain_number(accuracy_top5)
            figures.loss = plain_number(loss)
            figures.history.add(
                new_record(
                    figures.epochs,
                    self._clock(),
                    figures.epoch_seconds,
                    _fraction(plain_number(accuracy)),
                )
            )
            figures.epoch_seconds = 0.0
            self._is_between_epochs = True
        self.publish()

    def evaluated(self, *, accuracy: object, accuracy_top5: object = None) -> None:
        """Record an evaluation within an epoch, or after the end of the last one."""
        with self._lock:
            self._figures.accuracy = plain_number(accuracy)
            self._figures.accuracy_top5 = plain_number(accuracy_top5)
            if self._is_between_epochs:
                self._figures.history.accuracy_of_last(_fraction(self._figures.accuracy))
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

    def end(self, outcome: str, error: str | None = None) -> None:
        """Report how the training ended; `error` says in one sentence why it failed."""
        from lowtide.trainingjob.report import bounded_text

        with self._lock:
            self._advance()
            self._mark = None
            self._outcome = outcome
            self._error = bounded_text(error, ERROR_MAX_BYTES) if error else None
        self.publish()

    def publish(self) -> None:
        """Write the current report; a failure is a warning."""
        try:
            if self._write_first is not None and self._begins_anew():
                self._write_first(self._first_message())
            else:
                self._write(self.report())
        except OSError as error:
            self.warn(f"the report cannot be written: {error}")

    @property
    def outcome(self) -> str:
        """Return how the training stands."""
        return self._outcome

    @property
    def epoch_seconds(self) -> float | None:
        """Return the duration of the last entry of the history, or `None` before the first."""
        records = self._figures.history.records
        return records[-1].duration_seconds if records else None

    def report(self) -> TrainingReport:
        """Return the current report, without impossible figures."""
        from lowtide.trainingjob.report import TrainingOutcome, TrainingReport, build_report

        with self._lock:
            self._advance()
            figures = self._figures
            values = {
                **self._facts,
                **self._plain_figures(),
                "outcome": self._outcome,
                "started_at": figures.started_at,
                "training_seconds": figures.training_seconds,
                "history": figures.history.records,
                "checkpoint": self._checkpoint,
            }
        parsed = build_report(values)
        for fault in parsed.faults:
            self.warn(fault)
        return parsed.report or TrainingReport(outcome=TrainingOutcome(self._outcome))

    def state(self) -> dict[str, Any]:
        """Return plain values with which a later attempt continues the counts."""
        with self._lock:
            self._advance()
            return self._figures.to_state()

    def restore(self, state: Mapping[str, Any], checkpoint: CheckpointInfo | None = None) -> None:
        """Continue the counts from `state()` of an earlier attempt, stored in `checkpoint`.

        A figure that is missing in `state` starts anew.
        """
        with self._lock:
            self._figures = figures_of_state(state)
            self._checkpoint = checkpoint

    def warn(self, sentence: str) -> None:
        """Log a warning, the first time that it is given."""
        if sentence not in self._faults:
            self._faults.add(sentence)
            warn(__name__, "%s", sentence)

    def count(self, name: str, value: object) -> int | None:
        """Return a count, or `None` with a warning if it is not one."""
        if type(value) is int and value >= 0:
            return value
        try:
            return plain_count(value)
        except ValueError:
            self.warn(
                f"{name} of a batch: {shown(value)} is not a whole number, so the total is unknown"
            )
            return None

    def _begins_anew(self) -> bool:
        """Return whether the report is of texts and numbers alone, as that of a start is."""
        figures = self._figures
        return (
            self._outcome == OUTCOME_RUNNING
            and figures.started_at is not None
            and not figures.history.records
            and self._checkpoint is None
            and self._facts.keys().isdisjoint(OTHER_FACTS)
        )

    def _first_message(self) -> str:
        """Return what a report of a training that begins anew says, as text."""
        with self._lock:
            self._advance()
            figures = self._figures
            message, faults = first_message(
                {**self._facts, **self._plain_figures()},
                utc_text(figures.started_at or 0.0),
                figures.training_seconds,
            )
        for fault in faults:
            self.warn(fault)
        return message

    def _plain_figures(self) -> dict[str, object]:
        """Return the figures that are texts or numbers, by field of the report."""
        figures = self._figures
        plain: dict[str, object] = {
            "error": self._error,
            "epochs": figures.epochs,
            "samples": figures.samples,
            "tokens": figures.tokens,
            "accuracy": figures.accuracy,
            "accuracy_top5": figures.accuracy_top5,
            "loss": figures.loss,
            "resumed_samples": self._resumed_samples,
        }
        flops_per_sample = self._facts.get(FACTS_PER_SAMPLE)
        if isinstance(flops_per_sample, int) and figures.samples is not None:
            plain["flops"] = flops_per_sample * figures.samples
        return plain

    def _advance(self) -> None:
        """Add the time since the last call to the training and to the epoch."""
        if self._mark is not None:
            now = self._monotonic()
            self._figures.training_seconds += now - self._mark
            self._figures.epoch_seconds += now - self._mark
            self._mark = now


def _fraction(value: object) -> float | None:
    """Return an accuracy for the history, or `None` if it is not a fraction."""
    try:
        return check_fraction(value)
    except ValueError:
        return None
