"""From the readings of a device's energy counter to the energy of each interval.

Counters restart, jump, stop and vanish. `CounterMeter` says how many whole millijoules each new
reading adds and never a negative number. `DeviceTotal` keeps the device's total from the raw
readings alone, on a path of its own: comparing it with the sum of what was handed out is a real
check, where a total summed from the same differences would agree by identity. Neither reads a
clock: times are monotonic seconds of the caller. Energies are integer millijoules, NVML's unit.
"""

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final, NamedTuple

PLAUSIBLE_FACTOR: Final = 1.2
"""A counter may run this much above the power limit before a step counts as garbage."""
PLAUSIBLE_GRACE_SECONDS: Final = 0.5
POWER_WATTS_MAX: Final = 10_000.0
"""No device of this kind draws more; the bound where no limit is told."""
POWER_GAP_MAX_SECONDS: Final = 65.0
"""The longest pause between two readings in use; what power did in a longer one is not known."""
STUCK_AFTER_SECONDS: Final = 10.0
"""A hundred refreshes of the slowest counter known (0.1 s)."""


class CounterStep(StrEnum):
    """What a reading was."""

    FIRST = "first"
    COUNTED = "counted"
    RESET = "reset"
    REBASED = "rebased"
    STUCK = "stuck"
    INTEGRATED = "integrated"
    MISSING = "missing"


# A named tuple is made and hashed in half the time of a frozen dataclass: one per GPU and tick.
class CounterReading(NamedTuple):
    """One reading of a device at monotonic time `at_seconds`.

    `counter_millijoules` is None where the read failed. `has_counter` is False where the device
    has none at all, which is another thing: then power is integrated instead.
    """

    at_seconds: float
    counter_millijoules: int | None = None
    power_watts: float | None = None
    limit_watts: float | None = None
    has_counter: bool = True


class Increment(NamedTuple):
    """What one reading adds.

    `millijoules` is what is to be handed out now, `from_power` says that it was integrated from
    power; `power_millijoules` and `counter_millijoules` are what each side saw since the last
    reading, for the cross-check (None where that side is silent).
    """

    step: CounterStep
    millijoules: int = 0
    from_power: bool = False
    seconds: float = 0.0
    power_millijoules: float | None = None
    counter_millijoules: int | None = None


@dataclass(slots=True)
class DeviceTotal:
    """The device's energy from its raw readings: the sum of (last - first) over segments."""

    closed_millijoules: int = 0
    first_raw: int | None = None
    last_raw: int | None = None
    from_power_millijoules: int = 0
    caught_up_millijoules: int = 0

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


