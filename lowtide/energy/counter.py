"""Counters of energy: from the readings of a device to the energy of each interval.

Counters restart, jump, stop and vanish. `CounterMeter` says how many whole millijoules each new
reading adds and never a negative number. A reading that does not fit the one before is doubted
until the next one decides whether it was garbage, a restart or a jump. No clock is read: times are
monotonic seconds of the caller. Energies are integer millijoules, NVML's unit.
"""

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final, NamedTuple

from lowtide.energy.device_total import DeviceTotal
from lowtide.limits import believable_counter, can_have_drawn, watts_max

POWER_GAP_MAX_SECONDS: Final = 65.0
"""The longest pause bridged between two power readings; in a longer one, power is not known."""
STUCK_AFTER_SECONDS: Final = 10.0
"""A hundred refreshes of the slowest counter known (0.1 s)."""
LOSS_SECONDS: Final = 5.0
"""A restart or pause in a longer interval hides energy that must not go unmentioned."""
RESTARTED_RATIO: Final = 0.5
"""A counter that comes back with less than this share of what power told meanwhile began anew."""


class CounterStep(StrEnum):
    """What a reading turned out to be."""

    FIRST = "first"
    COUNTED = "counted"
    RESET = "reset"
    REBASED = "rebased"
    STUCK = "stuck"
    INTEGRATED = "integrated"
    MISSING = "missing"
    UNMETERED = "unmetered"


# A named tuple is made and hashed in half the time of a frozen dataclass: one per GPU and tick.
class CounterReading(NamedTuple):
    """Reading of one device."""

    at_seconds: float
    """Monotonic time."""
    counter_millijoules: int | None = None
    """The counter; None where it could not be read."""
    power_watts: float | None = None
    """The power; None where it could not be read."""
    limit_watts: float | None = None
    """The highest power limit that may have held since the reading before; None where not told."""
    has_counter: bool = True
    """False where the device has no counter at all: then power is integrated instead."""


class Increment(NamedTuple):
    """Energy that one reading adds."""

    step: CounterStep
    """Kind of the reading."""
    millijoules: int = 0
    """Energy to be handed out now."""
    from_power: bool = False
    """Whether it was integrated from power."""
    seconds: float = 0.0
    """Time that the energy belongs to."""
    power_millijoules: float | None = None
    """Energy that power saw in that time, for the cross-check; None where it is silent."""
    counter_millijoules: int | None = None
    """Energy that the counter saw in that time, for the cross-check; None where it is silent."""
    is_lost: bool = False
    """Whether an unknown part of the energy of that time is missing."""
    late_millijoules: int = 0
    """Further energy, of the time in which the counter was silent and power stood in for it."""


