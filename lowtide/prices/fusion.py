"""Fusion of published prices and of what the past says about the rest into one forecast.

As far as prices are published without a gap they are known exactly and have no error. Beyond, the
forecast is that of `lowtide.prices.model`: the zone's own days, and how far the intensity is
expected to lie from its usual value where that is known. Published prices behind a gap count as
they are. Pure: no clock, no network.
"""

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

import numpy as np

from lowtide.grid.analysis import Array
from lowtide.grid.forecast import Forecast
from lowtide.grid.fusion import HISTORY_DAYS, HORIZON_DAYS, MINIMUM_PROFILE_DAYS
from lowtide.grid.series import IntensitySeries
from lowtide.grid.slots import native_slot_seconds, slot_index, slot_start, values_on_slots
from lowtide.prices.forecast import PriceBasis, PriceForecast
from lowtide.prices.model import PriceModel, price_model, prices_ahead
from lowtide.prices.series import PriceSeries

LONGEST_SLOT_SECONDS: Final = 3600


@dataclass(frozen=True, slots=True)
class IntensityBeside:
    """Intensity of the zone that prices follow: as it was seen, and as it is forecast."""

    seen: IntensitySeries | None
    forecast: Forecast


def forecast_prices(
    now: datetime,
    prices: PriceSeries,
    *,
    horizon_slots: int | None = None,
    slot_seconds: int | None = None,
    slots_per_day: int | None = None,
    intensity: IntensityBeside | None = None,
) -> PriceForecast | None:
    """Return the price of every slot from the one that contains `now` on, without gaps.

    `prices` holds the past and whatever is published of the future; the last 60 days matter.
    `horizon_slots` defaults to 8 days, `slot_seconds` to the step of the prices; with `intensity`
    both are those of its forecast. `slots_per_day` is for replays faster than the clock. `None`
    where no price is known at all.
    """
    native = native_slot_seconds(prices)
    if native is None:
        return None
    if intensity is not None:
        slot_seconds = intensity.forecast.slot_seconds
        horizon_slots = horizon_slots or len(intensity.forecast.grams_per_kwh)
    # A rate that is valid for months is one long slot; a plan wants hours.
    slot = slot_seconds or min(native, LONGEST_SLOT_SECONDS)
    per_day = slots_per_day or max(1, round(86400 / slot))
    count = horizon_slots or HORIZON_DAYS * per_day
    t = slot_index(now, slot)
    first = t - HISTORY_DAYS * per_day
    values = values_on_slots(prices, first, t - first + count, slot)
    known = np.flatnonzero(np.isfinite(values))
    if len(known) == 0:
        return None
    keep = min(int(known[0]), t - first)
    published = _Published(values[keep:], first + keep, t - first - keep, slot, per_day)
    plain, week = _completed(published, intensity)
    until = slot_start(published.first + published.seam, slot)
    has_published = published.seam > published.now
    forecast = PriceForecast(
        zone=prices.zone,
        currency=prices.currency,
        start=slot_start(t, slot),
        slot_seconds=slot,
        source=prices.source if has_published else None,
        published_until=until if has_published else None,
        hours_per_slot=None if slots_per_day is None else 24 / slots_per_day,
        price_per_kwh=plain.prices,
        spread_per_kwh=plain.spread,
        per_gram=plain.per_gram,
        bases=plain.bases,
    )
    if plain.prices == week.prices:
        return forecast
    with_week = replace(
        forecast,
        price_per_kwh=week.prices,
        spread_per_kwh=week.spread,
        per_gram=week.per_gram,
        bases=week.bases,
    )
    return replace(forecast, with_week=with_week)


@dataclass(frozen=True, slots=True)
class _Published:
    """Prices on slots: the past and what is published, NaN where nothing is."""

    values: Array
    first: int
    """Number of the first slot, counted from 1970."""
    now: int
    """Index of the slot that contains the present."""
    slot_seconds: int
    slots_per_day: int

    @property
    def seam(self) -> int:
        """Return the index of the first slot from now on that is not published."""
        gaps = np.flatnonzero(~np.isfinite(self.values[self.now :]))
        return self.now + int(gaps[0]) if len(gaps) else len(self.values)


@dataclass(frozen=True, slots=True)
class _Rows:
    """What a forecast says of each slot from now on."""

    prices: tuple[float, ...]
    spread: tuple[float, ...]
    per_gram: tuple[float, ...]
    bases: tuple[PriceBasis, ...]


def _completed(published: _Published, intensity: IntensityBeside | None) -> tuple[_Rows, _Rows]:
    """Return the rows of a forecast, without and with the course of the week."""
    seam, now = published.seam, published.now
    seen = None
    if intensity is not None and intensity.seen is not None:
        seen = np.full(seam, np.nan)
        seen[:now] = values_on_slots(intensity.seen, published.first, now, published.slot_seconds)
    plain, week = price_model(
        published.values[:seam],
        seen,
        published.slots_per_day,
        first_slot_of_day=published.first % published.slots_per_day,
        minimum_days=MINIMUM_PROFILE_DAYS,
    )
    forecast = None if intensity is None else intensity.forecast
    return (
        _rows(published, plain, forecast),
        _rows(published, week, forecast and (forecast.with_week or forecast)),
    )


def _rows(published: _Published, model: PriceModel, intensity: Forecast | None) -> _Rows:
    """Return values, errors and bases from now on by one model."""
    values, seam, now = published.values, published.seam, published.now
    grams = _from_now(published, intensity, "grams_per_kwh")
    ahead = prices_ahead(model, now, seam, grams, len(values) - seam)
    beyond = values[seam:]
    known = np.isfinite(beyond)
    far = ~known & np.isfinite(ahead.values)
    # Where nothing else is known, the last known day's mean stands.
    level = float(np.mean(values[np.isfinite(values)][-published.slots_per_day :]))
    beyond = np.where(known, beyond, np.where(far, ahead.values, level))
    per_gram = np.where(far, ahead.per_gram, 0.0)
    errors = _from_now(published, intensity, "spread_grams_per_kwh")
    follow = 0.0 if errors is None else per_gram * np.nan_to_num(errors[seam - now :])
    spread = np.where(far, np.hypot(ahead.spread, follow), 0.0)
    exact = np.zeros(seam - now)
    kinds = np.where(known, 0, np.where(far, 1, 2))
    bases = (PriceBasis.PUBLISHED, PriceBasis.PROFILE, PriceBasis.FLAT)
    return _Rows(
        prices=tuple(np.concatenate((values[now:seam], beyond)).tolist()),
        spread=tuple(np.concatenate((exact, spread)).tolist()),
        per_gram=tuple(np.concatenate((exact, per_gram)).tolist()),
        bases=(bases[0],) * (seam - now) + tuple(bases[kind] for kind in kinds),
    )


def _from_now(published: _Published, intensity: Forecast | None, field: str) -> Array | None:
    """Return a row of an intensity forecast on the slots from now on, NaN where it has none."""
    if intensity is None or intensity.slot_seconds != published.slot_seconds:
        return None
    start = slot_index(intensity.start, published.slot_seconds)
    passed = published.first + published.now - start
    row = np.full(len(published.values) - published.now, np.nan)
    values = np.array(getattr(intensity, field), dtype=np.float64)[max(0, passed) :]
    at = max(0, -passed)
    values = values[: max(0, len(row) - at)]
    row[at : at + len(values)] = values
    return row
