"""One attempt of a training, from hearing signals to the exit code; what all loops have in common.

Signals are heard before anything slow is done, then the report is opened. However the attempt ends,
its report says why, a wrapper gets its note, and the handlers that were there before are put back.

Invariant: a process leaves with the exit code of a pause only where nothing is lost that a start
would not repeat: all ranks saved at the same step, or another rank was lost and the last checkpoint
stands.
"""

from __future__ import annotations

import os

from lowtide.names import EXIT_CODE_PAUSED, OUTCOME_FAILED, OUTCOME_PAUSED
from lowtide_trainer.environment import ENV_NOTES
from lowtide_trainer.errors import UsageError
from lowtide_trainer.ranks import Ranks, RankSums
from lowtide_trainer.report import open_reporter
from lowtide_trainer.reporter import Reporter
from lowtide_trainer.stop import StopRequest
from lowtide_trainer.warnings_log import warn

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Final, NoReturn

    from lowtide.trainingjob.report import TrainingReport

EXIT_CODE_TOLD_TO_STOP: Final = 143
"""As if SIGTERM had ended the process: it was told to stop and saved nothing."""


class TrainingAttempt:
    """The signals, the ranks, the report and the ending of one attempt in this process.

    `facts` are fields of the report; with a `reporter` or a `stop` of its own, the caller opens and
    closes it; with `alone` no other process is waited for.
    """

    ranks: Ranks
    """The processes of the training; known once the attempt is open."""
    reporter: Reporter
    """The figures; of the first rank they become the report."""

    def __init__(
        self,
        *,
        facts: Mapping[str, object],
        environment: Mapping[str, str] = os.environ,
        reporter: Reporter | None = None,
        stop: StopRequest | None = None,
        alone: bool = False,
    ) -> None:
        self.facts = {name: value for name, value in facts.items() if value is not None}
        self.environment = environment
        self.stop = stop or StopRequest()
        self._owns_stop = stop is None
        self._given_reporter = reporter
        self._alone = alone
        self._at_end: list[Callable[[], None]] = []
        self._is_open = False

    def open(self) -> None:
        """Listen for signals and open the report; its clock is not started yet."""
        if self._owns_stop:
            self.stop.listen()
            self._at_end.append(self.stop.close)
        self.leave_note("Listening")
        self.ranks = Ranks(alone=self._alone)
        self.reporter = self._given_reporter or self._open_reporter()
        self._is_open = True

    def require_open(self) -> None:
        """Refuse to go on where signals are not heard and no report is written.

        Raises:
            UsageError: the attempt was not opened, or has ended.
        """
        if not self._is_open:
            raise UsageError(
                "the run is not open: train within `with lowtide_trainer.run(...) as run:`"
            )

    @property
    def owns_reporter(self) -> bool:
        """Return whether the report is this attempt's to end."""
        return self._given_reporter is None

    def figures(
        self,
        samples: object = 0,
        tokens: object = None,
        *,
        save: bool = False,
        ended: bool = False,
    ) -> RankSums:
        """Return what this rank gives to an exchange; no count makes the total unknown."""
        size = self.reporter.count("samples", samples)
        token_count = 0 if tokens is None else self.reporter.count("tokens", tokens)
        return RankSums(
            stop=int(self.stop.requested),
            save=int(save),
            ended=int(ended),
            samples=size or 0,
            tokens=token_count or 0,
            uncounted=int(size is None),
            uncounted_tokens=int(token_count is None),
        )

    def exchange(self, mine: RankSums) -> RankSums:
        """Count and return what all ranks gave to the exchange before this one."""
        sums = self.ranks.exchange(mine)
        self._count(sums)
        return sums

    def settle(self) -> RankSums:
        """Count and return the exchange that is still under way; all ranks do so together."""
        sums = self.ranks.drain()
        self._count(sums)
        return sums

    def leave_paused(self) -> NoReturn:
        """Report a pause and leave the process, after all ranks saved the state.

        Raises:
            SystemExit: with the exit code of a pause.
        """
        self.settle()
        self._report_pause()
        # No rank leaves before all have left their note: a launcher kills the others.
        self.ranks.gather(None)
        raise SystemExit(self._pause_exit_code())

    def leave_unsaved(self) -> NoReturn:
        """Report that the training was told to stop and could not save, and leave the process.

        Raises:
            SystemExit: as if the signal had ended the process.
        """
        self.reporter.end(
            OUTCOME_FAILED,
            "the training was told to stop and saves no checkpoints, so its work is lost: "
            "give state= to be able to pause",
        )
        raise SystemExit(EXIT_CODE_TOLD_TO_STOP)

    def end(self, error: BaseException | None) -> None:
        """Report the ending that an error, or none, stands for, and listen no longer.

        Raises:
            SystemExit: another rank was lost; this one did not fail and leaves as paused.
        """
        is_bereft = error is not None and self.ranks.has_lost_another(error)
        if is_bereft:
            warn(
                __name__,
                "another process of this training was lost (%s): the next start goes on from the "
                "last checkpoint",
                str(error).strip().partition("\n")[0],
            )
            self._report_pause()
        self.reporter.end_with(error)
        if self.reporter.outcome != OUTCOME_PAUSED:
            self.leave_note("Ended")
        self.close()
        if is_bereft:
            raise SystemExit(self._pause_exit_code()) from error

    def close(self) -> None:
        """Serve no more figures, and put back the handlers that were there before."""
        self._is_open = False
        while self._at_end:
            self._at_end.pop()()

    def leave_note(self, stage: str) -> None:
        """Leave a note of a `ProcessStage` for a wrapper, if there is one."""
        if self.environment.get(ENV_NOTES):
            from lowtide_trainer.notes import ProcessStage, leave_note

            leave_note(ProcessStage(stage), self.environment)

    def _pause_exit_code(self) -> int:
        from lowtide_trainer.notes import pause_exit_code

        return pause_exit_code(EXIT_CODE_PAUSED, self.environment)

    def _report_pause(self) -> None:
        self.reporter.end(OUTCOME_PAUSED)
        self.leave_note("Paused")

    def _count(self, sums: RankSums) -> None:
        if not (sums.samples or sums.tokens or sums.uncounted or sums.uncounted_tokens):
            return
        samples = None if sums.uncounted else sums.samples
        self.reporter.batch_ended(samples=samples, tokens=sums.tokens or None)
        if sums.uncounted_tokens:
            self.reporter.tokens_unknown()

    def _open_reporter(self) -> Reporter:
        """Return the reporter; only the first rank writes a report and serves metrics."""
        if not self.ranks.is_first:
            return Reporter(write=_write_nothing, **self.facts)  # type: ignore[arg-type]
        return open_reporter(self.environment, self._at_end.append, **self.facts)


def _write_nothing(report: TrainingReport) -> None:
    """Take the report of a rank that is not the first."""
