"""What a person sees of a run: a countdown on a terminal, plain lines elsewhere.

Everything goes to standard error, since standard output is the command's own. Times are in the
reader's zone.
"""

import sys
from datetime import datetime
from typing import TextIO

from lowtide.trainingjob.status import PlanStatus
from lowtide.units import format_duration, format_energy

_BACK = "\r\x1b[K"


class RunView:
    """A `lowtide.local.runner.Teller`; `is_terminal` decides whether a line is written over."""

    def __init__(self, name: str, stream: TextIO | None = None, *, is_quiet: bool = False) -> None:
        self._name, self._stream = name, stream or sys.stderr
        self._is_terminal = self._stream.isatty() and not is_quiet
        self._is_quiet = is_quiet
        self._is_open = False

    def plan(self, plan: PlanStatus, now: datetime) -> None:
        """Tell a new plan with its reason, and where its length comes from."""
        self._line(plan.explanation or "no plan")
        length = plan.expected_duration_seconds
        if length is not None and plan.duration_source == "Default":
            self._line(
                f"its length is not known: {format_duration(length)} are assumed (say it with "
                "--expected-duration, or let it be learnt with --series)"
            )
        if plan.duration_note:
            self._line(plan.duration_note)

    def waiting(self, until: datetime | None, now: datetime) -> None:
        """Tell how long it still waits; on a terminal only."""
        if not self._is_terminal:
            return
        if until is None:
            text = "waits"
        else:
            left = max(0.0, (until - now).total_seconds())
            text = f"waits until {until.astimezone():%a %H:%M:%S}, in {format_duration(left)}"
        self._over(f"{text}; Ctrl-C ends it, `lowtide run --resume {self._name}` goes on")

    def working(self, seconds: float, joules: float | None) -> None:
        """Tell what it has used so far; on a terminal that the command does not write to, only."""
        if not self._is_terminal or sys.stdout.isatty():
            return
        used = "" if joules is None else f", {format_energy(joules)}"
        self._over(f"works for {format_duration(seconds)}{used}")

    def event(self, text: str) -> None:
        """Tell what happened."""
        self._line(text)

    def close(self) -> None:
        """End a line that is written over."""
        if self._is_open:
            self._stream.write(_BACK)
            self._stream.flush()
            self._is_open = False

    def _line(self, text: str) -> None:
        if self._is_quiet:
            return
        self.close()
        self._stream.write(f"{self._name}: {text}\n")
        self._stream.flush()

    def _over(self, text: str) -> None:
        self._stream.write(f"{_BACK}{self._name}: {text}")
        self._stream.flush()
        self._is_open = True
