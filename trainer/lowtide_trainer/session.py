"""Run of a user's own training loop: counts, report, checkpoints, pause and exact resume in one.

The run wraps the two iterations that every loop has, epochs and batches, and acts between two
batches only. It imports torch only to save or restore a state; a run that just reports needs the
standard library.

Invariants: reporting never stops a training, and no work is lost by a pause: the process leaves
with the exit code of a pause only after its state is on the disk, on all ranks at the same step.
"""

import logging
import os
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from itertools import count
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final, NoReturn, Self

from lowtide.names import EXIT_CODE_PAUSED
from lowtide.trainingjob.report import TrainingOutcome, TrainingReport
from lowtide_trainer import batches as data
from lowtide_trainer.errors import CheckpointNotSavedError
from lowtide_trainer.metrics import serve_metrics
from lowtide_trainer.notes import ProcessStage, leave_note, pause_exit_code
from lowtide_trainer.ranks import Ranks, RankSums
from lowtide_trainer.report import metrics_port_or_none, report_path, report_writer, say_where
from lowtide_trainer.reporter import Reporter
from lowtide_trainer.stop import StopRequest
from lowtide_trainer.trackers import followed

if TYPE_CHECKING:
    from lowtide_trainer.saving import RunSaver

log = logging.getLogger(__name__)

ENV_CHECKPOINT_DIR: Final = "LOWTIDE_CHECKPOINT_DIR"
EXIT_CODE_TOLD_TO_STOP: Final = 143
"""As if SIGTERM had ended the process: it was told to stop and saved nothing."""
CHECKPOINT_SHARE: Final = 0.05
"""Most of the time that saving may take; a slow disk is written to less often."""


def run(
    *,
    model: str | None = None,
    epochs: int | None = None,
    state: Mapping[str, Any] | Sequence[Any] | None = None,
    checkpoints: str | Path | None = None,
    checkpoint_seconds: float = 300.0,
    **facts: object,
) -> "TrainingRun":
    """Return a run of a training loop, to be opened by `with`.

    Args:
        model: Name of the model, for the report.
        epochs: Epochs planned; `None` goes on until the loop breaks.
        state: Objects that a checkpoint holds: module, optimiser, schedule, gradient scaler,
            `torch.Generator`, or anything with `state_dict` and `load_state_dict`. Without it the
            training cannot be paused.
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
    """
    return TrainingRun(
        facts={"model": model, "epochs_planned": epochs, **facts},
        epochs=epochs,
        state=state,
        checkpoints=checkpoints,
        checkpoint_seconds=checkpoint_seconds,
    )


