"""Run of a user's own training loop: counts, report, checkpoints, pause and exact resume in one.

The run wraps the two iterations that every loop has, epochs and batches, and acts between two
batches only. It imports torch only to save or restore a state; a run that just reports needs the
standard library. How an attempt opens and ends is `attempt`'s business.

Invariants: reporting never stops a training, and no work is lost by a pause: the process leaves
with the exit code of a pause only after its state is on the disk, on all ranks at the same step.
"""

from __future__ import annotations

import time
from itertools import count

from lowtide.blocks import CodeBlock
from lowtide_trainer import arguments
from lowtide_trainer import batches as data
from lowtide_trainer.attempt import TrainingAttempt
from lowtide_trainer.errors import CheckpointNotSavedError, explain_uncaught
from lowtide_trainer.save_clock import SaveClock
from lowtide_trainer.warnings_log import warn

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path
    from typing import Any, Final, NoReturn, Self

    from lowtide_trainer.ranks import RankSums
    from lowtide_trainer.reporter import Reporter
    from lowtide_trainer.saving import RunSaver

ENV_CHECKPOINT_DIR: Final = "LOWTIDE_CHECKPOINT_DIR"


def run(
    *,
    model: str | None = None,
    epochs: int | None = None,
    state: object = None,
    checkpoints: str | Path | None = None,
    checkpoint_seconds: float = 300.0,
    **facts: object,
) -> TrainingRun:
    """Return a run of a training loop, to be opened by `with`.

    Args:
        model: Name of the model, for the report.
        epochs: Epochs planned; `None` goes on until the loop breaks.
        state: Objects that a checkpoint holds, in a list or by name: module, optimiser, schedule,
            gradient scaler, `torch.Generator`, or anything with `state_dict` and
            `load_state_dict`. Without it the training cannot be paused.
        checkpoints: Directory of the checkpoints. Default: the variable LOWTIDE_CHECKPOINT_DIR,
            else `lowtide-checkpoints` in the working directory, which is emptied when the training
            finished.
        checkpoint_seconds: Longest time between two checkpoints.
        facts: Further fields of the report that are known beforehand, such as `dataset` or `seed`;
            a misspelt one is a warning.

    Example::

        with lowtide_trainer.run(model="resnet18", epochs=10, state=[net, opt, sched]) as run:
            for epoch in run.epochs():
                for images, labels in run.batches(loader):
                    train_on(images, labels)
                run.epoch(accuracy=evaluate(net), loss=mean_loss)

    Under DistributedDataParallel the lines are the same; open the run after
    `init_process_group`. Samples are summed over the ranks, all ranks stop at the same step, and
    the first rank writes the one report and the checkpoints.

    Raises:
        UsageError: an argument that decides the training is wrong. Uncaught, its sentence alone
            ends the program, with exit code 1; so do the errors of a checkpoint.
    """
    explain_uncaught()
    if epochs is not None:
        epochs = arguments.whole_number("epochs", epochs, least=0, meaning="epochs")
    return TrainingRun(
        TrainingAttempt(facts={"model": model, "epochs_planned": epochs, **facts}),
        epochs=epochs,
        state=arguments.stateful(state),
        checkpoints=arguments.directory("checkpoints", checkpoints),
        checkpoint_seconds=arguments.seconds("checkpoint_seconds", checkpoint_seconds),
    )


