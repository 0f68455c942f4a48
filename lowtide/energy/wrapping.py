"""Counters of a fixed range that start again at zero, as CPU packages have them.

RAPL's range is 262,144 J on many machines: a package at 250 W wraps every 17 minutes. Differences
are unwrapped here, so that what is exported never falls; several wraps between two readings cannot
be told apart, so readings must be closer than the range divided by the highest power.
"""

from dataclasses import dataclass, field
from typing import Final

from lowtide.energy.counter import DeviceTotal

WATTS_MAX: Final = 2000.0
"""More than a package or its memory draws."""


@dataclass(slots=True)
class WrappingMeter:
    """Turns microjoule readings that wrap at `range_microjoules` into whole millijoules.

    `total` is kept from raw readings (in microjoules) on a path of its own; `unwrapped` is the sum
    of the differences in microjoules.
    """

    total: DeviceTotal = field(default_factory=DeviceTotal)
    unwrapped: int = 0
    handed_out_millijoules: int = 0
    last_microjoules: int | None = None

    def advance(
        self, microjoules: int, range_microjoules: int, seconds: float | None = None
    ) -> int:
        """Return the millijoules since the last reading; 0 for the first one.

        A fall that is no wrap (beyond the range, or more than `WATTS_MAX` over the `seconds` since
        the last reading) is a counter that began anew: nothing is counted.
        """
        last, self.last_microjoules = self.last_microjoules, microjoules
        if last is None:
            self.total.read(microjoules)
            return 0
        delta = microjoules - last
        if delta < 0:
            delta += range_microjoules + 1
            if delta < 0 or (seconds is not None and delta > 1e6 * WATTS_MAX * seconds):
                self.total.restart(microjoules, first_raw=microjoules)
                return 0
            self.total.restart(microjoules, first_raw=last - range_microjoules - 1)
        else:
            self.total.read(microjoules)
        self.unwrapped += delta
        whole = self.unwrapped // 1000 - self.handed_out_millijoules
        self.handed_out_millijoules += whole
        return whole

    @property
    def millijoules(self) -> int:
        """The device's total from raw readings, in whole millijoules."""
        return self.total.millijoules // 1000  # the total's unit is that of its readings
