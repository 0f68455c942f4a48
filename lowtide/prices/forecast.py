"""Price forecast of one zone on equal slots: exact as far as published, expected beyond."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum


class PriceBasis(StrEnum):
    """What the price of a slot rests on, best first."""

    PUBLISHED = "published"
    """Published day-ahead, or set by a tariff: known exactly."""
    PROFILE = "profile"
    """The zone's own past: hour of day and course of the week."""
    FLAT = "flat"
    """Too little is known: the mean of the known prices."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PriceForecast:
    """Cost of a kilowatt-hour in the slots to come, fees and taxes included; without gaps."""

    zone: str
    """Lowtide's name of the zone."""
    currency: str
    """ISO 4217 code of the currency."""
    start: datetime
    """Start of the first slot: a UTC multiple of `slot_seconds`, not later than the making."""
    slot_seconds: int
    """Length of a slot on the clock."""
    price_per_kwh: tuple[float, ...]
    """Price in units of the currency, one entry per slot; may be negative."""
    spread_per_kwh: tuple[float, ...]
    """Size of its error beside other days, one per slot: about 68 of 100 are smaller; 0 where it is
    published."""
    per_gram: tuple[float, ...] | None = None
    """By how much the price errs with each gram of the intensity's spread, one per slot; `None`:
    not known."""
    bases: tuple[PriceBasis, ...]
    """What each price rests on, one entry per slot."""
    source: str | None = None
    """Where the published prices came from; `None` where none reaches beyond the present."""
    published_until: datetime | None = None
    """End of the published prices, without a gap from the start on."""
    hours_per_slot: float | None = None
    """Hours of data in a slot, where a replay is faster than the clock; `None`: as it says."""
    with_week: "PriceForecast | None" = None
    """The forecast that knows the course of the week too, where it differs."""

    @property
    def slot_hours(self) -> float:
        """Return the hours of data that one slot stands for."""
        return self.slot_seconds / 3600 if self.hours_per_slot is None else self.hours_per_slot

    @property
    def end(self) -> datetime:
        """Return the end of the last slot."""
        return self.start + timedelta(seconds=self.slot_seconds * len(self.price_per_kwh))
