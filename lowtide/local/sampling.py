"""Sampling of one attempt: meters read, and a line a second in the file of samples.

A disk that takes nothing is a note. Counters only grow, so a sample that could not be written is
made good by the next one that can.
"""

from collections.abc import Mapping
from typing import Any, Final

from lowtide.local.clock import RunClock
from lowtide.local.run_meters import RunMeters
from lowtide.local.samples_file import (
    BEGIN,
    END,
    SAMPLE,
    RunFileError,
    SamplesWriter,
    process_birth,
)

_STEP_SECONDS: Final = 2.0
"""A clock that was set by less is no news."""


class Sampler:
    """Writes what the meters say; without a writer it only counts. `begun` is monotonic."""

    def __init__(
        self, meters: RunMeters, clock: RunClock, writer: SamplesWriter | None, begun: float
    ) -> None:
        self.clock, self.begun = clock, begun
        self._meters, self._writer = meters, writer
        self._disk_note: str | None = None

    @property
    def notes(self) -> list[str]:
        """Sentences about what is not measured."""
        return [*self._meters.notes, *([] if self._disk_note is None else [self._disk_note])]

    def begin(self, number: int, pid: int) -> None:
        """Write the first lines of attempt `number`, which is process `pid`."""
        line = {
            "kind": BEGIN,
            "attempt": number,
            "at": self.clock.unix(self.begun),
            "gpus": self._meters.models,
            "mock": self._meters.is_mock,
            "pid": pid,
            "birth": process_birth(pid),
        }
        self._write(line, at=None)
        self._write_sample(self.begun)

    def sample(self) -> None:
        """Read the meters and write what they say."""
        now = self.clock.monotonic()
        self._meters.read(now)
        self._write_sample(now)

    def end(self, ended: float, *, exit_status: int | None) -> None:
        """Take the last readings of an attempt that was over at `ended`, and write its end."""
        stepped = abs(self.clock.stepped_seconds())
        if stepped > _STEP_SECONDS:
            self._meters.notes.append(
                f"the machine's clock was set by {stepped:.0f} s meanwhile: the times of this run "
                "follow the clock as it was at the start"
            )
        self._meters.end(ended, self.clock.monotonic)
        self._write_sample(ended)
        at = self.clock.unix(ended)
        line = {"kind": END, "at": at, "status": exit_status, "notes": self.notes}
        self._write(line, at=None)

    def _write_sample(self, now: float) -> None:
        books = self._meters.books
        if not self._meters.has_meter and not books.millijoules:
            return
        line = {
            "kind": SAMPLE,
            "at": round(self.clock.unix(now), 3),
            "mj": {"|".join(key): amount for key, amount in books.millijoules.items()},
            "held": {model: round(held, 3) for model, held in books.held_seconds.items()},
        }
        self._write(line, at=now)

    def _write(self, line: Mapping[str, Any], at: float | None) -> None:
        if self._writer is None:
            return
        try:
            self._writer.write(line, at)
            self._disk_note = None
        except RunFileError as error:
            self._disk_note = f"{error}: what was measured since then is not kept"
