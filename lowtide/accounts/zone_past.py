"""Past of a zone's grid, and which zones may be added up in one report. Pure.

Every workload is priced with its own zone. Average and marginal intensity never meet, and neither
do direct and life-cycle emissions, so that a zone of another kind than the zones before it has no
intensity in the same report, with the reason.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from datetime import datetime

from lowtide.grid.forecast import Forecast
from lowtide.grid.series import IntensitySeries, may_meet
from lowtide.prices.series import PriceSeries

ForecastAt = Callable[[datetime], Forecast | None]
"""The forecast that was known at a time, `None` where none was."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ZonePast:
    """What the grid of a zone did, and what was expected of it."""

    zone: str | None
    """Zone; `None` where no zone is known."""
    intensity: IntensitySeries | None
    """Seen intensity of the time and after it, with the data centre's overhead."""
    prices: PriceSeries | None
    """Prices of the time."""
    forecast_at: ForecastAt
    """Forecast that was known at a time."""
    forecasts: str
    """Where that comes from, in words."""
    refused: str | None = None
    """Why its intensity cannot be used beside that of the other zones."""


def kept_apart(pasts: Iterable[ZonePast]) -> tuple[ZonePast, ...]:
    """Return the zones in their order, without the intensity of those that do not meet the others.

    The first zones decide; the price of electricity stays.
    """
    kept: list[ZonePast] = []
    for past in pasts:
        before = [one.intensity for one in kept if one.intensity is not None]
        own = past.intensity
        other = None if own is None else next((b for b in before if not may_meet(b, own)), None)
        if own is None or other is None:
            kept.append(past)
            continue
        reason = f"it is {_kind(own)} and that of {other.zone} is {_kind(other)}"
        kept.append(replace(past, intensity=None, forecast_at=_no_forecast, refused=reason))
    return tuple(kept)


def _kind(series: IntensitySeries) -> str:
    return f"{series.signal.lower()} ({series.factor})"


def _no_forecast(_: datetime) -> Forecast | None:
    return None
