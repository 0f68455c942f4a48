"""Values of time slots in order: what series of intensity and of prices have in common.

Times are kept in UTC, whatever zone they were given in: Python compares and subtracts two times of
one local zone by their clock faces, which is wrong by an hour across a change of summer time.
"""

from abc import ABC, abstractmethod
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from itertools import pairwise
from typing import Any, Generic, Protocol, Self, TypeVar


class SeriesError(ValueError):
    """A series cannot be built or combined; the message says which point or pair is wrong."""


class TimedPoint(Protocol):
    """A slot `[start, end)` with a value, or `None` where it is not known."""

    @property
    def start(self) -> datetime:
        """Start of the slot, with an offset."""
        ...

    @property
    def end(self) -> datetime:
        """End of the slot, with an offset."""
        ...

    @property
    def value(self) -> float | None:
        """Mean over the slot in the unit of the series."""
        ...


class TimedPoints(Protocol):
    """Anything that holds points in order."""

    @property
    def points(self) -> Sequence[TimedPoint]:
        """The points in time order."""
        ...


PointT = TypeVar("PointT", bound=Any)


@dataclass(frozen=True, slots=True)
class TimedSeries(ABC, Generic[PointT]):
    """Points in time order that do not overlap; gaps are allowed and mean "not known".

    Raises:
        SeriesError: a point ends before it starts, points overlap or are out of order, a time has
            no offset, or a value is not one that this kind of series may hold.
    """

    zone: str
    """Lowtide's name of the zone."""
    source: str
    """The provider's name, with a remark where its values are derived or from a stand-in."""
    points: tuple[PointT, ...]
    """Slots in order, in UTC."""
    _starts: tuple[datetime, ...] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        points = tuple(_in_utc(point) for point in self.points)
        for point in points:
            if point.end <= point.start:
                raise SeriesError(f"point at {point.start.isoformat()} ends before it starts")
            if point.value is not None:
                self.check_value(point.value, point.start)
        for earlier, later in pairwise(points):
            if later.start < earlier.end:
                raise SeriesError(
                    f"{self.source}: the point at {later.start.isoformat()} begins before the one "
                    f"at {earlier.start.isoformat()} ends; points must be in order without overlap"
                )
        object.__setattr__(self, "points", points)
        object.__setattr__(self, "_starts", tuple(point.start for point in points))

    @classmethod
    @abstractmethod
    def check_value(cls, value: float, start: datetime) -> None:
        """Refuse a value that this kind of series cannot hold.

        Raises:
            SeriesError: `value` cannot be true; `start` is the start of its slot.
        """

    def at(self, moment: datetime) -> float | None:
        """Return the value at `moment`, or `None` where it is not known."""
        index = bisect_right(self._starts, moment) - 1
        if index < 0 or moment >= self.points[index].end:
            return None
        value: float | None = self.points[index].value
        return value

    def between(self, start: datetime, end: datetime) -> Self:
        """Return the points that overlap `[start, end)`, unclipped."""
        first = max(0, bisect_right(self._starts, start) - 1)
        kept = tuple(p for p in self.points[first:] if p.end > start and p.start < end)
        return replace(self, points=kept)

    def with_points_of(self, newer: Sequence[PointT]) -> tuple[PointT, ...]:
        """Return the points with those of `newer` laid over them by their start.

        A known value is never replaced by a missing one.
        """
        by_start = {point.start: point for point in self.points}
        for point in newer:
            if point.value is not None or point.start not in by_start:
                by_start[point.start] = point
        return tuple(by_start[start] for start in sorted(by_start))


def _in_utc(point: PointT) -> PointT:
    if point.start.tzinfo is None or point.end.tzinfo is None:
        raise SeriesError(f"point at {point.start.isoformat()} has no UTC offset")
    if point.start.tzinfo is UTC and point.end.tzinfo is UTC:
        return point
    moved: PointT = replace(point, start=point.start.astimezone(UTC), end=point.end.astimezone(UTC))
    return moved
