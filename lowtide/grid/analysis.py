"""Analysis of a grid's past for its near future: profile, bias, head error and spread.

Everything is a function of the slot index over one array of actuals and one of forecasts, so one
pass serves a single forecast and a whole backtest. Definitions and their reasons are in
docs/explanation/forecast.md; decays are per hour and taken to the power of a slot's hours. A value
at index i uses nothing later than i. Missing values are NaN and stay out of every mean.
"""

from dataclasses import dataclass, replace
from typing import Final

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]

PROFILE_DAYS: Final = 14
SPREAD_DAYS: Final = 28
SPREAD_MINIMUM_DAYS: Final = 7
FIT_DAYS: Final = 28
FIT_MINIMUM_DAYS: Final = 7
BIAS_WEIGHT: Final = 0.6
DEFAULT_DECAY: Final = 0.87
DEFAULT_SIGNAL_SHARE: Final = 0.9
COURSE_WEEKS: Final = 8
COURSE_WEIGHT: Final = 0.5
COURSE_SMOOTHING_HOURS: Final = 5
COURSE_PRIOR_WEEKS: Final = 3
"""Weeks without a course that are averaged with the known ones, so that few weeks say little."""


@dataclass(frozen=True, slots=True)
class Analysis:
    """The past of one zone; arrays have one entry per slot, in g/kWh unless said otherwise."""

    slots_per_day: int
    """How many slots make a day of the data."""
    profile: Array
    """Mean of the slot and the same slot of the 13 days before."""
    anomaly: Array
    """The actual minus the profile, and minus the course of the week where there is one."""
    bias: Array
    """The provider's mean error over the same 14 slots."""
    bias_mean: Array
    """Mean of the bias over the last day."""
    head_error: Array
    """The provider's error that remains after `shrunk_bias`."""
    filtered: Array
    """The filtered head error after the actual of the slot."""
    decay: Array
    """The share of the filtered head error that is left after an hour."""
    spread_provider: Array
    """Root mean square of the head error at the slot's hour over 28 days; 0: too little known."""
    spread_profile: Array
    """The same of the anomaly."""
    course: Array | None = None
    """How far the slot of the week is expected above the profile; see `with_weekly_course`."""


