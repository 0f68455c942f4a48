"""Totals of a whole run: energy, emissions and the end, from what was used and what is to come."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from math import exp, fsum, log, sqrt
from statistics import fmean, stdev
from typing import Final

from lowtide.grid.forecast import Forecast
from lowtide.metrics.student import t_quantile
from lowtide.prediction.extrapolation import SumToCome
from lowtide.prediction.progress import Expected
from lowtide.units import joules_to_kwh

NORMAL_90: Final = 1.6448536269514722
"""Standard deviations on each side of a normal distribution that hold 90 %."""
FEWEST_RUNS: Final = 5
LONGEST: Final = timedelta(days=366)
"""Stretches are followed no further."""

Stretch = tuple[datetime, datetime]


@dataclass(frozen=True, slots=True)
class IntensityAhead:
    """Mean intensity of planned hours, in grams per kWh."""

    grams_per_kwh: float
    spread: float
    """One standard deviation of its error; errors of neighbouring hours go together."""
    beyond_ratio: float
    """Share of the hours that lie beyond the forecast, for which its last day stands."""


def from_earlier_runs(amounts: Sequence[float]) -> Expected | None:
    """Return the amount of one more run like these, `None` where fewer than five are known.

    The t interval of a new observation, on logarithms: amounts are positive and differ in ratio.
    """
    known = [log(amount) for amount in amounts if amount > 0]
    if len(known) < FEWEST_RUNS:
        return None
    mean = fmean(known)
    half = t_quantile(0.95, len(known) - 1) * stdev(known) * sqrt(1 + 1 / len(known))
    return Expected(exp(mean), exp(mean - half), exp(mean + half))


def expected_of(ahead: SumToCome) -> Expected:
    """Return the plain interval of a sum that is to come."""
    return Expected(min(max(ahead.expected, ahead.low), ahead.high), ahead.low, ahead.high)


def with_used(ahead: Expected, until_last_step: float, until_now: float) -> Expected:
    """Return the total of the run; no end of it is below what was already used."""
    total = ahead.plus(until_last_step)
    return Expected(
        max(total.expected, until_now), max(total.low, until_now), max(total.high, until_now)
    )


def stretches_of(
    start: datetime, seconds: float, planned: Sequence[Stretch] = ()
) -> tuple[Stretch, ...]:
    """Return when a run of so many seconds runs from `start` on, with the planned pauses.

    What does not fit into the planned stretches follows the last one at once.
    """
    left = timedelta(seconds=min(seconds, LONGEST.total_seconds()))
    ahead = sorted((max(begin, start), end) for begin, end in planned if end > start)
    found: list[Stretch] = []
    at = start
    for begin, end in ahead:
        if left <= timedelta(0):
            break
        took = min(left, max(timedelta(0), end - begin))
        at = begin + took
        found.append((begin, at))
        left -= took
    if left > timedelta(0):
        if found:
            found[-1] = (found[-1][0], found[-1][1] + left)
        else:
            found.append((at, at + left))
    return tuple(found) or ((start, start),)


def intensity_ahead(forecast: Forecast, stretches: Sequence[Stretch]) -> IntensityAhead | None:
    """Return the mean intensity of these hours; `None` where they have no length.

    Hours beyond the forecast get the mean of its last day and its largest spread.
    """
    step = timedelta(seconds=forecast.slot_seconds)
    day = max(1, round(86_400 / forecast.slot_seconds))
    mean_of_last_day = fmean(forecast.grams_per_kwh[-day:])
    widest = max(forecast.spread_grams_per_kwh)
    weighed: list[tuple[float, float, float]] = []
    beyond = 0.0
    for begin, end in stretches:
        first = max(0, (begin - forecast.start) // step)
        for slot in range(first, len(forecast.grams_per_kwh)):
            opens = forecast.start + slot * step
            if opens >= end:
                break
            seconds = (min(end, opens + step) - max(begin, opens)).total_seconds()
            if seconds > 0:
                spread = forecast.spread_grams_per_kwh[slot]
                weighed.append((seconds, forecast.grams_per_kwh[slot], spread))
        after = (end - max(begin, forecast.end)).total_seconds()
        if after > 0:
            weighed.append((after, mean_of_last_day, widest))
            beyond += after
    whole = fsum(seconds for seconds, _, _ in weighed)
    if whole <= 0:
        return None
    return IntensityAhead(
        grams_per_kwh=fsum(seconds * grams for seconds, grams, _ in weighed) / whole,
        spread=fsum(seconds * spread for seconds, _, spread in weighed) / whole,
        beyond_ratio=beyond / whole,
    )


def grams_ahead(joules: Expected, intensity: IntensityAhead) -> Expected:
    """Return the emissions of energy that is to come.

    The errors of energy and intensity are independent, so their half widths add up in quadrature.
    """
    kwh = Expected(*(joules_to_kwh(part) for part in (joules.expected, joules.low, joules.high)))
    grams = kwh.expected * intensity.grams_per_kwh
    of_grid = NORMAL_90 * kwh.expected * intensity.spread
    below = sqrt((intensity.grams_per_kwh * (kwh.expected - kwh.low)) ** 2 + of_grid**2)
    above = sqrt((intensity.grams_per_kwh * (kwh.high - kwh.expected)) ** 2 + of_grid**2)
    return Expected(grams, max(0.0, grams - below), grams + above)
