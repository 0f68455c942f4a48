"""Model of a zone's prices: how they follow the hour, the intensity and their own last days.

One rule for the product and for backtests. A price that is not published yet is the usual one of
its hour, plus the slope of price on intensity times how far the intensity is expected to lie from
its own usual value, plus what the last known day was above both: its mean fades slowly, what the
last hour had besides fades quickly. Everything is a function of the slot index, and an entry at i
uses nothing later than i. Pure numpy; missing values are NaN. Source:
docs/explanation/planning.md#carbon-and-cost.
"""

from dataclasses import dataclass, replace
from math import sqrt
from typing import Final

import numpy as np

from lowtide.grid.analysis import (
    FIT_DAYS,
    PROFILE_DAYS,
    SPREAD_DAYS,
    Analysis,
    Array,
    analyse,
    root_mean_square,
    same_slot_mean,
    trailing_mean,
    with_weekly_course,
)
from lowtide.grid.fusion import SPREAD_WEIGHT_PROFILE, profile_ahead

SPIKE_DEVIATIONS: Final = 3.0
LEVEL_DECAY: Final = 0.98
"""What is left of the last day's mean anomaly after an hour."""
SHAPE_WEIGHT: Final = 0.3
"""Share of the last day's anomalies around that mean that is expected again, hour by hour."""
LAST_DECAY: Final = 0.85
"""What is left after an hour of what the last slot has beyond that mean."""
COURSE_WEIGHT: Final = 1.0
"""Share of the course of the week that is expected again: all of it, other than of an intensity,
because markets repeat their weeks (docs/decisions/prices-repeat-their-weeks.md)."""
COURSE_PRIOR_WEEKS: Final = 1
"""Weeks without a course that are averaged with the known ones."""
SPREAD_LEAD_DAYS: Final = 3
"""Age of the profile whose past errors count: a profile knows nothing of the days after it."""
LATELY_DAYS: Final = 7
LARGEST_GROWTH: Final = 2.0
"""Errors grow with the market's unrest: by how much those of a week may exceed the usual ones."""


@dataclass(frozen=True, slots=True)
class PriceModel:
    """The past of a zone's prices, one entry per slot."""

    prices: Analysis
    """Without spikes; its spread is that of what intensity leaves unexplained."""
    intensity: Analysis | None
    """`None` where no intensity is known."""
    slopes: Array
    """By how much the price rises with each gram, as far as it was known by then."""


@dataclass(frozen=True, slots=True)
class PriceOutlook:
    """Prices of the slots after the published ones."""

    values: Array
    """NaN where too few days are known."""
    spread: Array
    """Error of a day beside the day before, as far as it has nothing to do with that of the
    intensity; 0 where too little is known."""
    per_gram: float
    """By how much the price errs with each gram of the intensity's spread."""


def price_model(
    prices: Array,
    intensity: Array | None,
    slots_per_day: int,
    *,
    first_slot_of_day: int = 0,
    minimum_days: int = PROFILE_DAYS,
) -> tuple[PriceModel, PriceModel]:
    """Return the models for an intensity without and with the course of the week.

    Prices have that course in both: working days are dear wherever the intensity does not care.
    `prices` and `intensity` have one entry per slot of the same slots; `first_slot_of_day` is the
    place of the first one in its UTC day.
    """

    def analysed(values: Array) -> Analysis:
        return analyse(
            values,
            np.full(len(values), np.nan),
            slots_per_day,
            first_slot_of_day=first_slot_of_day,
            minimum_days=minimum_days,
        )

    raw, calm = analysed(prices), analysed(without_spikes(prices, slots_per_day))
    clean = None if intensity is None else analysed(intensity)
    calm = with_weekly_course(calm, weight=COURSE_WEIGHT, prior_weeks=COURSE_PRIOR_WEEKS)
    if clean is None:
        model = _joined(raw, calm, None)
        return model, model
    week = _joined(with_weekly_course(raw), calm, with_weekly_course(clean))
    return _joined(raw, calm, clean), week


