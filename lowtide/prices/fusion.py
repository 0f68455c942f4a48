"""Fusion of published prices and of what the past says about the rest into one forecast.

As far as prices are published without a gap they are known exactly and have no error. Beyond, the
forecast is the zone's own: hour of day and course of the week over what is known up to there, with
the last anomaly fading, by the same rules as intensity (`lowtide.grid.fusion`). Published prices
behind a gap count as they are. Pure: no clock, no network.
"""

from dataclasses import replace
from datetime import datetime
from typing import Final

import numpy as np

from lowtide.grid.analysis import Array
from lowtide.grid.forecast import Source
from lowtide.grid.fusion import HISTORY_DAYS, HORIZON_DAYS, Projection, project_now
from lowtide.grid.slots import native_slot_seconds, slot_index, slot_start, values_on_slots
from lowtide.prices.forecast import PriceBasis, PriceForecast
from lowtide.prices.series import PriceSeries

LONGEST_SLOT_SECONDS: Final = 3600
BASES: Final = {
    Source.PROVIDER: PriceBasis.PUBLISHED,
    Source.PROFILE: PriceBasis.PROFILE,
    Source.FLAT: PriceBasis.FLAT,
}


def forecast_prices(
    now: datetime,
    prices: PriceSeries,
    *,
    horizon_slots: int | None = None,
    slot_seconds: int | None = None,
    slots_per_day: int | None = None,
) -> PriceForecast | None:
    """Return the price of every slot from the one that contains `now` on, without gaps.

    `prices` holds the past and whatever is published of the future; the last 60 days matter.
    `horizon_slots` defaults to 8 days, `slot_seconds` to the step of the prices; give the slots of
    an intensity forecast to plan by both. `slots_per_day` is for replays faster than the clock.
    `None` where no price is known at all.
    """
    native = native_slot_seconds(prices)
    if native is None:
        return None
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
    now_index = t - first
    keep = min(int(known[0]), now_index)
    values, now_index = values[keep:], now_index - keep
    gaps = np.flatnonzero(~np.isfinite(values[now_index:]))
    seam = now_index + int(gaps[0]) if len(gaps) else len(values)
    plain, week = _completed(values, seam, per_day, (first + keep) % per_day)
    forecast = PriceForecast(
        zone=prices.zone,
        currency=prices.currency,
        start=slot_start(t, slot),
        slot_seconds=slot,
        price_per_kwh=tuple(plain.values[now_index:].tolist()),
        spread_per_kwh=tuple(plain.spread[now_index:].tolist()),
        bases=tuple(BASES[one] for one in plain.sources[now_index:]),
        source=prices.source if seam > now_index else None,
        published_until=slot_start(first + keep + seam, slot) if seam > now_index else None,
        hours_per_slot=None if slots_per_day is None else 24 / slots_per_day,
    )
    if np.array_equal(plain.values, week.values):
        return forecast
    return replace(
        forecast,
        with_week=replace(
            forecast,
            price_per_kwh=tuple(week.values[now_index:].tolist()),
            spread_per_kwh=tuple(week.spread[now_index:].tolist()),
        ),
    )


def _completed(
    values: Array, seam: int, slots_per_day: int, first_slot_of_day: int
) -> tuple[Projection, Projection]:
    """Return all slots, those from `seam` on filled; without and with the course of the week."""
    exact = Projection(values[:seam], np.zeros(seam), (Source.PROVIDER,) * seam)
    if seam == len(values):
        return exact, exact
    missing = np.full(len(values), np.nan)
    projected = project_now(
        values[:seam],
        np.concatenate((missing[:seam], values[seam:])),
        missing[seam:],
        slots_per_day=slots_per_day,
        first_slot_of_day=first_slot_of_day,
        floor=-np.inf,
    )
    assert projected is not None, "a price is known, and then a flat line is"
    level = float(np.mean(values[np.isfinite(values)][-slots_per_day:]))
    plain, week = (_joined(exact, one, level) for one in projected)
    return plain, week


def _joined(exact: Projection, beyond: Projection, level: float) -> Projection:
    """Return both in a row; where nothing else is known, the last known day's mean stands."""
    flat = np.array([source is Source.FLAT for source in beyond.sources])
    return Projection(
        np.concatenate((exact.values, np.where(flat, level, beyond.values))),
        np.concatenate((exact.spread, beyond.spread)),
        exact.sources + beyond.sources,
    )
