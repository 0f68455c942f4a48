"""Quality of a device's joules: the standing check of its counter against its power.

The ratio shows that the two meters of a device disagree, never which one is wrong, and never an
error that both share. So it labels joules; it does not change or replace one.
"""

from collections import deque
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

WINDOW_SECONDS: Final = 300.0
BAND: Final = 0.1
WINDOWS_BEFORE_SUSPECT: Final = 3


class Quality(StrEnum):
    """What stands behind a joule, best first."""

    COUNTER = "counter"
    UNCHECKED = "unchecked"
    SUSPECT = "suspect"
    POWER_INTEGRATED = "power_integrated"
    MODEL = "model"


@dataclass(slots=True)
class CrossCheck:
    """Compares integrated power with the counter over windows of `WINDOW_SECONDS`.

    `ratio` is integrated power over counter of the last full window, None before there is one.
    """

    ratio: float | None = None
    _seconds: float = 0.0
    _power_millijoules: float = 0.0
    _counter_millijoules: int = 0
    _spoilt: bool = False
    _in_band: deque[bool] = field(default_factory=lambda: deque(maxlen=WINDOWS_BEFORE_SUSPECT))

    def observe(
        self, seconds: float, power_millijoules: float | None, counter_millijoules: int | None
    ) -> None:
        """Take what both meters saw over `seconds`; an interval with a silent side is left out."""
        if power_millijoules is None or counter_millijoules is None:
            return
        self._seconds += seconds
        self._power_millijoules += power_millijoules
        self._counter_millijoules += counter_millijoules
        if self._seconds >= WINDOW_SECONDS:
            self._close_window()

    def spoil(self) -> None:
        """Mark the running window: the counter jumped, its joules are suspect until it ends."""
        self._spoilt = True

    def _close_window(self) -> None:
        if self._counter_millijoules > 0:
            self.ratio = self._power_millijoules / self._counter_millijoules
            self._in_band.append(abs(self.ratio - 1.0) <= BAND)
        self._seconds, self._power_millijoules, self._counter_millijoules = 0.0, 0.0, 0
        self._spoilt = False

    @property
    def quality(self) -> Quality:
        """The quality of joules that the counter gives now."""
        all_out = len(self._in_band) == WINDOWS_BEFORE_SUSPECT and not any(self._in_band)
        if self._spoilt or all_out:
            return Quality.SUSPECT
        return Quality.COUNTER if self._in_band else Quality.UNCHECKED
