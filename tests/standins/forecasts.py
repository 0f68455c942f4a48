"""Forecasts of a zone that is known exactly, hour by hour."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from lowtide.grid.series import Signal
from lowtide.planning import Forecast, Source


def exact_forecast(values: Sequence[float], start: datetime, **more: Any) -> Forecast:
    """Return the average intensity of DE from `start` on, in g/kWh, without any error."""
    return Forecast(
        zone="DE",
        signal=Signal.AVERAGE,
        start=start,
        slot_seconds=3600,
        grams_per_kwh=tuple(values),
        spread_grams_per_kwh=(0.0,) * len(values),
        sources=(Source.PROVIDER,) * len(values),
        **more,
    )
