"""Price series as text, to keep them over restarts; what cannot be read back is an error."""

import json
from datetime import UTC, datetime, timedelta
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from lowtide.grid.storage import Seconds, StorageError
from lowtide.grid.timed import SeriesError
from lowtide.prices.series import PricePoint, PriceSeries


class _StoredPrices(BaseModel):
    """The JSON form; a point is `[start, length, price per kWh or null]`, in seconds."""

    model_config = ConfigDict(extra="forbid")
    version: Literal[1] = 1
    zone: str
    source: str
    currency: str
    fetched_at: Seconds | None
    points: list[tuple[Seconds, Annotated[float, Field(gt=0)], float | None]]


def prices_to_text(prices: PriceSeries) -> str:
    """Return the series as one line of JSON."""
    fetched = prices.fetched_at
    return json.dumps(
        {
            "version": 1,
            "zone": prices.zone,
            "source": prices.source,
            "currency": prices.currency,
            "fetched_at": None if fetched is None else fetched.timestamp(),
            "points": [
                [p.start.timestamp(), (p.end - p.start).total_seconds(), p.per_kwh]
                for p in prices.points
            ],
        },
        separators=(",", ":"),
    )


def prices_from_text(text: str) -> PriceSeries:
    """Return the series that `prices_to_text` wrote.

    Raises:
        StorageError: the text is damaged, of another version, or holds impossible points.
    """
    try:
        stored = _StoredPrices.model_validate_json(text)
        return PriceSeries(
            zone=stored.zone,
            source=stored.source,
            currency=stored.currency,
            fetched_at=None if stored.fetched_at is None else _at(stored.fetched_at),
            points=tuple(
                PricePoint(_at(start), _at(start) + timedelta(seconds=length), price)
                for start, length, price in stored.points
            ),
        )
    except (ValidationError, SeriesError, OverflowError, OSError) as error:
        problem = f"stored prices cannot be read ({type(error).__name__})"
    raise StorageError(problem)


def _at(seconds: float) -> datetime:
    return datetime.fromtimestamp(round(seconds, 6), UTC)
