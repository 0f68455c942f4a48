"""Run of a training whose loop belongs to a framework; what all callbacks have in common."""

import atexit
import logging
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

from lowtide.names import OUTCOME_FAILED, OUTCOME_FINISHED, OUTCOME_PAUSED, OUTCOME_RUNNING
from lowtide_trainer.attempt import TrainingAttempt
from lowtide_trainer.errors import CheckpointNotSavedError, explain_uncaught
from lowtide_trainer.explaining import NO_BATCHES, explanation

log = logging.getLogger(__name__)


class FrameworkRun(TrainingAttempt):
    """An attempt that a callback drives step by step; the framework saves and restores the state.

    Its options are those of `TrainingAttempt`.
    """

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self._was_opened = self._is_watched = False
        self._wishes_to_stop = False
        self._steps = 0

    def watch(self) -> None:
        """Explain and report an error that ends the program, also one before the training began.

        A framework that finds its data set empty, or a checkpoint of another model, fails before
        it tells a callback of a start.
        """
        if not self._is_watched:
            self._is_watched = True
            explain_uncaught()
            atexit.register(self._close_at_exit)

    def open_until_exit(self, can_resume: Callable[[], bool] | None = None) -> None:
        """Open a run for a framework's callback, which is not told of every ending.

        `can_resume` is for a framework that tells a callback of no exception: where an error that
        nothing catches says that another rank was lost, and it returns true, this process leaves
        as paused.
        """
        if not self._was_opened:
            self._was_opened = True
            self.watch()
            self.open()
            if can_resume is not None and self.owns_reporter:
                self._leave_paused_when_bereft(can_resume)

    @property
    def is_under_way(self) -> bool:
        """Return whether the report was opened and says no ending yet."""
        return self._was_opened and self.reporter.outcome == OUTCOME_RUNNING

    @property
    def stop_requested(self) -> bool:
        """Return whether this process was told to stop."""
        return self.stop.requested

    def listen(self) -> None:
        """Hear signals again after a framework installed handlers of its own."""
        self.stop.listen()

    def step_ended(self, *, samples: object, tokens: object = None) -> bool:
        """Count a step of a framework's loop; return whether all ranks shall save and stop now."""
        self._steps += 1
        sums = self.exchange(self.figures(samples, tokens))
        self._wishes_to_stop |= sums.stop > 0
        return self._wishes_to_stop

    def epoch(self, *, accuracy: object = None, loss: object = None) -> None:
        """Count an epoch with its figures."""
        self.reporter.epoch_ended(accuracy=accuracy, loss=loss)

    def finish(self) -> None:
        """Report the training of a framework as finished and stop listening."""
        self.settle()
        self._end(OUTCOME_FINISHED)

    def finish_steps(self) -> None:
        """Report a training whose every step was counted; without any it trained on nothing."""
        self.settle()
        report = self.reporter.report()
        # A training that had finished already has no step left.
        if self._steps == 0 and not report.samples and not report.epochs:
            self.reporter.warn(NO_BATCHES)
            self._end(OUTCOME_FAILED, NO_BATCHES)
        else:
            self._end(OUTCOME_FINISHED)

    def _end(self, outcome: str, sentence: str | None = None) -> None:
        self.reporter.end(outcome, sentence)
        self.leave_note("Ended")
        self.stop.close()

    def fail(self, error: BaseException) -> None:
        """Report the error that ended the training of a framework.

        Raises:
            SystemExit: another rank was lost; this one did not fail and leaves as paused.
        """
        # A framework may fail before it has told the callback of a start.
        if self._was_opened:
            self.end(error)

    def _leave_paused_when_bereft(self, can_resume: Callable[[], bool]) -> None:
        """Judge the error that ends the program; every other error is shown as before."""
        before = sys.excepthook

        def judge(
            kind: type[BaseException], error: BaseException, trace: TracebackType | None
        ) -> None:
            # A training that has left a note of its pause may lose another rank while it leaves.
            is_under_way = self.reporter.outcome in (OUTCOME_RUNNING, OUTCOME_PAUSED)
            if is_under_way and self.ranks.has_lost_another(error) and can_resume():
                self.end(error)
            before(kind, error, trace)

        sys.excepthook = judge

    def _close_at_exit(self) -> None:
        """Report a training whose framework ended without a word, as it does by an exception."""
        if not self._was_opened and not self._opened_too_late():
            return
        if self.reporter.outcome == OUTCOME_RUNNING and self.owns_reporter:
            # What the interpreter printed last; there is none after sys.exit().
            error = getattr(sys, "last_value", None)
            if error is not None:
                self.reporter.end_with(error)
            else:
                sentence = "the program ended before its training did"
                self.reporter.end(OUTCOME_FAILED, sentence)
        self.close()

    def _opened_too_late(self) -> bool:
        """Open the report of a training that failed before it began; return whether it did so.

        The other ranks are not asked: they may be gone.
        """
        is_first = self.environment.get("RANK", "0") == "0"
        if getattr(sys, "last_value", None) is None or not (self.owns_reporter and is_first):
            return False
        self._alone = True
        self.open()
        return True


def not_saved(error: OSError) -> CheckpointNotSavedError:
    """Return the error of a training that was told to stop and cannot save its state."""
    return CheckpointNotSavedError(
        f"no checkpoint could be saved before the pause: {explanation(error) or error}"
    )


def newest_of(
    newest_first: Sequence[Path], is_complete: Callable[[Path], bool], directory: Path
) -> str | None:
    """Return the newest complete checkpoint, or `None`; one that is passed over is a warning."""
    for path in newest_first:
        if is_complete(path):
            return str(path)
        log.warning("checkpoint %s is incomplete or damaged and passed over", path)
    if newest_first:
        log.warning("no checkpoint in %s can be read: training starts anew", directory)
    return None
