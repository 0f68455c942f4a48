"""Raw prices and their times as points: the one place that decides what is missing.

A price is missing where it is null, not a number, not finite or beyond every market's limit; zero
and negative prices are real. A time with two different prices has none. Pure.
"""

from collections.abc import Sequence
from datetime import timedelta
from math import isfinite

from lowtide.grid.raw_values import RawValue, slots_of
from lowtide.prices.series import LARGEST_PER_KWH, PricePoint

KWH_PER_MWH = 1000


def usable_price(value: object, *, per_mwh: bool = False) -> float | None:
    """Return the value as a price per kWh, or `None` where it says nothing."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        number = float(value) / (KWH_PER_MWH if per_mwh else 1)
    except OverflowError:
        return None
    return number if isfinite(number) and abs(number) <= LARGEST_PER_KWH else None


def price_points(
    values: Sequence[RawValue],
    *,
    source: str,
    per_mwh: bool = False,
    step: timedelta | None = None,
) -> tuple[PricePoint, ...]:
    """Return one point per slot, in order, per kWh; see `slots_of` for `step` and errors.

    Raises:
        BadAnswer: times run backwards, or a single value comes without a `step`.
    """
    points = []
    for slot in slots_of(values, source=source, step=step):
        known = {usable_price(one.value, per_mwh=per_mwh) for one in slot.values}
        points.append(PricePoint(slot.start, slot.end, known.pop() if len(known) == 1 else None))
    return tuple(points)
