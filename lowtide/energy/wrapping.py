"""Counters of a fixed range that start again at zero, as CPU packages have them.

RAPL's range is 262,144 J on many machines: a package at 250 W wraps every 17 minutes. Differences
are unwrapped here, so that what is exported never falls. A reading that no package can have reached
is doubted until the next one decides whether it was garbage or a restart.
"""

from dataclasses import dataclass, field

from lowtide.energy.device_total import DeviceTotal
from lowtide.limits import PACKAGE_WATTS_MAX, believable_counter, can_have_drawn

_JOULE = 1_000_000


@dataclass(slots=True)
class WrappingMeter:
    """Meter of one zone: microjoule readings that wrap become whole millijoules."""

    total: DeviceTotal = field(default_factory=DeviceTotal)
    """Total from the raw readings, in microjoules, on a path of its own."""
    unwrapped: int = 0
    """Sum of the differences, in microjoules."""
    handed_out_millijoules: int = 0
    """Whole millijoules that `advance` has returned so far."""
    last_microjoules: int | None = None
    """The last reading that was believed."""
    last_at: float | None = None
    """Its time, monotonic seconds."""
    is_doubtful: bool = False
    """Whether energy may be missing from what the last call returned."""
    _doubted: int | None = None
    _doubted_at: float = 0.0

    def advance(self, microjoules: int, range_microjoules: int, at_seconds: float) -> int:
        """Return the millijoules since the last reading that was believed; 0 for the first one.

        Several wraps between two readings look like one, so `is_doubtful` is set where the pause
        was long enough for more than one.
        """
        self.is_doubtful = False
        raw = believable_counter(microjoules, self.last_microjoules)
        if raw is None or raw > range_microjoules:
            return 0
        last, last_at = self.last_microjoules, self.last_at
        if last is None or last_at is None:
            self.total.read(raw)
            self._accept(raw, at_seconds)
            return 0
        grown = _growth(last, raw, range_microjoules)
        if _fits(grown, at_seconds - last_at):
            self.is_doubtful = _fits(range_microjoules, at_seconds - last_at)
            self._take(last, raw, range_microjoules)
            return self._hand_out(grown, raw, at_seconds)
        doubted, doubted_at = self._doubted, self._doubted_at
        self._doubted, self._doubted_at = raw, at_seconds
        if doubted is None:
            return 0
        grown = _growth(doubted, raw, range_microjoules)
        if not _fits(grown, at_seconds - doubted_at):
            return 0
        self.is_doubtful = True
        self.total.restart(doubted, first_raw=doubted)
        self._take(doubted, raw, range_microjoules)
        return self._hand_out(grown, raw, at_seconds)

    def _take(self, last: int, raw: int, range_microjoules: int) -> None:
        """Let the total take a reading that continues from `last`."""
        if raw < last:
            self.total.restart(raw, first_raw=last - range_microjoules - 1)
        else:
            self.total.read(raw)

    def _hand_out(self, grown: int, raw: int, at_seconds: float) -> int:
        self._accept(raw, at_seconds)
        self.unwrapped += grown
        whole = self.unwrapped // 1000 - self.handed_out_millijoules
        self.handed_out_millijoules += whole
        return whole

    def _accept(self, raw: int, at_seconds: float) -> None:
        self.last_microjoules, self.last_at, self._doubted = raw, at_seconds, None

    @property
    def millijoules(self) -> int:
        """The zone's total from raw readings, in whole millijoules."""
        return self.total.millijoules // 1000  # the total's unit is that of its readings


def _growth(last: int, raw: int, range_microjoules: int) -> int:
    """Return by how much a counter grew that wraps behind its range."""
    return raw - last if raw >= last else raw - last + range_microjoules + 1


def _fits(microjoules: int, seconds: float) -> bool:
    """Return whether a package can have drawn this much."""
    return can_have_drawn(microjoules / _JOULE, seconds, PACKAGE_WATTS_MAX)
