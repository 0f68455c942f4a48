"""Series of irregular points on equal slots, as arrays in which missing values are NaN.

Resampling keeps the mean: a slot holds the time-weighted mean of what is known inside it. A slot
of which less than half is known is missing; a missing value is never filled here.
"""

from datetime import UTC, datetime, timedelta
from statistics import median

import numpy as np
import numpy.typing as npt

from lowtide.grid.timed import TimedPoints

Array = npt.NDArray[np.float64]

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def slot_index(moment: datetime, slot_seconds: int) -> int:
    """Return the number of the slot that contains `moment`, counted from 1970 in UTC."""
    return int((moment - _EPOCH) // timedelta(seconds=slot_seconds))


def slot_start(index: int, slot_seconds: int) -> datetime:
    """Return the UTC start of slot `index`."""
    return _EPOCH + timedelta(seconds=index * slot_seconds)


def native_slot_seconds(*series: TimedPoints | None) -> int | None:
    """Return the shortest of the usual point lengths of the series in seconds.

    `None` where no series has a point. A median, so that one odd point decides nothing.
    """
    lengths = [
        median((point.end - point.start).total_seconds() for point in one.points)
        for one in series
        if one is not None and one.points
    ]
    return max(1, round(min(lengths))) if lengths else None


def values_on_slots(series: TimedPoints | None, first: int, count: int, slot_seconds: int) -> Array:
    """Return the mean of `count` slots from slot number `first` on, in the unit of the series.

    NaN where less than half of a slot is known.
    """
    missing = np.full(count, np.nan)
    origin = slot_start(first, slot_seconds)
    known = [
        (
            (point.start - origin).total_seconds(),
            (point.end - origin).total_seconds(),
            point.value,
        )
        for point in (series.points if series is not None else ())
        if point.value is not None
    ]
    if not known or count <= 0:
        return missing
    starts, ends, values = np.array(known, dtype=np.float64).T
    knots = np.column_stack((starts, ends)).ravel()
    durations = np.column_stack((np.zeros_like(starts), ends - starts)).ravel()
    gaps = np.column_stack((np.zeros_like(starts), values * (ends - starts))).ravel()
    edges = np.arange(count + 1, dtype=np.float64) * slot_seconds
    covered = np.diff(np.interp(edges, knots, np.cumsum(durations)))
    totals = np.diff(np.interp(edges, knots, np.cumsum(gaps)))
    enough = covered >= 0.5 * slot_seconds
    missing[enough] = totals[enough] / covered[enough]
    return missing
