"""Energy of an interval by the slots of a series: what prices and intensities are multiplied with.

An interval that crosses slot boundaries is split in proportion to time. Pure.
"""

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from typing import TypeVar

from lowtide.energy.profile import EnergyInterval
from lowtide.grid.timed import TimedPoint

PointT = TypeVar("PointT", bound=TimedPoint)


def shares_by_slot(
    interval: EnergyInterval, points: Sequence[PointT]
) -> Iterator[tuple[float, PointT | None]]:
    """Yield (joules, slot) for each part of the interval; the slot is `None` in a gap."""
    index = max(0, bisect_right(points, interval.start, key=lambda point: point.start) - 1)
    at = interval.start
    while at < interval.end:
        while index < len(points) and points[index].end <= at:
            index += 1
        point = points[index] if index < len(points) else None
        if point is None or point.start >= interval.end:
            end, slot = interval.end, None
        elif point.start > at:
            end, slot = point.start, None
        else:
            end, slot = min(point.end, interval.end), point
        share = (end - at) / (interval.end - interval.start)
        yield interval.energy_joules * share, slot
        at = end
