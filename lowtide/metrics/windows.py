"""Averages of intensity over windows of time, weighted by time.

A rolling average counts only windows that lie fully inside the data; data with gaps, overlaps or in
the wrong order is refused rather than bridged. Source:
docs/explanation/metrics.md#windows-of-intensity (behaviour of the Carbon Aware SDK).
"""

from collections.abc import Sequence
from itertools import pairwise
from math import fsum
from typing import NamedTuple

from lowtide.metrics.domain import require_above, require_at_least
from lowtide.metrics.result import MetricError, Refusal


class IntensitySlot(NamedTuple):
    """Intensity between two moments, in seconds since any common zero."""

    start_seconds: float
    end_seconds: float
    grams_per_kwh: float


def average_over(
    slots: Sequence[IntensitySlot], *, start_seconds: float, end_seconds: float
) -> float:
    """Return the time-weighted mean intensity of a period, in g/kWh.

    Raises:
        MetricError: out_of_domain for data with gaps or overlaps, an empty period, or a period
            that is not fully inside the data.
    """
    _check(slots)
    if not slots[0].start_seconds <= start_seconds < end_seconds <= slots[-1].end_seconds:
        raise MetricError(
            Refusal.OUT_OF_DOMAIN,
            "period",
            f"the period {start_seconds:g} s to {end_seconds:g} s must lie inside the data, "
            f"{slots[0].start_seconds:g} s to {slots[-1].end_seconds:g} s",
        )
    weighted = (
        (min(s.end_seconds, end_seconds) - max(s.start_seconds, start_seconds)) * s.grams_per_kwh
        for s in slots
        if s.end_seconds > start_seconds and s.start_seconds < end_seconds
    )
    return fsum(weighted) / (end_seconds - start_seconds)


def rolling_averages(
    slots: Sequence[IntensitySlot], *, window_seconds: float, tick_seconds: float
) -> tuple[float, ...]:
    """Return the mean of every window that starts a whole number of ticks into the data.

    Raises:
        MetricError: out_of_domain for data with gaps or overlaps, or a window or tick not above 0.
    """
    _check(slots)
    require_above("window_seconds", window_seconds)
    require_above("tick_seconds", tick_seconds)
    means = []
    start = slots[0].start_seconds
    while start + window_seconds <= slots[-1].end_seconds:
        means.append(average_over(slots, start_seconds=start, end_seconds=start + window_seconds))
        start = slots[0].start_seconds + len(means) * tick_seconds
    return tuple(means)


def best_window(
    slots: Sequence[IntensitySlot], *, window_seconds: float, tick_seconds: float
) -> int | None:
    """Return the index of the cleanest window, the earliest of equals; `None` if none fits.

    Raises:
        MetricError: as `rolling_averages`.
    """
    means = rolling_averages(slots, window_seconds=window_seconds, tick_seconds=tick_seconds)
    return means.index(min(means)) if means else None


def _check(slots: Sequence[IntensitySlot]) -> None:
    if not slots:
        raise MetricError(Refusal.OUT_OF_DOMAIN, "data", "there is no intensity data")
    for slot in slots:
        require_at_least("grams_per_kwh", slot.grams_per_kwh)
        if not slot.end_seconds > slot.start_seconds:
            raise MetricError(
                Refusal.OUT_OF_DOMAIN,
                "data",
                f"the slot at {slot.start_seconds:g} s must end after it starts",
            )
    for earlier, later in pairwise(slots):
        if later.start_seconds != earlier.end_seconds:
            raise MetricError(
                Refusal.OUT_OF_DOMAIN,
                "data",
                f"the slot at {later.start_seconds:g} s must start where the one before ends, "
                f"at {earlier.end_seconds:g} s",
            )
