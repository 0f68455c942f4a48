"""One attempt of a run: its command, and the meters that watch it.

Whatever happens to the measurement, the command goes on and its exit status comes through.
"""

import os
import signal
from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from contextlib import suppress

from lowtide.local.clock import RunClock
from lowtide.local.command import RunningCommand
from lowtide.local.process_tree import LivingProcess, ProcessTree
from lowtide.local.run_meters import RunMeters
from lowtide.local.samples_file import SamplesWriter
from lowtide.local.sampling import Sampler


class MeasuredCommand:
    """A command that runs, measured.

    `number` is the attempt's, `interval_seconds` the distance between two samples.

    Raises:
        CommandError: the command cannot be started.
    """

    def __init__(
        self,
        command: Sequence[str],
        environment: Mapping[str, str],
        writer: SamplesWriter,
        number: int,
        *,
        interval_seconds: float = 1.0,
        is_modelled: bool = False,
    ) -> None:
        self._clock, self._interval = RunClock(), interval_seconds
        self._tree = ProcessTree(with_self=False)
        self._not_its_own = frozenset(self._tree.living())
        self.meters = RunMeters(environment, self._tree, is_modelled=is_modelled)
        self.meters.begin(self._clock.monotonic())
        try:
            self._command = RunningCommand(command, environment)
        except Exception:
            self.meters.close()
            raise
        self.begun = self._clock.monotonic()
        self.meters.settle_start(self._clock.monotonic, self.begun)
        self._sampler = Sampler(self.meters, self._clock, writer, self.begun)
        self._sampler.begin(number, self._command.pid)
        self._next = self.begun + interval_seconds
        self.ended_at: float | None = None

    @property
    def exit_status(self) -> int | None:
        """Exit status as a shell says it; None while the command runs."""
        return self._command.exit_status

    @property
    def seconds(self) -> float:
        """How long the command has run."""
        return (self.ended_at or self._clock.monotonic()) - self.begun

    @property
    def joules(self) -> float:
        """What this attempt used so far."""
        return sum(self.meters.books.millijoules.values()) / 1000

    @property
    def notes(self) -> list[str]:
        """Sentences about what is not measured."""
        return self._sampler.notes

    def step(self, seconds: float) -> signal.Signals | None:
        """Wait for `seconds`, or less if the command ends or a signal comes, and take samples.

        Returns the signal that was handed on.
        """
        until = self._clock.monotonic() + seconds
        while self._command.exit_status is None:
            now = self._clock.monotonic()
            if now >= self._next:
                self._sampler.sample()
                self._next = max(self._next + self._interval, now)
            if now >= until:
                return None
            handed_on = self._command.wait(min(self._next, until) - now)
            if handed_on is not None:
                return handed_on
        if self.ended_at is None:
            self.ended_at = self._clock.monotonic()
            self._note_left_behind()
        return None

    def send(self, number: int) -> None:
        """Send a signal to the command and, where it stops or goes on, to all it started."""
        if number in (signal.SIGSTOP, signal.SIGCONT):
            self._send_to_all(number)
        else:
            self._command.send(number)

    def close(self, *, exit_status: int | None = None) -> None:
        """Write the attempt's end and let go of the meters; signals reach this program again.

        `exit_status` is written instead of the command's own, as for one that was told to pause.
        """
        ended = self.ended_at or self._clock.monotonic()
        status = self.exit_status if exit_status is None else exit_status
        self._sampler.end(ended, exit_status=status)
        self.meters.close()
        self._command.release()

    def _send_to_all(self, number: int) -> None:
        """Send a signal to each process, and to those that were started meanwhile."""
        if number == signal.SIGCONT:  # all stand still, so none is started meanwhile
            _send_to_each(self._tree.living(self._not_its_own), number)
            return
        # At once: what starts processes fast would leave thousands before an exact look is done.
        self._command.send(number)
        told = set[LivingProcess]()
        for look in (self._tree.glimpsed, self._tree.living):
            while fresh := look(self._not_its_own) - told:
                _send_to_each(fresh, number)
                told |= fresh

    def _note_left_behind(self) -> None:
        left = len(self._tree.living(self._not_its_own))
        if left:
            goes = "of its processes goes on" if left == 1 else "of its processes go on"
            self.meters.notes.append(
                f"the command has ended and {left} {goes}: what is used from now on is not measured"
            )


def _send_to_each(processes: AbstractSet[LivingProcess], number: int) -> None:
    for process in processes:
        with suppress(ProcessLookupError, PermissionError):
            os.kill(process.pid, number)
