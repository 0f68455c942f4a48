"""Carbon-intensity series: what a grid emitted, or is expected to emit, per kilowatt-hour.

Average and marginal intensity answer different questions and must never meet in one figure, so
they are two types: every operation that takes two series refuses a pair of different types.
A missing value is `None` and stays missing; it never becomes zero, because zero would look clean.
"""

from bisect import bisect_right
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from itertools import pairwise
from typing import ClassVar, Self


class Signal(StrEnum):
    """What an intensity describes (SCI specification 1.1, section on carbon intensity)."""

    AVERAGE = "Average"
    MARGINAL = "Marginal"


class Factor(StrEnum):
    """Which emissions a generation factor includes."""

    DIRECT = "direct"
    LIFE_CYCLE = "life-cycle"
    UNKNOWN = "unknown"


class SeriesError(ValueError):
    """A series cannot be built or combined; the message says which point or pair is wrong."""


class MixedSignalsError(SeriesError):
    """Average and marginal intensity were about to meet in one figure."""


@dataclass(frozen=True, slots=True)
class Point:
    """The mean intensity of one slot, in grams of CO2 equivalent per kilowatt-hour.

    `grams_per_kwh` is `None` where the provider gave nothing usable.
    """

    start: datetime
    end: datetime
    grams_per_kwh: float | None
    estimated: bool = False


@dataclass(frozen=True, slots=True)
class IntensitySeries:
    """Points in time order that do not overlap; gaps are allowed and mean "not known".

    Use `AverageSeries` or `MarginalSeries`; this base exists for what they share.

    Raises:
        SeriesError: a point ends before it starts, points overlap or are out of order, a time
            has no offset, or a value is negative or not finite.
    """

    signal: ClassVar[Signal]

    zone: str
    """Lowtide's name of the zone."""
    source: str
    """The provider's name, with a remark where its values are derived or from a stand-in."""
    points: tuple[Point, ...]
    """Slots in order."""
    factor: Factor = Factor.UNKNOWN
    """Whether the values are direct or life-cycle emissions."""
    fetched_at: datetime | None = None
    """When a forecast was received."""
    generated_at: datetime | None = None
    """When its provider computed a forecast."""
    _starts: tuple[datetime, ...] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        for point in self.points:
            _check_point(point)
        for earlier, later in pairwise(self.points):
            if later.start < earlier.end:
                raise SeriesError(
                    f"{self.source}: the point at {later.start.isoformat()} begins before the one "
                    f"at {earlier.start.isoformat()} ends; points must be in order without overlap"
                )
        object.__setattr__(self, "_starts", tuple(point.start for point in self.points))

    def at(self, moment: datetime) -> float | None:
        """Return the intensity at `moment` in g/kWh, or `None` where it is not known."""
        index = bisect_right(self._starts, moment) - 1
        if index < 0 or moment >= self.points[index].end:
            return None
        return self.points[index].grams_per_kwh

    def between(self, start: datetime, end: datetime) -> Self:
        """Return the points that overlap `[start, end)`, unclipped."""
        first = max(0, bisect_right(self._starts, start) - 1)
        kept = tuple(p for p in self.points[first:] if p.end > start and p.start < end)
        return replace(self, points=kept)

    def merged(self, newer: "IntensitySeries") -> Self:
        """Return this series with the points of `newer` laid over it.

        A known value is never replaced by a missing one.

        Raises:
            MixedSignalsError: the two series are of different signals.
            SeriesError: they are of different zones, or the result would overlap.
        """
        require_same_signal(self, newer)
        if self.zone != newer.zone:
            raise SeriesError(f"cannot merge zone {newer.zone} into zone {self.zone}")
        by_start = {point.start: point for point in self.points}
        for point in newer.points:
            if point.grams_per_kwh is not None or point.start not in by_start:
                by_start[point.start] = point
        return replace(self, points=tuple(by_start[start] for start in sorted(by_start)))


@dataclass(frozen=True, slots=True)
class AverageSeries(IntensitySeries):
    """Average intensity: emissions of all generation divided by all generation."""

    signal: ClassVar[Signal] = Signal.AVERAGE


@dataclass(frozen=True, slots=True)
class MarginalSeries(IntensitySeries):
    """Marginal emission rate: emissions of the next kilowatt-hour."""

    signal: ClassVar[Signal] = Signal.MARGINAL


def series_type(signal: Signal) -> type[AverageSeries] | type[MarginalSeries]:
    """Return the type that carries `signal`."""
    return AverageSeries if signal is Signal.AVERAGE else MarginalSeries


def require_same_signal(first: IntensitySeries, second: IntensitySeries) -> None:
    """Refuse a pair of series of different signals.

    Raises:
        MixedSignalsError: one is average and the other marginal.
    """
    if first.signal is not second.signal:
        raise MixedSignalsError(
            f"{first.source} is {first.signal} and {second.source} is {second.signal}: "
            "average and marginal intensity are never mixed; choose one spec.grid.signal"
        )


def _check_point(point: Point) -> None:
    if point.start.tzinfo is None or point.end.tzinfo is None:
        raise SeriesError(f"point at {point.start.isoformat()} has no UTC offset")
    if point.end <= point.start:
        raise SeriesError(f"point at {point.start.isoformat()} ends before it starts")
    value = point.grams_per_kwh
    if value is not None and not 0 <= value < float("inf"):
        raise SeriesError(
            f"intensity {value} g/kWh at {point.start.isoformat()} is not a finite number >= 0"
        )
