"""Recorded grid that policies are tried on, and the part of it that was known at each time.

Source: docs/explanation/planning.md#how-policies-are-compared. A policy that decides in slot t sees
the actuals of the slots before t and the provider's column as far as the case allows, never
anything later.
"""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final

import numpy as np
import numpy.typing as npt

from lowtide.grid.analysis import PROFILE_DAYS, Analysis, Array, analyse, with_weekly_course
from lowtide.grid.fusion import (
    carry_anomaly,
    project_profile,
    project_provider,
    project_spread,
)
from lowtide.planning.errors import BacktestError

Ints = npt.NDArray[np.intp]

HISTORY_HOURS: Final = 720
HOURS_BETWEEN_SUBMISSIONS: Final = 11
LONGEST_WINDOW_HOURS: Final = 192


class Case(StrEnum):
    """How much of the provider's forecast a policy may see."""

    NONE = "none"
    STRICT = "strict"
    ROLLING = "rolling"


@dataclass(frozen=True, slots=True, kw_only=True)
class BacktestTrace:
    """Recorded grid on equal slots.

    Raises:
        BacktestError: the lengths differ, an actual is missing or negative, or a price is missing.
    """

    name: str
    actual: Array
    """Actual intensity in g/kWh, without gaps."""
    provider: Array
    """The provider's day-ahead forecast in g/kWh, NaN where it gave none."""
    slots_per_hour: int = 1
    """1, 2, 4, ..."""
    first_slot_of_day: int = 0
    """Place of the first slot in its UTC day."""
    start: datetime | None = None
    """Start of the first slot, where it is known."""
    price_per_kwh: Array | None = None
    """Actual price in each slot, which may be negative; `None` where there are none."""
    currency: str | None = None
    """Currency of the prices."""
    hours_between_submissions: int = HOURS_BETWEEN_SUBMISSIONS
    """Hours from one submission to the next."""

    def __post_init__(self) -> None:
        if len(self.actual) != len(self.provider):
            raise BacktestError(
                f"{self.name}: {len(self.actual)} actuals but {len(self.provider)} forecasts"
            )
        bad = ~(np.isfinite(self.actual) & (self.actual >= 0))
        if bad.any():
            raise BacktestError(f"{self.name}: row {int(np.argmax(bad)) + 1} has no usable actual")
        prices = self.price_per_kwh
        if prices is not None and not (
            len(prices) == len(self.actual) and np.isfinite(prices).all()
        ):
            raise BacktestError(f"{self.name}: every slot needs a price")

    @property
    def slots_per_day(self) -> int:
        """Return how many slots a day has."""
        return 24 * self.slots_per_hour

    def submissions(self, window_hours: float) -> Ints:
        """Return the slots at which jobs are submitted, after 30 days of history.

        Raises:
            BacktestError: not one job fits.
        """
        longest = max(LONGEST_WINDOW_HOURS, window_hours)
        rate = self.slots_per_hour
        last = len(self.actual) - int(np.ceil((longest + 1) * rate))
        stride = self.hours_between_submissions * rate
        slots = np.arange(HISTORY_HOURS * rate, max(0, last), stride)
        if len(slots) == 0:
            raise BacktestError(
                f"{self.name}: {len(self.actual) / rate:.0f} h are too few; 30 days of history "
                f"and a window of {longest:.0f} h need {HISTORY_HOURS + longest + 2:.0f} h"
            )
        return slots


@dataclass(frozen=True, slots=True, kw_only=True)
class Views:
    """The fused forecasts made in every slot from `first` on, as (slot - first, slots ahead).

    Beyond the end of the trace they are NaN and never used.
    """

    first: int
    expected: Array
    spread: Array
    floored: bool = True
    """Whether a cost cannot fall below zero."""


def coverage(trace: BacktestTrace, case: Case, t: int) -> int:
    """Return how many slots from t on the provider's column is visible at t."""
    if case is Case.NONE:
        return 0
    if case is Case.ROLLING:
        return len(trace.actual) - t
    return trace.slots_per_day - (t + trace.first_slot_of_day) % trace.slots_per_day


def analyse_trace(trace: BacktestTrace) -> Analysis:
    """Return the analysis of the whole trace; entry t uses nothing later than t."""
    return analyse(
        trace.actual,
        trace.provider,
        trace.slots_per_day,
        first_slot_of_day=trace.first_slot_of_day,
        minimum_days=PROFILE_DAYS,
    )


def fused_views(
    trace: BacktestTrace, case: Case, first: int, last: int, slots: int, *, week: bool = False
) -> Views:
    """Return the fused forecast made in every slot of [first, last), `slots` ahead.

    `week` says whether it knows the course of the week, as for jobs that `sees_the_week` names.
    """
    analysis = analyse_trace(trace)
    if week:
        analysis = with_weekly_course(analysis)
    expected = np.full((last - first, slots), np.nan)
    spread = np.zeros((last - first, slots))
    for t in range(first, last):
        count = min(slots, len(trace.actual) - t)
        ahead = trace.provider[t : t + count].copy()
        ahead[coverage(trace, case, t) :] = np.nan
        base, far_spread = project_profile(analysis, t, count)
        values, _ = carry_anomaly(analysis, t, project_provider(analysis, t, ahead), base)
        expected[t - first, :count] = np.maximum(values, 0.0)
        near_spread = project_spread(analysis, t, count)
        spread[t - first, :count] = np.where(np.isfinite(ahead), near_spread, far_spread)
    return Views(first=first, expected=expected, spread=spread)
