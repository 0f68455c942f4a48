"""Run of a training whose loop belongs to a framework; what all callbacks have in common."""

import atexit
import sys
from typing import Any

from lowtide.trainingjob.report import TrainingOutcome
from lowtide_trainer.notes import ProcessStage, leave_note
from lowtide_trainer.ranks import RankSums
from lowtide_trainer.session import TrainingRun


class FrameworkRun(TrainingRun):
    """A run that a callback drives step by step; the framework saves and restores the state."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self._is_open = False

    def open_until_exit(self) -> None:
        """Open a run for a framework's callback, which is not told of every ending."""
        if not self._is_open:
            self._is_open = True
            self.open()
            atexit.register(self._close_at_exit)

    def listen(self) -> None:
        """Hear signals again after a framework installed handlers of its own."""
        self._stop.listen()

    def step_ended(self, *, samples: object, tokens: object = None) -> bool:
        """Count a step of a framework's loop; return whether all ranks shall save and stop now."""
        size = self.reporter.count("samples", samples)
        count = self.reporter.count("tokens", 0 if tokens is None else tokens)
        mine = RankSums(
            stop=int(self._stop.requested),
            samples=size or 0,
            tokens=count or 0,
            uncounted=int(size is None),
        )
        sums = self._ranks.exchange(mine)
        self._count(sums)
        self._wishes_to_stop |= sums.stop > 0
        return self._wishes_to_stop

    def finish(self) -> None:
        """Report the training of a framework as finished and stop listening."""
        self._count(self._ranks.drain())
        self.reporter.end(TrainingOutcome.FINISHED)
        leave_note(ProcessStage.ENDED, self._environment)
        self._stop.close()

    def fail(self, error: BaseException) -> None:
        """Report the error that ended the training of a framework."""
        self.reporter.end_with(error)

    def _close_at_exit(self) -> None:
        """Report a training whose framework ended without a word, as it does by an exception."""
        if self.reporter.outcome is TrainingOutcome.RUNNING and self._given_reporter is None:
            # What the interpreter printed last; there is none after sys.exit().
            error = getattr(sys, "last_value", None)
            if error is not None:
                self.reporter.end_with(error)
            else:
                sentence = "the program ended before its training did"
                self.reporter.end(TrainingOutcome.FAILED, sentence)
        self._stack.close()
