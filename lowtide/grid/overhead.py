"""Overhead of a data centre (PUE): one factor for a run, with its kind and its source.

A factor is at least 1 and at most 10. A value outside of that, and one that is not a number, is
missing; of what a query answers, half of the running time must be known. An unknown factor is never
taken for 1: the figures then leave the overhead out and say so. Pure. Source:
docs/explanation/metrics.md#emissions.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from math import fsum
from typing import Final

from lowtide.grid.raw_values import RawValue, usable
from lowtide.grid.series import IntensitySeries
from lowtide.units import format_coverage

LARGEST_PUE: Final = 10.0
"""A factor above this is a fault of units, for example percent."""
KNOWN_SHARE: Final = 0.5
"""Share of the running time whose factor must be known."""

RunSpan = tuple[datetime, datetime]
"""Start and end of a stretch of running."""


class OverheadKind(StrEnum):
    """How a factor is known."""

    MEASURED = "Measured"
    ASSUMED = "Assumed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Overhead:
    """The factor of a run, or why it is not known although one is to be had."""

    pue: float | None = None
    kind: OverheadKind | None = None
    source: str | None = None
    message: str | None = None
    """Why there is no factor, in one sentence."""


def mean_overhead(
    values: Sequence[RawValue], step: timedelta, spans: Sequence[RunSpan], source: str
) -> Overhead:
    """Return the measured factor of a run: the mean of its slots by the time that it ran in them.

    `values` are the factors at the beginning of slots of the length `step`.
    """
    ran = fsum((end - start).total_seconds() for start, end in spans)
    weighed: list[tuple[float, float]] = []
    refused: list[object] = []
    for value in values:
        seconds = fsum(_overlap(value.start, value.start + step, span) for span in spans)
        factor = usable(value.value)
        if seconds <= 0:
            continue
        if factor is None or not 1 <= factor <= LARGEST_PUE:
            refused.append(value.value)
        else:
            weighed.append((seconds, factor))
    known = fsum(seconds for seconds, _ in weighed)
    if known <= 0 or known < KNOWN_SHARE * ran:
        share = known / ran if ran > 0 else 0.0
        seen = f"; {len(refused)} values, such as {refused[0]}, are not" if refused else ""
        return Overhead(
            message=f"the PUE of {source} is known for {format_coverage(share)} of the running "
            f"time only, as numbers from 1 to {LARGEST_PUE:g}{seen}"
        )
    mean = fsum(seconds * factor for seconds, factor in weighed) / known
    return Overhead(pue=mean, kind=OverheadKind.MEASURED, source=source)


def with_overhead(series: IntensitySeries | None, pue: float | None) -> IntensitySeries | None:
    """Return the intensity of a kilowatt-hour at the computer: the grid's times the overhead."""
    if series is None or pue is None:
        return series
    points = tuple(
        point
        if point.grams_per_kwh is None
        else replace(point, grams_per_kwh=point.grams_per_kwh * pue)
        for point in series.points
    )
    return replace(series, points=points)


def _overlap(start: datetime, end: datetime, span: RunSpan) -> float:
    return max(0.0, (min(end, span[1]) - max(start, span[0])).total_seconds())