@dataclass(slots=True)
class CounterMeter:
    """Meter of one device; see the table in docs/explanation/energy.md."""

    total: DeviceTotal = field(default_factory=DeviceTotal)
    """Total from the raw readings."""
    resets: int = 0
    """Restarts and jumps of the counter."""
    stuck_seconds: float = 0.0
    """Time for which the counter stood still while power was drawn."""
    last_raw: int | None = None
    """The last counter reading that was believed."""
    last_at: float | None = None
    """Time up to which energy is counted."""
    _moved_at: float = 0.0
    _limit_watts: float | None = None
    _doubted_raw: int | None = None
    _doubted_at: float = 0.0
    _drawn_at_doubt: float | None = None
    _drawn_seconds_at_doubt: float = 0.0
    _silent_since: float | None = None
    _power_watts: float | None = None
    _power_at: float = 0.0
    _drawn: float | None = None
    _drawn_seconds: float = 0.0
    _power_carry: float = 0.0
    _since_move_millijoules: float = 0.0
    _booked_ahead: int = 0
    _is_stuck: bool = False
    _is_stale: bool = False

    @property
    def is_ahead(self) -> bool:
        """Whether energy was booked from power that the counter has not brought yet."""
        return self._booked_ahead > 0

    def advance(self, reading: CounterReading) -> Increment:
        """Return what `reading` adds to the device's energy.

        Raises:
            ValueError: the reading is older than the one before it.
        """
        if self.last_at is not None and reading.at_seconds < self.last_at:
            raise ValueError(
                f"reading at {reading.at_seconds} s is older than the last one at {self.last_at} s"
            )
        self._integrate_power(reading)
        if reading.limit_watts is not None:
            self._limit_watts = max(reading.limit_watts, self._limit_watts or 0.0)
        if reading.has_counter:
            raw = believable_counter(reading.counter_millijoules, self.last_raw)
            if raw is None:
                return self._do_without(reading)
            self._silent_since = None
            return self._count(reading, raw)
        if not self._has_power(reading):
            return Increment(CounterStep.UNMETERED, seconds=self._pass_time(reading))
        return self._book_power(reading)

    def _integrate_power(self, reading: CounterReading) -> None:
        """Add the trapezoid since the last power reading to what was drawn, in millijoules."""
        before, watts = self._power_watts, reading.power_watts
        if watts is None:
            if reading.at_seconds - self._power_at > LOSS_SECONDS:
                self._power_watts = None
            return
        seconds = reading.at_seconds - self._power_at
        if before is not None and seconds <= POWER_GAP_MAX_SECONDS:
            self._drawn = (self._drawn or 0.0) + (before + watts) / 2 * seconds * 1000.0
            self._drawn_seconds += seconds
        self._power_watts, self._power_at = watts, reading.at_seconds

    def _has_power(self, reading: CounterReading) -> bool:
        is_recent = reading.at_seconds - self._power_at <= POWER_GAP_MAX_SECONDS
        return self._power_watts is not None and is_recent

    def _take_drawn(self) -> tuple[float | None, float]:
        """Return what power says was drawn since the last call, and in how many seconds."""
        taken = self._drawn, self._drawn_seconds
        self._drawn, self._drawn_seconds = None, 0.0
        return taken

    def _pass_time(self, reading: CounterReading) -> float:
        """Return the seconds since the last counted reading, and count up to this one."""
        seconds = 0.0 if self.last_at is None else reading.at_seconds - self.last_at
        self.last_at = reading.at_seconds
        return seconds

    def _do_without(self, reading: CounterReading) -> Increment:
        """Wait for a counter that cannot be read; where power can be, wait ten seconds only."""
        if self._silent_since is None:
            self._silent_since = reading.at_seconds
        is_long = reading.at_seconds - self._silent_since > STUCK_AFTER_SECONDS
        if is_long and self._drawn is not None:
            return self._book_power(reading)
        return Increment(CounterStep.MISSING)

    def _book_power(self, reading: CounterReading) -> Increment:
        """Book integrated power; a counter that comes back later has to catch up with it first."""
        if self._drawn is None and reading.power_watts is None:
            return Increment(CounterStep.MISSING)
        drawn, covered_seconds = self._take_drawn()
        seconds = self._pass_time(reading)
        is_lost = seconds - covered_seconds > LOSS_SECONDS
        # What was lost must not come with the counter later and go to a later holder.
        self._is_stale |= is_lost and self.last_raw is not None
        if drawn is None:
            return Increment(CounterStep.FIRST, is_lost=is_lost)
        whole = self._whole(drawn)
        self.total.from_power_millijoules += whole
        if self.last_raw is not None:
            self._booked_ahead += whole
        return Increment(CounterStep.INTEGRATED, whole, True, seconds, drawn, is_lost=is_lost)

    def _whole(self, millijoules: float) -> int:
        """Return whole millijoules and carry the fraction to the next call."""
        exact = millijoules + self._power_carry
        whole = int(exact)
        self._power_carry = exact - whole
        return whole

    def _count(self, reading: CounterReading, raw: int) -> Increment:
        last, doubted = self.last_raw, self._doubted_raw
        if self._is_stale:
            return self._rebase(reading, raw)
        if last is None:
            self.total.read(raw)
            self._accept(reading, raw)
            return Increment(CounterStep.FIRST)
        if raw == last:
            self._doubted_raw = None
            return self._stand_still(reading, raw)
        if raw > last and self._fits(raw - last, self._moved_at, reading):
            if raw - last < RESTARTED_RATIO * self._booked_ahead:
                self.resets += 1
                return self._rebase(reading, raw)
            self.total.read(raw)
            return self._grow(CounterStep.COUNTED, reading, raw, raw - last)
        if doubted is not None and self._fits(raw - doubted, self._doubted_at, reading):
            return self._begin_anew(reading, raw, last, doubted)
        self._doubted_raw, self._doubted_at = raw, reading.at_seconds
        self._drawn_at_doubt, self._drawn_seconds_at_doubt = self._drawn, self._drawn_seconds
        return Increment(CounterStep.MISSING)

    def _fits(self, millijoules: int, since: float, reading: CounterReading) -> bool:
        """Return whether the device can have drawn this much since then.

        Its power limit may have been lowered meanwhile: the highest of the interval counts.
        """
        highest = watts_max(self._limit_watts)
        return can_have_drawn(millijoules / 1000.0, reading.at_seconds - since, highest)

    def _begin_anew(self, reading: CounterReading, raw: int, last: int, doubted: int) -> Increment:
        """Go on from a doubted reading that the next one has confirmed.

        A counter that fell has restarted: it shows what was drawn since. One that jumped, or that
        restarted while power stood in for it, says nothing of the time before it was doubted.
        """
        self.resets += 1
        is_bridged = self._booked_ahead > 0
        if doubted < last and not is_bridged and self._fits(raw, self._moved_at, reading):
            self.total.restart(raw, first_raw=0)
            return self._grow(CounterStep.RESET, reading, raw, raw)
        return self._rebase(reading, raw, doubted)

    def _rebase(self, reading: CounterReading, raw: int, doubted: int | None = None) -> Increment:
        """Count from `raw` on; for the interval so far, what power saw stands in.

        Where the base was doubted first, the counter itself tells what was drawn since.
        """
        drawn, covered_seconds = self._take_drawn()
        since_doubt = 0.0
        if doubted is not None:
            drawn, covered_seconds = self._drawn_at_doubt, self._drawn_seconds_at_doubt
            since_doubt = reading.at_seconds - self._doubted_at
        first_raw = raw if doubted is None else doubted
        self.total.restart(raw, first_raw=first_raw)
        seconds = self._pass_time(reading)
        whole = 0 if drawn is None else self._whole(drawn)
        self.total.from_power_millijoules += whole
        self._accept(reading, raw)
        bridged_seconds = seconds - since_doubt
        is_lost = bridged_seconds - covered_seconds > min(LOSS_SECONDS, bridged_seconds / 2)
        return Increment(
            CounterStep.REBASED,
            whole + raw - first_raw,
            drawn is not None,
            seconds,
            is_lost=is_lost,
        )

    def _grow(self, step: CounterStep, reading: CounterReading, raw: int, grown: int) -> Increment:
        """Hand out what the counter grew by, less what was booked ahead from power.

        Where power was booked ahead, it also says how much of the rest belongs to this interval.
        """
        drawn, _ = self._take_drawn()
        caught_up = min(grown, self._booked_ahead)
        self.total.caught_up_millijoules += caught_up
        seconds = self._pass_time(reading)
        self._accept(reading, raw)
        # Energy that was booked ahead belongs to a window that is closed already.
        by_power, by_counter = (None, None) if caught_up else (drawn, grown)
        is_lost = step is CounterStep.RESET and seconds > LOSS_SECONDS
        rest = grown - caught_up
        late = 0 if not caught_up or drawn is None else max(0, rest - round(drawn))
        return Increment(step, rest - late, late > 0, seconds, by_power, by_counter, is_lost, late)

    def _stand_still(self, reading: CounterReading, raw: int) -> Increment:
        drawn, _ = self._take_drawn()
        seconds = self._pass_time(reading)
        self.total.read(raw)
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

    def _accept(self, reading: CounterReading, raw: int) -> None:
        """Take a reading as the base of the next difference."""
        self.last_raw, self.last_at = raw, reading.at_seconds
        self._moved_at, self._limit_watts = reading.at_seconds, reading.limit_watts
        self._doubted_raw = None
        self._since_move_millijoules = 0.0
        self._booked_ahead = 0
        self._is_stuck = False
        self._is_stale = False
