"""Total of a device from its raw readings alone, on a path of its own.

Comparing it with the sum of what was handed out is a real check, where a total summed from the same
differences would agree by identity. Pure.
"""

from dataclasses import dataclass


@dataclass(slots=True)
class DeviceTotal:
    """Energy of a device from its raw readings: the sum of (last - first) over segments."""

    closed_millijoules: int = 0
    """Energy of the segments before this one."""
    first_raw: int | None = None
    """The reading that this segment begins with."""
    last_raw: int | None = None
    """The latest reading of this segment."""
    from_power_millijoules: int = 0
    """Energy booked from power while the counter was silent."""
    caught_up_millijoules: int = 0
    """What of it the counter has brought since."""

    @property
    def millijoules(self) -> int:
        """Total since the first reading."""
        running = 0
        if self.first_raw is not None and self.last_raw is not None:
            running = self.last_raw - self.first_raw
        booked = self.from_power_millijoules - self.caught_up_millijoules
        return self.closed_millijoules + running + booked

    def read(self, raw: int) -> None:
        """Take a reading that continues the segment, or opens the first one."""
        if self.first_raw is None:
            self.first_raw = raw
        self.last_raw = raw

    def restart(self, raw: int, first_raw: int) -> None:
        """Take a reading that opens a new segment beginning at `first_raw`."""
        if self.first_raw is not None and self.last_raw is not None:
            self.closed_millijoules += self.last_raw - self.first_raw
        self.first_raw, self.last_raw = first_raw, raw
