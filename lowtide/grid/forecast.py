"""Forecast of one zone: intensities on equal slots, each with its spread and its source."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from lowtide.grid.series import Signal


class Source(StrEnum):
    """Where a forecast value came from, best first."""

    PROVIDER = "provider"
    PROFILE = "profile"
    CLIMATOLOGY = "climatology"
    FLAT = "flat"


@dataclass(frozen=True, slots=True, kw_only=True)
class Forecast:
    """The fused forecast of one zone on equal slots.

    `grams_per_kwh`, `spread_grams_per_kwh` (one standard deviation of the error) and `sources`
    have one entry per slot, the first slot begins at `start` (a UTC multiple of `slot_seconds`
    that is not later than the moment it was made). It has no gaps: fusion fills what providers
    leave out and says so in `sources`. `hours_per_slot` is what one slot stands for in the data
    where a replay runs faster than the clock (a trace of hours replayed with slots of 10 s has 1);
    `None` means that the slots last as long as they say. `with_week` is the
    forecast that knows the course of the week too, where it differs; `forecast_for` chooses.
    """

    zone: str
    signal: Signal
    start: datetime
    slot_seconds: int
    grams_per_kwh: tuple[float, ...]
    spread_grams_per_kwh: tuple[float, ...]
    sources: tuple[Source, ...]
    provider: str | None = None
    generated_at: datetime | None = None
    hours_per_slot: float | None = None
    with_week: "Forecast | None" = None

    @property
    def slot_hours(self) -> float:
        """Return the hours of data that one slot stands for; forecast errors decay with them."""
        return self.slot_seconds / 3600 if self.hours_per_slot is None else self.hours_per_slot

    @property
    def end(self) -> datetime:
        """Return the end of the last slot."""
        return self.start + timedelta(seconds=self.slot_seconds * len(self.grams_per_kwh))