class TrainingRun(CodeBlock):
    """One attempt of a training; a context manager around the loop. See `run`."""

    def __init__(
        self,
        attempt: TrainingAttempt,
        *,
        epochs: int | None = None,
        state: Mapping[str, Any] | Sequence[Any] | None = None,
        checkpoints: str | Path | None = None,
        checkpoint_seconds: float = 300.0,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._attempt = attempt
        self._epochs = epochs
        self._state = state
        self._checkpoints = checkpoints
        self._checkpoint_seconds = checkpoint_seconds
        self._monotonic = monotonic
        self._saver: RunSaver | None = None
        self._epoch = 0
        self._epoch_is_open = self._is_within_epochs = False
        self._has_named_emptiness = False
        self._ticks = 0
        self._wishes_to_stop = self._wishes_to_save = False

    def __enter__(self) -> Self:
        """Listen for signals, open the report, and resume from the newest checkpoint."""
        self._attempt.open()
        try:
            if self._state is not None:
                self._open_saver(self._state)
        except BaseException as error:
            self._attempt.end(error)
            raise
        self._clock = SaveClock(self._checkpoint_seconds, self._monotonic)
        self.reporter.start()
        return self

    def end_with(self, error: BaseException | None) -> None:
        """Save a training that finished, and report how it ended."""
        try:
            if error is None and self._saver is not None:
                self._saver.finish(self.reporter)
        except Exception as failure:
            self._attempt.end(failure)
            raise
        self._attempt.end(error)

    @property
    def reporter(self) -> Reporter:
        """Return the figures of the training.

        Raises:
            UsageError: the run is not open.
        """
        self._attempt.require_open()
        return self._attempt.reporter

    @property
    def stop_requested(self) -> bool:
        """Return whether this process was told to stop; for a loop that saves by itself."""
        return self._attempt.stop.requested

    def epochs(self) -> Iterator[int]:
        """Yield the number of each epoch that is left, from 0 without a checkpoint."""
        epochs = count(self._epoch) if self._epochs is None else range(self._epoch, self._epochs)
        self._attempt.require_open()
        for epoch in epochs:
            self._epoch = epoch
            self._epoch_is_open = True
            if self._saver is not None:
                self._saver.begin_epoch(epoch)
            self._is_within_epochs = True
            try:
                yield epoch
            finally:
                self._is_within_epochs = False
            self._close_epoch()
            # A stop during the user's validation: acted on here, on all ranks.
            self._act(self._settled(), is_boundary=True)

    def batches(
        self,
        loader: Any,
        *,
        accumulate: int = 1,
        samples: Callable[[Any], object] = data.batch_size,
        tokens: Callable[[Any], object] | None = None,
    ) -> Iterator[Any]:
        """Yield the batches of a training loader, and count each one that was trained on.

        In a resumed epoch the batches that an earlier attempt trained on are left out, and the
        order is that of the earlier attempt. A batch counts when the next one is asked for, so
        one that the loop breaks out of does not count.

        Args:
            loader: A DataLoader or any iterable; under DDP with its DistributedSampler, whose
                epoch is set here.
            accumulate: Batches for one step of the optimiser; a pause comes between two steps,
                because gradients are not part of a checkpoint.
            samples: Returns the number of samples in a batch.
            tokens: Returns the number of tokens in a batch.
        """
        accumulate = arguments.whole_number("accumulate", accumulate, least=1, meaning="batches")
        attempt, saver, reporter = self._attempt, self._saver, self.reporter
        if saver is not None and saver.skips_pass():
            return
        data.set_epoch(loader, self._epoch)
        iterator, done = (iter(loader), 0) if saver is None else saver.start_pass(loader)
        self._ticks = done
        is_alone, stop = attempt.ranks.size == 1, attempt.stop
        for batch in iterator:
            yield batch
            done += 1
            self._ticks += 1
            if saver is not None:
                saver.batch_ended()
            size = data.count_by(samples, batch, reporter.warn)
            token_count = None if tokens is None else data.count_by(tokens, batch, reporter.warn)
            is_due = saver is not None and self._save_is_due()
            if is_alone:
                # Nothing to exchange, and mostly nothing to act on: this runs after every batch.
                reporter.batch_ended(samples=size, tokens=token_count)
                if not (is_due or stop.requested):
                    continue
                sums = attempt.figures(save=is_due)
            else:
                sums = attempt.exchange(attempt.figures(size, token_count, save=is_due))
            self._act(sums, self._ticks % accumulate == 0)
        if done == 0 and not self._has_named_emptiness:
            self._has_named_emptiness = True
            reporter.warn(
                f"the loader has no batches in epoch {self._epoch}: its data set is empty, or "
                "smaller than a batch that must be full (drop_last)"
            )
        self._wait_for_other_ranks(accumulate)
        if saver is not None:
            saver.end_pass()

    def epoch(
        self, *, accuracy: object = None, accuracy_top5: object = None, loss: object = None
    ) -> None:
        """End an epoch with its figures: accuracies as fractions, and the mean training loss.

        A second call in one epoch of `epochs` counts no other epoch; its accuracy is the newest.
        """
        if self._is_within_epochs and not self._epoch_is_open:
            self.reporter.warn("run.epoch was called again in one epoch, which counts once")
            if accuracy is not None:
                self.reporter.evaluated(accuracy=accuracy, accuracy_top5=accuracy_top5)
            return
        self._epoch_is_open = False
        self._epoch += 1
        if self._saver is not None:
            self._saver.epoch_ended()
        self.reporter.epoch_ended(accuracy=accuracy, accuracy_top5=accuracy_top5, loss=loss)

    def pause(self) -> NoReturn:
        """Save the state, report a pause and leave the process; on all ranks together.

        Raises:
            SystemExit: always; with the exit code of a pause if the state was saved.
            CheckpointNotSavedError: the state could not be saved.
            UsageError: the run is not open.
        """
        self._attempt.require_open()
        self._attempt.settle()
        if self._saver is None:
            self._attempt.leave_unsaved()
        failure = self._saver.save(self.reporter)
        if failure is not None:
            raise CheckpointNotSavedError(failure)
        self._attempt.leave_paused()

    def _open_saver(self, state: Mapping[str, Any] | Sequence[Any]) -> None:
        """Resume from the newest checkpoint, if there is one."""
        from pathlib import Path

        from lowtide_trainer.saving import RunSaver

        given = self._checkpoints or self._attempt.environment.get(ENV_CHECKPOINT_DIR)
        self._saver = RunSaver(
            state,
            directory=Path(given) if given else None,
            model=str(self._attempt.facts.get("model", "training")),
            ranks=self._attempt.ranks,
        )
        self.reporter.describe(**self._saver.facts())
        self._epoch = self._saver.resume(self.reporter)
        if self._epochs is not None and 0 < self._epochs <= self._epoch:
            self._saver.say_finished()

    def _save_is_due(self) -> bool:
        """Return whether the first rank wishes for a checkpoint by its clock."""
        return self._saver is not None and self._attempt.ranks.is_first and self._clock.is_due()

    def _settled(self) -> RankSums:
        """Exchange without a batch and return the sums at once; used where no batch follows."""
        mine = self._attempt.figures(save=self._save_is_due())
        if self._attempt.ranks.size == 1:
            return mine
        self._attempt.exchange(mine)
        return self._attempt.settle()

    def _act(self, sums: RankSums, is_boundary: bool) -> None:
        """Save or pause if any rank wishes for it; the same on all ranks."""
        self._wishes_to_stop |= sums.stop > 0
        self._wishes_to_save |= sums.save > 0
        if not is_boundary:
            return
        if self._wishes_to_stop:
            self.pause()
        if self._wishes_to_save and self._saver is not None:
            self._wishes_to_save = False
            self._attempt.settle()
            if failure := self._saver.save(self.reporter):
                warn(__name__, "%s; training continues", failure)
            self._clock.saved(self._saver.save_seconds)

    def _wait_for_other_ranks(self, accumulate: int) -> None:
        """Exchange until the data of all ranks ended; they may have a batch more or less."""
        ranks = self._attempt.ranks
        while ranks.size > 1:
            self._ticks += 1
            mine = self._attempt.figures(save=self._save_is_due(), ended=True)
            sums = self._attempt.exchange(mine)
            self._act(sums, self._ticks % accumulate == 0)
            if sums.ended == ranks.size:
                self._attempt.settle()
                break
        if self._wishes_to_stop:
            self.pause()

    def _close_epoch(self) -> None:
        """End the epoch without figures, if the loop did not."""
        if self._epoch_is_open:
            self.epoch()
