"""Estimates for grid values that are not published yet, marked as such.

Actual intensity is published after its slot, for some grids hours later. A job that has just
ended is priced with the forecast of those slots first and with actual values later; every
estimated slot says so, and a value that was seen is never replaced.
"""

from dataclasses import replace
from datetime import datetime

from lowtide.grid.series import IntensitySeries, Point


def with_estimates(
    seen: IntensitySeries | None,
    expected: IntensitySeries | None,
    start: datetime,
    end: datetime,
) -> IntensitySeries | None:
    """Return the intensity in `[start, end)`: seen values, and expected ones in their gaps.

    An expected slot that overlaps a seen one is left out, so the result never counts a moment
    twice. `None` where neither series knows anything. Both must be of the same signal.
    """
    if expected is None or (seen is not None and seen.signal is not expected.signal):
        return seen
    known = () if seen is None else tuple(p for p in seen.points if p.grams_per_kwh is not None)
    added = tuple(
        replace(point, estimated=True)
        for point in expected.between(start, end).points
        if point.grams_per_kwh is not None and not _overlaps_any(point, known)
    )
    if not added:
        return seen
    base = expected if seen is None else seen
    source = base.source if not known else f"{base.source}; estimates: {expected.source}"
    points = sorted((*known, *added), key=lambda point: point.start)
    return replace(base, source=source, points=tuple(points))


def _overlaps_any(point: Point, others: tuple[Point, ...]) -> bool:
    return any(other.start < point.end and point.start < other.end for other in others)
