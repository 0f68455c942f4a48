"""Training loop: batches, epochs, checkpoints, and a stop between two batches.

The loop decides when something happens; `Training`, `CheckpointStore` and `Reporter` know how. A
checkpoint that cannot be saved is a warning during training. It is an error only when the process
was told to stop, because then the work since the previous checkpoint is lost.
"""

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass

from lowtide_trainer.checkpoint import CheckpointStore
from lowtide_trainer.data import DataSet
from lowtide_trainer.errors import CheckpointNotSavedError
from lowtide_trainer.randomness import generator_states, set_generator_states
from lowtide_trainer.reporter import Reporter
from lowtide_trainer.workloads.training import Evaluation, Training, evaluate

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Loop:
    """A training together with everything that it needs to run."""

    training: Training
    data: DataSet
    reporter: Reporter
    store: CheckpointStore | None
    """`None`: no checkpoints are saved."""
    checkpoint_seconds: float
    """Longest time between two checkpoints within an epoch."""
    environment: str
    """Framework and hardware; equal weights are promised only where it is the same."""
    is_stopped: Callable[[], bool]
    """Called before every batch: whether the process was told to stop."""
    say: Callable[[str], None]
    """Called with one line for each epoch."""
    monotonic: Callable[[], float] = time.monotonic
    """A clock that never goes back, in seconds."""

    def resume(self) -> bool:
        """Resume from the newest checkpoint; return whether there was one.

        Raises:
            CheckpointError: the checkpoint belongs to another training.
        """
        found = self.store.load_newest() if self.store else None
        if found is None:
            return False
        before = found.content["environment"]
        if before != self.environment:
            log.warning(
                "resumed with %s after %s: the last digits of the weights may differ from those of "
                "an uninterrupted run",
                self.environment,
                before,
            )
        self.training.restore(found.content["training"])
        self.reporter.restore(found.content["reporter"], found.info)
        set_generator_states(found.content["generators"])
        return True

    def run(self) -> bool:
        """Train to the end and return true, or return false after a requested stop.

        Raises:
            CheckpointNotSavedError: a stop was requested and the state could not be saved.
        """
        while self.training.epoch < self.training.plan.epochs:
            if not self._run_epoch():
                self._save_before_stop()
                return False
        return True

    def _run_epoch(self) -> bool:
        """Train to the end of the epoch and validate; return false if a stop came first."""
        training, began, samples = self.training, self.monotonic(), 0
        saved_at = began
        while training.batch < training.batches_per_epoch:
            if self.is_stopped():
                return False
            size = training.train_batch(*self.data.train.batch(training.next_indices()))
            each = training.tokens_per_sample
            self.reporter.batch_ended(samples=size, tokens=each and each * size)
            samples += size
            if self.store and self.monotonic() - saved_at >= self.checkpoint_seconds:
                self._save_or_warn(self.store)
                saved_at = self.monotonic()
        trained_seconds = self.monotonic() - began
        evaluation = evaluate(training, self.data.validation, self.is_stopped)
        if evaluation is None:
            return False
        loss = training.mean_loss
        training.end_epoch()
        self.reporter.epoch_ended(
            accuracy=evaluation.accuracy, accuracy_top5=evaluation.accuracy_top5, loss=loss
        )
        self.say(self._epoch_line(loss, evaluation, samples, trained_seconds))
        if self.store:
            self._save_or_warn(self.store)
        return True

    def _epoch_line(
        self, loss: float | None, evaluation: Evaluation, samples: int, seconds: float
    ) -> str:
        plan = self.training.plan
        width = len(str(plan.epochs))
        rate = f"{samples / seconds:6.1f} images/s" if samples and seconds else "      - images/s"
        return (
            f"epoch {self.training.epoch:>{width}}/{plan.epochs}  "
            f"loss {loss if loss is not None else float('nan'):.4f}  "
            f"accuracy {evaluation.accuracy:.4f}  "
            f"{self.reporter.epoch_seconds or 0:6.1f} s  {rate}"
        )

    def _save(self, store: CheckpointStore) -> None:
        content = {
            "environment": self.environment,
            "training": self.training.state(),
            "reporter": self.reporter.state(),
            "generators": generator_states(),
        }
        self.reporter.checkpoint_saved(store.save(content, batches=self.training.batches_done))

    def _save_or_warn(self, store: CheckpointStore) -> None:
        try:
            self._save(store)
        except CheckpointNotSavedError as error:
            self.reporter.checkpoint_failed()
            log.warning("%s; training continues", error)

    def _save_before_stop(self) -> None:
        if self.store is None:
            raise CheckpointNotSavedError(
                "the training was told to stop and has no checkpoint directory, so its work is "
                "lost: give --checkpoint-dir to be able to pause"
            )
        try:
            self._save(self.store)
        except CheckpointNotSavedError:
            self.reporter.checkpoint_failed()
            raise