def same_slot_mean(values: Array, slots_per_day: int, days: int, minimum: int = 1) -> Array:
    """Return for each slot the mean of it and the same slot of the `days` - 1 days before.

    NaN where fewer than `minimum` of them are known.
    """
    rows = -(-len(values) // slots_per_day)
    padding = np.full(rows * slots_per_day - len(values), np.nan)
    table = np.concatenate((values, padding)).reshape(rows, slots_per_day)
    known = np.isfinite(table)
    sums = _trailing(np.where(known, table, 0.0), days)
    counts = _trailing(known.astype(np.float64), days)
    means = np.full_like(table, np.nan)
    np.divide(sums, counts, out=means, where=counts >= max(1, minimum))
    return means.ravel()[: len(values)]


def _trailing(table: Array, days: int) -> Array:
    """Return the sum of each row and the `days` - 1 rows above it."""
    total = np.zeros_like(table)
    for back in range(min(days, len(table))):
        total[back:] += table[: len(table) - back]
    return total


def trailing_mean(values: Array, count: int) -> Array:
    """Return the mean of each value and the `count` - 1 before it, leaving missing ones out."""
    known = np.isfinite(values)
    sums = np.concatenate((np.zeros(1), np.cumsum(np.where(known, values, 0.0))))
    counts = np.concatenate((np.zeros(1), np.cumsum(known)))
    first = np.maximum(np.arange(len(values)) + 1 - count, 0)
    total = sums[1:] - sums[first]
    number = counts[1:] - counts[first]
    means = np.full(len(values), np.nan)
    np.divide(total, number, out=means, where=number > 0)
    return means


def analyse(
    actual: Array,
    provider: Array,
    slots_per_day: int,
    *,
    first_slot_of_day: int = 0,
    minimum_days: int = PROFILE_DAYS,
) -> Analysis:
    """Return what is known about each slot once its actual is known.

    `actual` and `provider` (the provider's forecast of the same slots) have one entry per slot in
    g/kWh, NaN where missing. `first_slot_of_day` is the place of the first entry in its UTC day.
    Errors and anomalies count only once `minimum_days` full days precede them.

    Source: docs/explanation/forecast.md#profile-and-anomaly,
    docs/explanation/forecast.md#bias-by-the-hour-of-the-day and
    docs/explanation/forecast.md#spread.
    """
    young = np.arange(len(actual)) < minimum_days * slots_per_day - 1
    profile = same_slot_mean(actual, slots_per_day, PROFILE_DAYS)
    anomaly = np.where(young, np.nan, actual - profile)
    raw_bias = same_slot_mean(provider - actual, slots_per_day, PROFILE_DAYS)
    mean = trailing_mean(raw_bias, slots_per_day)
    head_error = np.where(young, np.nan, actual - (provider - shrunk_bias(raw_bias, mean)))
    filtered, decay = filter_head_error(head_error, slots_per_day, first_slot_of_day)
    return Analysis(
        slots_per_day=slots_per_day,
        profile=profile,
        anomaly=anomaly,
        bias=raw_bias,
        bias_mean=mean,
        head_error=head_error,
        filtered=filtered,
        decay=decay,
        spread_provider=root_mean_square(head_error, slots_per_day),
        spread_profile=root_mean_square(anomaly, slots_per_day),
    )


def with_weekly_course(
    analysis: Analysis,
    *,
    weight: float = COURSE_WEIGHT,
    prior_weeks: float = COURSE_PRIOR_WEEKS,
) -> Analysis:
    """Return the analysis with the course of the week beside that of the day.

    The course is `weight` times the mean anomaly of the same slot of the week over eight weeks and
    `prior_weeks` that say nothing. Less its mean and smoothed over five hours it goes into the
    forecast; the anomaly is then what neither course explains. The defaults are those of an
    intensity (figures: docs/explanation/planning-figures.md#course-of-the-week).
    """
    week = 7 * analysis.slots_per_day
    known = np.isfinite(analysis.anomaly)
    sums, counts = np.where(known, analysis.anomaly, 0.0), known.astype(np.float64)
    course, number = sums.copy(), counts.copy()
    for back in range(week, min(COURSE_WEEKS * week, len(sums)), week):
        course[back:] += sums[:-back]
        number[back:] += counts[:-back]
    course /= number + prior_weeks
    course *= weight
    anomaly = analysis.anomaly - _explained(course, analysis.slots_per_day)
    spread = root_mean_square(anomaly, analysis.slots_per_day)
    return replace(analysis, course=course, anomaly=anomaly, spread_profile=spread)


def week_ahead(analysis: Analysis, t: int, count: int) -> Array:
    """Return what the course of the week adds to the profile in the `count` slots from `t` on.

    The week before `t` stands for all weeks to come; 0 where it is not known.
    """
    week = 7 * analysis.slots_per_day
    if analysis.course is None or t < week:
        return np.zeros(count)
    span, behind = _smoothing(analysis.slots_per_day)
    last = analysis.course[t - week : t]
    around = np.concatenate((last[week - behind :], last, last[: span - behind - 1]))
    smooth = np.convolve(around, np.full(span, 1 / span), "valid")
    return np.asarray(np.resize(smooth - last.mean(), count))


def _explained(course: Array, slots_per_day: int) -> Array:
    """Return the smoothed course of each slot less its mean, from the week that ends with it."""
    week = 7 * slots_per_day
    explained = np.zeros(len(course))
    if len(course) < week:
        return explained
    span, behind = _smoothing(slots_per_day)
    ends = np.arange(week - 1, len(course))
    total = np.zeros(len(ends))
    for back in range(behind + 1):
        total += course[ends - back]
    # What follows the last slot is known from a week before.
    for ahead in range(1, span - behind):
        total += course[ends - week + ahead]
    explained[ends] = total / span - trailing_mean(course, week)[ends]
    return explained


def _smoothing(slots_per_day: int) -> tuple[int, int]:
    """Return over how many slots the course is smoothed, and how many of them lie before.

    As many lie after, so that the course keeps its place.
    """
    behind = round(COURSE_SMOOTHING_HOURS * slots_per_day / 24) // 2
    return 2 * behind + 1, behind


def shrunk_bias(bias: Array, mean: Array | float) -> Array:
    """Return the hour-of-day bias drawn towards its mean, because each hour has few samples."""
    return np.asarray(mean + BIAS_WEIGHT * (bias - mean))


def root_mean_square(errors: Array, slots_per_day: int) -> Array:
    """Return the error's size at each slot's hour of day, 0 where under 7 days are known."""
    squares = same_slot_mean(errors**2, slots_per_day, SPREAD_DAYS, SPREAD_MINIMUM_DAYS)
    return np.sqrt(np.where(np.isfinite(squares), squares, 0.0))


def filter_head_error(
    errors: Array, slots_per_day: int, first_slot_of_day: int = 0
) -> tuple[Array, Array]:
    """Return the filtered head error after each slot, and its decay per hour.

    A steady-state Kalman filter of an autoregressive signal in white noise. Its decay and the
    signal's share of the variance are fitted once a day, before the first update of the UTC day.

    Source: docs/explanation/forecast.md#head-error.
    """
    hours = 24 / slots_per_day
    decay, share = DEFAULT_DECAY, DEFAULT_SIGNAL_SHARE
    gain = _gain(decay**hours, share)
    state = 0.0
    filtered, decays = np.zeros(len(errors)), np.zeros(len(errors))
    known = np.isfinite(errors)
    seen = np.cumsum(known)
    for index in range(len(errors)):
        starts_day = (index + 1 + first_slot_of_day) % slots_per_day == 0
        if starts_day and seen[index] >= FIT_MINIMUM_DAYS * slots_per_day:
            recent = errors[max(0, index + 1 - FIT_DAYS * slots_per_day) : index + 1]
            decay, share = fit_decay(recent, slots_per_day)
            gain = _gain(decay**hours, share)
        state *= decay**hours
        if known[index]:
            state += gain * (float(errors[index]) - state)
        filtered[index], decays[index] = state, decay
    return filtered, decays


def fit_decay(errors: Array, slots_per_day: int) -> tuple[float, float]:
    """Return the decay per hour of the errors' slow part and its share of their variance.

    Both follow from the autocorrelation at one and at six hours, without centring.
    """
    near = max(1, round(slots_per_day / 24))
    far = max(near + 1, round(slots_per_day / 4))
    near_hours, far_hours = near * 24 / slots_per_day, far * 24 / slots_per_day
    power = float(np.nanmean(errors**2)) if np.isfinite(errors).any() else 0.0
    if power <= 0:
        return DEFAULT_DECAY, DEFAULT_SIGNAL_SHARE
    near_share = _autocovariance(errors, near) / power
    far_share = _autocovariance(errors, far) / power
    ratio = max(far_share, 0.05) / max(near_share, 0.1)
    decay = min(max(ratio ** (1 / (far_hours - near_hours)), 0.75), 0.97)
    return decay, min(max(near_share / decay**near_hours, 0.4), 1.0)


def _autocovariance(errors: Array, lag: int) -> float:
    """Return the mean product of errors `lag` slots apart, 0 where no pair is known."""
    products = errors[lag:] * errors[:-lag]
    products = products[np.isfinite(products)]
    return float(products.mean()) if len(products) else 0.0


def _gain(decay: float, share: float) -> float:
    """Return the steady-state gain of the filter for a decay per slot and a signal share."""
    variance = share
    for _ in range(60):
        ahead = decay**2 * variance + share * (1 - decay**2)
        variance = ahead * (1 - share) / (ahead + 1 - share)
    ahead = decay**2 * variance + share * (1 - decay**2)
    return ahead / (ahead + 1 - share)