@dataclass(slots=True)
class CounterMeter:
    """Turns readings of one device into increments; see the table in docs/explanation/energy.md.

    `resets` counts restarts and rebases, `stuck_seconds` the time the counter stood still while
    power was drawn.
    """

    total: DeviceTotal = field(default_factory=DeviceTotal)
    resets: int = 0
    stuck_seconds: float = 0.0
    last_raw: int | None = None
    last_at: float | None = None
    _moved_at: float = 0.0
    _power_watts: float | None = None
    _power_at: float = 0.0
    _drawn: float | None = None
    _power_carry: float = 0.0
    _since_move_millijoules: float = 0.0
    _booked_ahead: int = 0
    _is_stuck: bool = False

    def advance(self, reading: CounterReading) -> Increment:
        """Return what `reading` adds to the device's energy.

        Raises:
            ValueError: the reading is older than the one before it.
        """
        if self.last_at is not None and reading.at_seconds < self.last_at:
            raise ValueError(
                f"reading at {reading.at_seconds} s is older than the last one at {self.last_at} s"
            )
        seconds = 0.0 if self.last_at is None else reading.at_seconds - self.last_at
        self._integrate_power(reading)
        if not reading.has_counter:
            self.last_at = reading.at_seconds
            return self._book_power(self._take_drawn(), seconds)
        raw = reading.counter_millijoules
        if raw is None:
            return Increment(CounterStep.MISSING)
        return self._count(reading, raw, seconds, self._take_drawn())

    def _integrate_power(self, reading: CounterReading) -> None:
        """Add the trapezoid since the last power reading to what was drawn, in millijoules."""
        before, watts = self._power_watts, reading.power_watts
        seconds = reading.at_seconds - self._power_at
        if watts is not None and before is not None and seconds <= POWER_GAP_MAX_SECONDS:
            self._drawn = (self._drawn or 0.0) + (before + watts) / 2 * seconds * 1000.0
        self._power_watts, self._power_at = watts, reading.at_seconds

    def _take_drawn(self) -> float | None:
        """Return what power says was drawn since the last counted reading, and start anew."""
        drawn, self._drawn = self._drawn, None
        return drawn

    def _book_power(self, drawn: float | None, seconds: float) -> Increment:
        """Book integrated power; a counter that comes back later has to catch up with it first."""
        if drawn is None:
            return Increment(
                CounterStep.MISSING if self._power_watts is None else CounterStep.FIRST
            )
        whole = self._whole(drawn)
        self.total.from_power_millijoules += whole
        if self.last_raw is not None:
            self._booked_ahead += whole
        return Increment(CounterStep.INTEGRATED, whole, True, seconds, drawn)

    def _whole(self, millijoules: float) -> int:
        """Return whole millijoules and carry the fraction to the next call."""
        exact = millijoules + self._power_carry
        whole = int(exact)
        self._power_carry = exact - whole
        return whole

    def _count(
        self, reading: CounterReading, raw: int, seconds: float, drawn: float | None
    ) -> Increment:
        last, self.last_raw, self.last_at = self.last_raw, raw, reading.at_seconds
        if last is None:
            self.total.read(raw)
            self._mark_moved(reading.at_seconds)
            return Increment(CounterStep.FIRST)
        if raw == last:
            return self._stand_still(reading, seconds, drawn)
        since_move = reading.at_seconds - self._moved_at
        grown = raw - last if raw > last else raw
        if not _is_plausible(grown, since_move, reading.limit_watts):
            self.resets += 1
            self.total.restart(raw, first_raw=raw)
            self._mark_moved(reading.at_seconds)
            return Increment(CounterStep.REBASED, 0, False, seconds, drawn)
        step = CounterStep.COUNTED
        if raw < last:
            self.resets += 1
            self.total.restart(raw, first_raw=0)
            step = CounterStep.RESET
        else:
            self.total.read(raw)
        caught_up = min(grown, self._booked_ahead)
        self.total.caught_up_millijoules += caught_up
        self._mark_moved(reading.at_seconds)
        return Increment(step, grown - caught_up, False, seconds, drawn, grown)

    def _stand_still(
        self, reading: CounterReading, seconds: float, drawn: float | None
    ) -> Increment:
        self.total.read(reading.counter_millijoules or 0)
        self._since_move_millijoules += drawn or 0.0
        stood = reading.at_seconds - self._moved_at
        if not self._is_stuck:
            if stood <= STUCK_AFTER_SECONDS or self._since_move_millijoules <= 0:
                return Increment(CounterStep.COUNTED, 0, False, seconds, drawn, 0)
            self._is_stuck = True
            self.stuck_seconds += stood
            drawn_now = self._since_move_millijoules
        else:
            self.stuck_seconds += seconds
            drawn_now = drawn or 0.0
        whole = self._whole(drawn_now)
        self._booked_ahead += whole
        self.total.from_power_millijoules += whole
        return Increment(CounterStep.STUCK, whole, True, seconds, drawn, 0)

    def _mark_moved(self, at_seconds: float) -> None:
        self._moved_at = at_seconds
        self._since_move_millijoules = 0.0
        self._booked_ahead = 0
        self._is_stuck = False


def _is_plausible(millijoules: int, seconds: float, limit_watts: float | None) -> bool:
    """Return whether a device with this power limit can have drawn this much in this time."""
    watts = POWER_WATTS_MAX if limit_watts is None else PLAUSIBLE_FACTOR * limit_watts
    return millijoules <= watts * (seconds + PLAUSIBLE_GRACE_SECONDS) * 1000.0
