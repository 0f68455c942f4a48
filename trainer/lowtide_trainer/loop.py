"""Training loop: batches, epochs, checkpoints, and a stop between two batches.

The loop decides when something happens; `Training`, `CheckpointStore` and `Reporter` know how. A
checkpoint that cannot be saved is a warning during training. It is an error only when the process
was told to stop, because then the work since the previous checkpoint is lost.
"""

import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from lowtide.trainingjob.report import CheckpointInfo
from lowtide_trainer.checkpoint import CheckpointStore
from lowtide_trainer.common_save import save_together
from lowtide_trainer.data import DataSet
from lowtide_trainer.errors import CheckpointError, CheckpointNotSavedError
from lowtide_trainer.randomness import generator_states, set_generator_states
from lowtide_trainer.ranks import Ranks
from lowtide_trainer.reporter import Reporter
from lowtide_trainer.workloads.training import Evaluation, Training, evaluate

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Loop:
    """A training together with everything that it needs to run."""

    training: Training
    data: DataSet
    reporter: Reporter
    saves: bool
    """Whether checkpoints are saved."""
    store: CheckpointStore | None
    """Of the first process, if checkpoints are saved."""
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
        content, info, failure = self._ranks.from_first(self._newest())
        if failure is not None:
            raise failure
        if content is None:
            return False
        before = content["environment"]
        if before != self.environment:
            log.warning(
                "resumed with %s after %s: the last digits of the weights may differ from those of "
                "an uninterrupted run",
                self.environment,
                before,
            )
        self.training.restore(content["training"])
        self.reporter.restore(content["reporter"], info)
        generators = content["generators"]
        if isinstance(generators, list):
            generators = generators[self._ranks.rank]
        set_generator_states(generators)
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
            is_due = self.monotonic() - saved_at >= self.checkpoint_seconds
            agreed = self.training.processes.agreed(stop=self.is_stopped(), save=is_due)
            if agreed.stop:
                return False
            if agreed.save and self.saves and samples:
                self._save_or_warn()
                saved_at = self.monotonic()
            size = training.train_batch(*self.data.train.batch(training.next_indices()))
            each = training.tokens_per_sample
            self.reporter.batch_ended(samples=size, tokens=each and each * size)
            samples += size
        trained_seconds = self.monotonic() - began
        evaluation = evaluate(training, self.data.validation, self._any_is_stopped)
        if evaluation is None:
            return False
        loss = training.mean_loss
        training.end_epoch()
        self.reporter.epoch_ended(
            accuracy=evaluation.accuracy, accuracy_top5=evaluation.accuracy_top5, loss=loss
        )
        self.say(self._epoch_line(loss, evaluation, samples, trained_seconds))
        if self.saves:
            self._save_or_warn()
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

    @property
    def _ranks(self) -> Ranks:
        return self.training.processes.ranks

    def _any_is_stopped(self) -> bool:
        """Return whether any process was told to stop; all ask together."""
        return self.training.processes.agreed(stop=self.is_stopped(), save=False).stop > 0

    def _newest(self) -> tuple[Mapping[str, Any] | None, CheckpointInfo | None, Exception | None]:
        """Return the newest checkpoint, or why there can be none; read by the first process."""
        if self.store is None:
            return None, None, None
        try:
            found = self.store.load_newest()
        except CheckpointError as error:
            return None, None, error
        return (dict(found.content), found.info, None) if found else (None, None, None)

    def _save(self) -> None:
        """Save on the first process; all take part, and all learn why it failed.

        Raises:
            CheckpointNotSavedError: it could not be written.
        """
        save_together(
            self._content,
            batches=self.training.batches_done,
            store=self.store,
            ranks=self._ranks,
            reporter=self.reporter,
            monotonic=self.monotonic,
        )

    def _content(self) -> dict[str, Any]:
        """Return what a checkpoint holds; exchanged by all ranks."""
        return {
            "environment": self.environment,
            "training": self.training.state(),
            "reporter": self.reporter.state(),
            "generators": self._ranks.gather(generator_states()),
        }

    def _save_or_warn(self) -> None:
        try:
            self._save()
        except CheckpointNotSavedError as error:
            log.warning("%s; training continues", error)

    def _save_before_stop(self) -> None:
        if not self.saves:
            raise CheckpointNotSavedError(
                "the training was told to stop and has no checkpoint directory, so its work is "
                "lost: give --checkpoint-dir to be able to pause"
            )
        self._save()