class TrainingRun:
    """One attempt of a training; a context manager around the loop. See `run`."""

    def __init__(
        self,
        *,
        facts: Mapping[str, object],
        epochs: int | None = None,
        state: Mapping[str, Any] | Sequence[Any] | None = None,
        checkpoints: str | Path | None = None,
        checkpoint_seconds: float = 300.0,
        environment: Mapping[str, str] = os.environ,
        monotonic: Callable[[], float] = time.monotonic,
        reporter: Reporter | None = None,
        stop: StopRequest | None = None,
        alone: bool = False,
    ) -> None:
        self._facts = {name: value for name, value in facts.items() if value is not None}
        self._epochs = epochs
        self._state = state
        self._checkpoints = checkpoints
        self._checkpoint_seconds = checkpoint_seconds
        self._environment = environment
        self._monotonic = monotonic
        self._stop = stop or StopRequest()
        self._owns_stop = stop is None
        self._given_reporter = reporter
        self._alone = alone
        self._stack = ExitStack()
        self._saver: RunSaver | None = None
        self._epoch = 0
        self._epoch_is_open = False
        self._ticks = 0
        self._wishes_to_stop = self._wishes_to_save = False

    def __enter__(self) -> Self:
        """Listen for signals, open the report, and resume from the newest checkpoint."""
        self.open()
        try:
            if self._state is not None:
                self._open_saver(self._state)
        except BaseException as error:
            self.__exit__(type(error), error, error.__traceback__)
            raise
        self._saved_at = self._monotonic()
        self.reporter.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Report how the training ended."""
        if error is None and self._saver is not None:
            self._saver.finish(self.reporter)
        self.reporter.end_with(error)
        if self.reporter.outcome is not TrainingOutcome.PAUSED:
            leave_note(ProcessStage.ENDED, self._environment)
        self._stack.close()

    def open(self) -> None:
        """Listen for signals and open the report; its clock is not started yet."""
        if self._owns_stop:
            self._stack.enter_context(self._stop)
        leave_note(ProcessStage.LISTENING, self._environment)
        self._ranks = Ranks(alone=self._alone)
        self.reporter = self._given_reporter or self._open_reporter()

    @property
    def stop_requested(self) -> bool:
        """Return whether this process was told to stop, for a loop that saves by itself."""
        return self._stop.requested

    def epochs(self) -> Iterator[int]:
        """Yield the number of each epoch that is left, from 0 without a checkpoint."""
        epochs = count(self._epoch) if self._epochs is None else range(self._epoch, self._epochs)
        for epoch in epochs:
            self._epoch = epoch
            self._epoch_is_open = True
            if self._saver is not None:
                self._saver.begin_epoch(epoch)
            yield epoch
            self._close_epoch()
            # A stop during the user's validation: acted on here, on all ranks.
            self._act(self._settled(self._figures_of_no_batch()), is_boundary=True)

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
            accumulate: Batches for one step of the optimiser; the training is paused only between
                steps, because gradients are not part of a checkpoint.
            samples: Returns the number of samples in a batch.
            tokens: Returns the number of tokens in a batch.
        """
        if self._saver is not None and self._saver.skips_pass():
            return
        iterator, done = self._start_pass(loader)
        self._ticks = done
        for batch in iterator:
            yield batch
            done += 1
            figures = self._figures_of(batch, samples, tokens)
            if self._saver is not None:
                self._saver.batch_ended()
            self._ticks += 1
            self._act(self._ranks.exchange(figures), self._ticks % accumulate == 0)
        if done == 0:
            self.reporter.warn(
                f"the loader has no batches in epoch {self._epoch}: its data set is empty, or "
                "smaller than a batch that must be full (drop_last)"
            )
        self._wait_for_other_ranks(accumulate)
        if self._saver is not None:
            self._saver.end_pass()

    def epoch(
        self, *, accuracy: object = None, accuracy_top5: object = None, loss: object = None
    ) -> None:
        """End an epoch with its figures: accuracies as fractions, and the mean training loss."""
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
        """
        self._count(self._ranks.drain())
        if self._saver is None:
            self.reporter.end(
                TrainingOutcome.FAILED,
                "the training was told to stop and saves no checkpoints, so its work is lost: "
                "give state= to be able to pause",
            )
            raise SystemExit(EXIT_CODE_TOLD_TO_STOP)
        failure = self._saver.save(self.reporter)
        if failure is not None:
            raise CheckpointNotSavedError(failure)
        self.leave_paused()

    def leave_paused(self) -> NoReturn:
        """Report a pause and leave the process, after all ranks saved the state.

        Raises:
            SystemExit: with the exit code of a pause.
        """
        self._count(self._ranks.drain())
        self.reporter.end(TrainingOutcome.PAUSED)
        leave_note(ProcessStage.PAUSED, self._environment)
        # No rank leaves before all have left their note: a launcher kills the others.
        self._ranks.gather(None)
        raise SystemExit(pause_exit_code(EXIT_CODE_PAUSED, self._environment))

    def _open_reporter(self) -> Reporter:
        """Return the reporter; only the first rank writes a report and serves metrics."""
        if not self._ranks.is_first:
            return Reporter(write=_write_nothing, **self._facts)  # type: ignore[arg-type]
        path = report_path(self._environment)
        say_where(path)
        write = followed(report_writer(path), self._environment)
        reporter = Reporter(write=write, **self._facts)  # type: ignore[arg-type]
        if port := metrics_port_or_none(self._environment):
            self._stack.enter_context(serve_metrics(reporter, port))
        return reporter

    def _open_saver(self, state: Mapping[str, Any] | Sequence[Any]) -> None:
        """Resume from the newest checkpoint, if there is one."""
        from lowtide_trainer.saving import RunSaver

        given = self._checkpoints or self._environment.get(ENV_CHECKPOINT_DIR)
        self._saver = RunSaver(
            state,
            directory=Path(given) if given else None,
            model=str(self._facts.get("model", "training")),
            ranks=self._ranks,
        )
        self.reporter.describe(**self._saver.facts())
        self._epoch = self._saver.resume(self.reporter)
        if self._epochs is not None and self._epoch >= self._epochs and self._ranks.is_first:
            print(
                f"lowtide: this training already finished its {self._epoch} epochs: remove "
                f"{self._saver.directory} to train anew",
                file=sys.stderr,
                flush=True,
            )

    def _start_pass(self, loader: Any) -> tuple[Iterator[Any], int]:
        """Return an iterator over the batches that are left, and how many are done."""
        data.set_epoch(loader, self._epoch)
        if self._saver is None:
            return iter(loader), 0
        return self._saver.start_pass(loader)

    def _figures_of(
        self,
        batch: Any,
        samples: Callable[[Any], object],
        tokens: Callable[[Any], object] | None,
    ) -> RankSums:
        """Return what this rank gives to the exchange after a batch."""
        size = self.reporter.count("samples", samples(batch))
        token_count = 0 if tokens is None else self.reporter.count("tokens", tokens(batch))
        wishes = self._figures_of_no_batch()
        return RankSums(
            stop=wishes.stop,
            save=wishes.save,
            samples=size or 0,
            tokens=token_count or 0,
            uncounted=int(size is None),
        )

    def _figures_of_no_batch(self, *, ended: bool = False) -> RankSums:
        return RankSums(
            stop=int(self._stop.requested), save=int(self._save_is_due()), ended=int(ended)
        )

    def _save_is_due(self) -> bool:
        """Return whether the first rank wishes for a checkpoint by its clock."""
        if self._saver is None or not self._ranks.is_first:
            return False
        pause = max(self._checkpoint_seconds, self._saver.save_seconds / CHECKPOINT_SHARE)
        return self._monotonic() - self._saved_at >= pause

    def _settled(self, mine: RankSums) -> RankSums:
        """Return the sums of an exchange at once; used where no batch follows."""
        if self._ranks.size == 1:
            return mine
        self._count(self._ranks.exchange(mine))
        return self._ranks.drain()

    def _act(self, sums: RankSums, is_boundary: bool) -> None:
        """Count, and save or pause if any rank wishes for it; the same on all ranks."""
        self._count(sums)
        self._wishes_to_stop |= sums.stop > 0
        self._wishes_to_save |= sums.save > 0
        if not is_boundary:
            return
        if self._wishes_to_stop:
            self.pause()
        if self._wishes_to_save and self._saver is not None:
            self._wishes_to_save = False
            self._count(self._ranks.drain())
            if failure := self._saver.save(self.reporter):
                log.warning("%s; training continues", failure)
            self._saved_at = self._monotonic()

    def _count(self, sums: RankSums) -> None:
        if sums.uncounted:
            self.reporter.batch_ended(samples=None)
        elif sums.samples or sums.tokens:
            self.reporter.batch_ended(samples=sums.samples, tokens=sums.tokens or None)

    def _wait_for_other_ranks(self, accumulate: int) -> None:
        """Exchange until the data of all ranks ended; they may have a batch more or less."""
        while self._ranks.size > 1:
            self._ticks += 1
            sums = self._ranks.exchange(self._figures_of_no_batch(ended=True))
            self._act(sums, self._ticks % accumulate == 0)
            if sums.ended == self._ranks.size:
                self._count(self._ranks.drain())
                break
        if self._wishes_to_stop:
            self.pause()

    def _close_epoch(self) -> None:
        """End the epoch without figures, if the loop did not."""
        if self._epoch_is_open:
            self.epoch()


def _write_nothing(report: TrainingReport) -> None:
    """Take the report of a rank that is not the first."""
