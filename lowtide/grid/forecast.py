"""Forecast of one zone: intensities on equal slots, each with its spread and its source."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from lowtide.grid.series import Factor, Signal


class Source(StrEnum):
    """Where a forecast value came from, best first."""

    PROVIDER = "provider"
    PROFILE = "profile"
    CLIMATOLOGY = "climatology"
    FLAT = "flat"


@dataclass(frozen=True, slots=True, kw_only=True)
class Forecast:
    """The fused forecast of one zone on equal slots, without gaps.

    Fusion fills what providers leave out and says so in `sources`.
    """

    zone: str
    """Lowtide's name of the zone."""
    signal: Signal
    """Average or marginal; the two never meet."""
    start: datetime
    """Start of the first slot: a UTC multiple of `slot_seconds`, not later than the making."""
    slot_seconds: int
    """Length of a slot on the clock."""
    grams_per_kwh: tuple[float, ...]
    """Expected intensity, one entry per slot."""
    spread_grams_per_kwh: tuple[float, ...]
    """One standard deviation of its error, one entry per slot."""
    sources: tuple[Source, ...]
    """Where each value came from, one entry per slot."""
    provider: str | None = None
    """Source of the provider's values; `None` where none is used."""
    generated_at: datetime | None = None
    """When the provider made its forecast, or when it was received."""
    factor: Factor = Factor.UNKNOWN
    """Whether the values are direct or life-cycle emissions."""
    hours_per_slot: float | None = None
    """Hours of data in a slot, where a replay is faster than the clock; `None`: as it says."""
    with_week: "Forecast | None" = None
    """The forecast that knows the course of the week too, where it differs."""

    @property
    def slot_hours(self) -> float:
        """Return the hours of data that one slot stands for; forecast errors decay with them."""
        return self.slot_seconds / 3600 if self.hours_per_slot is None else self.hours_per_slot

    @property
    def end(self) -> datetime:
        """Return the end of the last slot."""
        return self.start + timedelta(seconds=self.slot_seconds * len(self.grams_per_kwh))
