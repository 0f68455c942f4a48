"""Limits of what a meter can truthfully say: the one rule on which numbers are believed.

Every number that a device, a file or a peer gives is measured against this module before it is
used. A number outside its limits is not known (`None`), never clamped and never 0. The module is
pure and belongs to no meter, so that all of them, and the energy arithmetic, share it.

Blank numbers need no list of their own: NVML's "not available" (all bits set) and DCGM's blanks
(2**47 for fractions, 0x7ffffff0 and 0x7ffffffffffffff0 for integers; dcgm_structs.h) lie far
outside the limits of ratios, powers and counters.
"""

from math import isfinite
from typing import Final

GPU_WATTS_MAX: Final = 10_000.0
"""No GPU draws more; the bound where the driver tells no power limit."""
PACKAGE_WATTS_MAX: Final = 2000.0
"""No CPU package, and no memory of one, draws more."""
NODE_WATTS_MAX: Final = 1e6
"""No node draws more."""
CLOCK_HERTZ_MAX: Final = 20e9
"""No clock of a GPU is faster."""
GRAMS_PER_KWH_MAX: Final = 100_000.0
"""No electricity emits a tenth of this: a number beyond it is of another unit, or none."""
COUNTER_MAX: Final = 1 << 62
"""A counter of millijoules or microjoules beyond this has not counted energy."""
LIMIT_FACTOR: Final = 1.2
"""A device may draw this much more than its power limit for a moment."""
GRACE_SECONDS: Final = 0.5
"""Readings carry no time of their own: a counter may be this much older than it looks."""
IDLE_RATIO_MAX: Final = 0.5
"""A GPU that draws more than this share of its power limit is not idle."""
_RATIO_SLACK: Final = 0.05
"""A busy ratio may exceed 1 by this much through rounding."""


def believable_counter(value: float | None, last: int | None = None) -> int | None:
    """Return the reading of an energy counter as a whole number, None where it is not one.

    A counter that has counted (`last`) and now shows exactly 0 is taken for a blank: a counter
    that really began again shows more at the next reading.
    """
    if value is None or not isfinite(value) or not 0 <= value < COUNTER_MAX:
        return None
    whole = int(value)
    return None if whole == 0 and last else whole


def believable_watts(watts: float | None, highest: float = GPU_WATTS_MAX) -> float | None:
    """Return a power that a device can have, None for any other number."""
    return None if watts is None or not 0 <= watts <= highest else watts


def believable_hertz(hertz: float | None) -> float | None:
    """Return a clock that a GPU can have, None for any other number."""
    return None if hertz is None or not 0 < hertz <= CLOCK_HERTZ_MAX else hertz


def believable_ratio(ratio: float | None) -> float | None:
    """Return a ratio from 0 to 1, None for any other number."""
    if ratio is None or not 0 <= ratio <= 1 + _RATIO_SLACK:
        return None
    return min(1.0, ratio)


def watts_max(*limits_watts: float | None, highest: float = GPU_WATTS_MAX) -> float:
    """Return the most that a device under these power limits can have drawn.

    Several limits are those that held in the course of an interval: the highest counts. Where
    none is told, the bound is that of its kind.
    """
    known = [limit for limit in limits_watts if limit and believable_watts(limit, highest)]
    return min(highest, LIMIT_FACTOR * max(known)) if known else highest


def can_have_drawn(joules: float, seconds: float, highest_watts: float) -> bool:
    """Return whether a device can have drawn `joules` in `seconds`; energy is never negative."""
    return 0 <= joules <= highest_watts * (seconds + GRACE_SECONDS)


def can_be_idle(watts: float, limit_watts: float | None) -> bool:
    """Return whether a GPU that draws this much can be idle."""
    limit = believable_watts(limit_watts)
    return not limit or watts <= IDLE_RATIO_MAX * limit