def _joined(raw: Analysis, calm: Analysis, intensity: Analysis | None) -> PriceModel:
    slopes, unexplained = np.zeros(len(calm.anomaly)), calm.anomaly
    if intensity is not None:
        slopes = slopes_of(raw.anomaly, intensity.anomaly, FIT_DAYS * raw.slots_per_day)
        known = np.where(np.isfinite(intensity.anomaly), intensity.anomaly, 0.0)
        unexplained = calm.anomaly - slopes * known
    errors = (
        unexplained + calm.profile - _earlier(calm.profile, SPREAD_LEAD_DAYS * calm.slots_per_day)
    )
    # A level that all days share moves no start: what counts is by how much a day errs beside the
    # one before. Without such a level it is as large as the error itself.
    apart = (errors - _earlier(errors, calm.slots_per_day)) / sqrt(2)
    spread = root_mean_square(apart, calm.slots_per_day)
    lately, usual = (
        trailing_mean(apart**2, days * calm.slots_per_day) for days in (LATELY_DAYS, SPREAD_DAYS)
    )
    with np.errstate(divide="ignore", invalid="ignore"):
        growth = np.sqrt(np.nan_to_num(lately / usual, nan=1.0, posinf=1.0))
    spread = spread * np.clip(growth, 1.0, LARGEST_GROWTH)
    return PriceModel(replace(calm, spread_profile=spread), intensity, slopes)


def _earlier(values: Array, slots: int) -> Array:
    """Return what the values were so many slots before, NaN where there are none."""
    return np.concatenate((np.full(min(slots, len(values)), np.nan), values[:-slots]))


def _fading(above: Array, slots_per_day: int, hours: Array) -> Array:
    """Return what is left of the last day's anomalies after hours: mean, shape and last value."""
    known = np.isfinite(above)
    if not known.any():
        return np.zeros(len(hours))
    level, last = float(above[known].mean()), float(above[known][-1])
    shape = np.zeros(len(hours))
    if len(above) == slots_per_day:
        shape = SHAPE_WEIGHT * np.resize(np.where(known, above - level, 0.0), len(hours))
    slow, fast = LEVEL_DECAY**hours, LAST_DECAY**hours
    return np.asarray((level + shape) * slow + (last - level) * fast)


def prices_ahead(
    model: PriceModel, t: int, seam: int, expected: Array | None, count: int
) -> PriceOutlook:
    """Return the prices of the `count` slots from index `seam` on, as they are seen at `t`.

    Prices are published up to `seam`. `expected` is the intensity as forecast from `t` on, at
    least up to the last of these slots; `None` where there is none.
    """
    day = model.prices.slots_per_day
    slope, dirtier = 0.0, np.zeros(seam - t + count)
    if expected is not None and model.intensity is not None and t > 0:
        slope = float(np.nan_to_num(model.slopes[t - 1]))
        usual = profile_ahead(model.intensity, t, len(dirtier))
        dirtier = np.nan_to_num(expected[: len(dirtier)] - usual)
    above = model.prices.anomaly[max(0, seam - day) : seam].copy()
    if slope:
        assert model.intensity is not None, "a slope is one on intensity"
        past = np.nan_to_num(model.intensity.anomaly[max(0, seam - day) : min(t, seam)])
        above -= slope * np.concatenate((past, dirtier[: max(0, seam - t)]))[-len(above) :]
    hours = (1 + np.arange(count)) * 24 / day
    fading = _fading(above, day, hours)
    spread = np.zeros(count)
    if t >= day:
        last = model.prices.spread_profile[t - day : t]
        spread = np.resize(np.roll(last, -((seam - t) % day)), count)
    values = profile_ahead(model.prices, seam, count) + slope * dirtier[seam - t :] + fading
    # A price errs with the whole error of the intensity, of which its spread is a part.
    return PriceOutlook(values, spread, slope / SPREAD_WEIGHT_PROFILE)


def without_spikes(prices: Array, slots_per_day: int) -> Array:
    """Return prices cut at three mean deviations from the usual price of their hour.

    Both are those of 14 days and known by then. A price may be twenty times the usual one for an
    hour and say nothing about the days after; a low price that comes every day is no spike.
    """
    usual = same_slot_mean(prices, slots_per_day, PROFILE_DAYS)
    deviation = trailing_mean(np.abs(prices - usual), PROFILE_DAYS * slots_per_day)
    room = SPIKE_DEVIATIONS * deviation
    return np.clip(prices, usual - room, usual + room)


def slopes_of(dear: Array, dirty: Array, slots: int) -> Array:
    """Return by how much the price rises per gram: least squares over the slots up to each."""
    known = np.isfinite(dear) & np.isfinite(dirty)
    both = np.where(known, dear * dirty, 0.0)
    square = np.where(known, dirty**2, 0.0)
    over, under = (np.cumsum(one) for one in (both, square))
    if slots < len(over):
        over[slots:] -= over[:-slots].copy()
        under[slots:] -= under[:-slots].copy()
    slopes: Array = np.divide(over, under, out=np.zeros(len(over)), where=under > 0)
    return slopes
