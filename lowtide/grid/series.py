"""Carbon-intensity series: what a grid emitted, or is expected to emit, per kilowatt-hour.

Average and marginal intensity answer different questions and must never meet in one figure, so
they are two types: every operation that takes two series refuses a pair of different types.
A missing value is `None` and stays missing; it never becomes zero, because zero would look clean.
"""

from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import ClassVar, Self

from lowtide.grid.timed import SeriesError, TimedSeries
from lowtide.limits import GRAMS_PER_KWH_MAX

__all__ = [
    "AverageSeries",
    "Factor",
    "IntensitySeries",
    "MarginalSeries",
    "MixedSignalsError",
    "Point",
    "SeriesError",
    "Signal",
    "may_meet",
    "require_same_signal",
    "same_factor",
    "series_type",
]


class Signal(StrEnum):
    """What an intensity describes (SCI specification 1.1, section on carbon intensity)."""

    AVERAGE = "Average"
    MARGINAL = "Marginal"


class Factor(StrEnum):
    """Which emissions a generation factor includes."""

    DIRECT = "direct"
    LIFE_CYCLE = "life-cycle"
    UNKNOWN = "unknown"


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

    @property
    def value(self) -> float | None:
        """Return the intensity in g/kWh, as every series calls its values."""
        return self.grams_per_kwh


@dataclass(frozen=True, slots=True)
class IntensitySeries(TimedSeries[Point]):
    """Intensity in g/kWh, slot by slot; a gap means "not known".

    Use `AverageSeries` or `MarginalSeries`; this base exists for what they share.

    Raises:
        SeriesError: as for every series, and where a value is none that electricity can have.
    """

    signal: ClassVar[Signal]

    factor: Factor = Factor.UNKNOWN
    """Whether the values are direct or life-cycle emissions."""
    fetched_at: datetime | None = None
    """When a forecast was received."""
    generated_at: datetime | None = None
    """When its provider computed a forecast."""

    @classmethod
    def check_value(cls, value: float, start: datetime) -> None:
        """Refuse an intensity that no electricity can have.

        Raises:
            SeriesError: it is negative, not a number, or beyond every limit.
        """
        if not 0 <= value <= GRAMS_PER_KWH_MAX:
            raise SeriesError(
                f"intensity {value} g/kWh at {start.isoformat()} is not a number from 0 to "
                f"{GRAMS_PER_KWH_MAX:,.0f}"
            )

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
        return replace(self, points=self.with_points_of(newer.points))


@dataclass(frozen=True, slots=True)
class AverageSeries(IntensitySeries):
    """Average intensity: emissions of all generation divided by all generation."""

    signal: ClassVar[Signal] = Signal.AVERAGE


@dataclass(frozen=True, slots=True)
class MarginalSeries(IntensitySeries):
    """Marginal emission rate: emissions of the next kilowatt-hour."""

    signal: ClassVar[Signal] = Signal.MARGINAL


def same_factor(first: Factor, second: Factor) -> bool:
    """Return whether two series may meet: not where one is direct and the other life-cycle.

    `lowtide.metrics.likeness` holds the same rule for finished runs; a test keeps the two equal.
    """
    return first is second or Factor.UNKNOWN in (first, second)


def may_meet(first: IntensitySeries, second: IntensitySeries) -> bool:
    """Return whether grams of two series may be added or compared: signal and factor agree."""
    return first.signal is second.signal and same_factor(first.factor, second.factor)


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
