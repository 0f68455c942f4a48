"""Fusion of all that is known about a grid into one forecast: provider near, profile beyond.

A forecast always exists where anything is known: corrected provider values, then the zone's own
14-day profile carried on from where the provider ends, then climatology, then a flat line that
makes every job run at once. Every slot says which of these it came from. This module fetches
nothing and reads no clock. Average and marginal series are never mixed.
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

import numpy as np
import numpy.typing as npt

from lowtide.grid.analysis import (
    Analysis,
    Array,
    analyse,
    shrunk_bias,
    week_ahead,
    with_weekly_course,
)
from lowtide.grid.forecast import Forecast, Source
from lowtide.grid.series import IntensitySeries, require_same_signal
from lowtide.grid.slots import native_slot_seconds, slot_index, slot_start, values_on_slots

ANOMALY_DECAY: Final = 0.97
"""What is left of the profile's anomaly after one hour
(docs/explanation/forecast.md#profile-and-anomaly)."""
SEAM_HOURS: Final = 3
SPREAD_WEIGHT_PROVIDER: Final = 0.6
SPREAD_WEIGHT_PROFILE: Final = 0.75
MINIMUM_PROFILE_DAYS: Final = 3
HISTORY_DAYS: Final = 60
HORIZON_DAYS: Final = 8
STALE: Final = timedelta(hours=24)
"""A forecast generated longer ago than this is dropped
(docs/explanation/forecast.md#too-little-known)."""


def fuse(
    now: datetime,
    actual: IntensitySeries | None,
    provider: IntensitySeries | None = None,
    *,
    climatology: IntensitySeries | None = None,
    generated_at: datetime | None = None,
    horizon_slots: int | None = None,
    slot_seconds: int | None = None,
    slots_per_day: int | None = None,
) -> Forecast | None:
    """Return the forecast of a zone from the slot that contains `now` on, without gaps.

    `actual` is the intensity seen so far, `provider` a provider's forecast: the points still to
    come are used, earlier ones correct its bias and its head error. `climatology` fills what
    neither reaches. The last 60 days of history matter; the forecast spans `horizon_slots`
    (default: 8 days). `slot_seconds` defaults to the finest of the series' own steps.
    `slots_per_day` is for replays faster than the clock: how many slots make a day of the data.
    `None` where nothing at all is known.

    Raises:
        MixedSignalsError: the series are of different signals.
    """
    sources = [series for series in (actual, provider, climatology) if series is not None]
    for other in sources[1:]:
        require_same_signal(sources[0], other)
    slot = slot_seconds or native_slot_seconds(actual, provider, climatology)
    if slot is None:
        return None
    per_day = slots_per_day or max(1, round(86400 / slot))
    count = horizon_slots or HORIZON_DAYS * per_day
    t = slot_index(now, slot)
    first = t - HISTORY_DAYS * per_day
    seen = values_on_slots(actual, first, t - first, slot)
    if provider is not None and generated_at is not None and now - generated_at > STALE:
        provider = None
    expected = values_on_slots(provider, first, t - first + count, slot)
    climate = values_on_slots(climatology, t, count, slot)
    keep = _first_known(seen, expected[: t - first])
    projected = project_now(
        seen[keep:],
        expected[keep:],
        climate,
        slots_per_day=per_day,
        first_slot_of_day=(first + keep) % per_day,
    )
    if projected is None:
        return None
    plain, week = projected
    known = provider is not None and Source.PROVIDER in plain.sources
    forecast = Forecast(
        zone=sources[0].zone,
        signal=sources[0].signal,
        start=slot_start(t, slot),
        slot_seconds=slot,
        grams_per_kwh=tuple(plain.values.tolist()),
        spread_grams_per_kwh=tuple(plain.spread.tolist()),
        sources=plain.sources,
        provider=provider.source if provider is not None and known else None,
        generated_at=generated_at if provider is not None else None,
        factor=(provider if provider is not None and known else sources[0]).factor,
        hours_per_slot=None if slots_per_day is None else 24 / slots_per_day,
    )
    if np.array_equal(plain.values, week.values):
        return forecast
    return replace(
        forecast,
        with_week=replace(
            forecast,
            grams_per_kwh=tuple(week.values.tolist()),
            spread_grams_per_kwh=tuple(week.spread.tolist()),
        ),
    )


def _first_known(*arrays: Array) -> int:
    """Return the first index at which any of the arrays holds a value, or their length."""
    known = np.any([np.isfinite(array) for array in arrays], axis=0)
    return int(np.argmax(known)) if known.any() else len(known)


@dataclass(frozen=True, slots=True)
class Projection:
    """Values and spread (g/kWh) and source of the slots to come."""

    values: Array
    spread: Array
    sources: tuple[Source, ...]


def project_now(
    seen: Array,
    expected: Array,
    climate: Array,
    *,
    slots_per_day: int,
    first_slot_of_day: int,
    floor: float = 0.0,
) -> tuple[Projection, Projection] | None:
    """Return the slots after the last of `seen`, without and with the course of the week.

    `seen` holds the actuals up to now, `expected` the provider's values of the same slots and of
    those to come, `climate` a fallback for those to come; NaN where missing, g/kWh. No value is
    below `floor`: an intensity cannot be negative, a price can. `None` where nothing is known.
    """
    analysis = analyse(
        seen,
        expected[: len(seen)],
        slots_per_day,
        first_slot_of_day=first_slot_of_day,
        minimum_days=MINIMUM_PROFILE_DAYS,
    )
    plain = _project(analysis, seen, expected, climate, floor)
    week = _project(with_weekly_course(analysis), seen, expected, climate, floor)
    return None if plain is None or week is None else (plain, week)


def _project(
    analysis: Analysis, seen: Array, expected: Array, climate: Array, floor: float
) -> Projection | None:
    """Return the slots after the last of `seen` by one analysis; `None` where nothing is known."""
    t, count = len(seen), len(climate)
    covered = np.isfinite(expected[t:])
    base, spread = project_profile(analysis, t, count)
    values = project_provider(analysis, t, expected[t:])
    values, far = carry_anomaly(analysis, t, values, base)
    kinds = np.where(covered, Source.PROVIDER, np.where(far, Source.PROFILE, Source.FLAT))
    spread = np.where(covered, project_spread(analysis, t, count), np.where(far, spread, 0.0))
    use_climate = ~np.isfinite(values) & np.isfinite(climate)
    values = np.where(use_climate, climate, values)
    kinds = np.where(use_climate, Source.CLIMATOLOGY, kinds)
    level = _level(seen, values)
    if level is None:
        return None
    values = np.where(np.isfinite(values), np.maximum(values, floor), level)
    return Projection(values, spread, tuple(Source(kind) for kind in kinds))


def _level(seen: Array, values: Array) -> float | None:
    """Return the height of a flat forecast: the mean of what is forecast, else the last actual."""
    for known in (values[np.isfinite(values)], seen[np.isfinite(seen)][-1:]):
        if len(known):
            return float(known.mean())
    return None


def profile_ahead(analysis: Analysis, t: int, count: int) -> Array:
    """Return the 14-day profile of the `count` slots from index `t` on, in g/kWh.

    With the course of the week where the analysis has one. NaN where fewer than three complete
    days precede `t`.
    """
    day = analysis.slots_per_day
    if t < MINIMUM_PROFILE_DAYS * day:
        return np.full(count, np.nan)
    return np.resize(analysis.profile[t - day : t], count) + week_ahead(analysis, t, count)


def project_profile(analysis: Analysis, t: int, count: int) -> tuple[Array, Array]:
    """Return the forecast without a provider, and its spread, from index `t` on.

    The profile plus the last known anomaly, which fades with the hours.
    """
    values = profile_ahead(analysis, t, count)
    known = np.flatnonzero(np.isfinite(analysis.anomaly[:t]))
    if len(known):
        ahead = np.arange(count) + t - known[-1]
        hours = ahead * 24 / analysis.slots_per_day
        values = values + analysis.anomaly[known[-1]] * ANOMALY_DECAY**hours
    return values, _hourly(analysis.spread_profile, analysis, t, count) * SPREAD_WEIGHT_PROFILE


def project_provider(analysis: Analysis, t: int, ahead: Array) -> Array:
    """Return the provider's values from index `t` on without their bias and with the head error.

    NaN where the provider has none. Bias is 0 with under three days of pairs.
    """
    day, count = analysis.slots_per_day, len(ahead)
    bias: Array = np.zeros(count)
    fade: Array = np.zeros(count)
    if t >= MINIMUM_PROFILE_DAYS * day:
        hourly = np.resize(analysis.bias[t - day : t], count)
        mean = float(analysis.bias_mean[t - 1])
        bias = np.nan_to_num(shrunk_bias(hourly, mean), nan=0.0)
        hours = (np.arange(count) + 1) * 24 / day
        fade = analysis.filtered[t - 1] * analysis.decay[t - 1] ** hours
    return np.asarray(ahead - bias + fade)


def project_spread(analysis: Analysis, t: int, count: int) -> Array:
    """Return the spread of the corrected provider values from index `t` on."""
    return _hourly(analysis.spread_provider, analysis, t, count) * SPREAD_WEIGHT_PROVIDER


def _hourly(values: Array, analysis: Analysis, t: int, count: int) -> Array:
    """Return the last day's values repeated over the slots to come, 0 where a day is missing."""
    day = analysis.slots_per_day
    return np.resize(values[t - day : t], count) if t >= day else np.zeros(count)


def carry_anomaly(
    analysis: Analysis, t: int, provider: Array, base: Array
) -> tuple[Array, npt.NDArray[np.bool_]]:
    """Return provider values where known, elsewhere the profile with the provider's anomaly.

    The anomaly at the seam is the mean over the last three covered hours before it and fades from
    there; before the first covered slot it is that of `base`. The second array says which values
    come from the profile. NaN remains where the profile is not known.
    """
    count = len(provider)
    known = np.isfinite(provider)
    profile = profile_ahead(analysis, t, count)
    filled = np.where(known, provider, base)
    seam_slots = max(1, round(SEAM_HOURS * analysis.slots_per_day / 24))
    seams = np.flatnonzero(known & ~np.append(known[1:], True))
    for seam in seams:
        behind = np.arange(seam + 1)[known[: seam + 1]][-seam_slots:]
        anomaly = float(np.mean(provider[behind] - profile[behind]))
        rest = np.flatnonzero(known[seam + 1 :])
        until = seam + 1 + int(rest[0]) if len(rest) else count
        hours = (np.arange(until - seam - 1) + 1) * 24 / analysis.slots_per_day
        filled[seam + 1 : until] = profile[seam + 1 : until] + anomaly * ANOMALY_DECAY**hours
    return filled, ~known & np.isfinite(filled)
