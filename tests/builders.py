"""Builders of forecasts and jobs: hourly slots from 10:00 UTC on, jobs submitted then."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta

import pytest

from lowtide.grid.series import Signal
from lowtide.planning import Forecast, Request, Source

NOW = datetime(2026, 12, 1, 10, 0, tzinfo=UTC)


def build_forecast(
    values: Sequence[float],
    spread: float | Sequence[float] = 0.0,
    *,
    slot_seconds: int = 3600,
    start: datetime = NOW,
    zone: str = "DE",
) -> Forecast:
    """Return a provider's forecast of these values, one per slot."""
    spreads = (spread,) * len(values) if isinstance(spread, int | float) else tuple(spread)
    return Forecast(
        zone=zone,
        signal=Signal.AVERAGE,
        start=start,
        slot_seconds=slot_seconds,
        grams_per_kwh=tuple(float(value) for value in values),
        spread_grams_per_kwh=spreads,
        sources=(Source.PROVIDER,) * len(values),
        provider="test",
    )


def build_request(
    *,
    work_hours: float = 1.0,
    window_hours: float = 6.0,
    key: str = "a",
    now: datetime = NOW,
    **changes: object,
) -> Request:
    """Return a job whose window is exactly `window_hours`: no latency, margin or minimum saving."""
    fields: dict[str, object] = {
        "key": key,
        "earliest": now,
        "deadline": now + timedelta(hours=window_hours),
        "remaining_seconds": work_hours * 3600,
        "remaining_high_seconds": work_hours * 3600,
        "latency_seconds": 0.0,
        "margin_seconds": 0.0,
        "minimum_saving_ratio": 0.0,
    }
    return Request(**(fields | changes))  # type: ignore[arg-type]


@pytest.fixture(scope="session")
def now() -> datetime:
    """The moment of planning."""
    return NOW


@pytest.fixture(scope="session")
def forecast() -> Callable[..., Forecast]:
    """Builds forecasts."""
    return build_forecast


@pytest.fixture(scope="session")
def job() -> Callable[..., Request]:
    """Builds jobs."""
    return build_request
