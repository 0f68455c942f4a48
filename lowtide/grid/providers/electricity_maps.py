"""Electricity Maps, API v4: average intensity of zones all over the world.

Routes and shapes: https://portal.electricitymaps.com/docs (v4; v3 has the same shapes). A forecast
ends *inclusively*, so 24 hours come as 25 points: the last one is dropped. A null is missing, and
values flagged `isEstimated` are kept and marked, because they are replaced later. Forecasts and
past ranges need a paid plan; the last 24 hours do not.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, Literal

from pydantic import BaseModel, Field

from lowtide.grid.credentials import Credential
from lowtide.grid.errors import Unauthorized
from lowtide.grid.providers.answers import JSON, joined, parse_time, parsed, spans
from lowtide.grid.providers.base import checked_actuals, checked_forecast
from lowtide.grid.providers.service import ServiceProvider
from lowtide.grid.raw_values import RawValue, usual_step
from lowtide.grid.series import Factor, IntensitySeries
from lowtide.units import format_timestamp

RANGE_MAX: Final = timedelta(days=10)
"""Longest past range asked for at once."""

Granularity = Literal["hourly", "15_minutes", "5_minutes"]
STEPS: Final[Mapping[str, timedelta]] = {
    "hourly": timedelta(hours=1),
    "15_minutes": timedelta(minutes=15),
    "5_minutes": timedelta(minutes=5),
}


class _Value(BaseModel):
    """One point of a forecast or of the past."""

    carbon_intensity: object = Field(default=None, alias="carbonIntensity")
    moment: object = Field(alias="datetime")
    is_estimated: bool | None = Field(default=None, alias="isEstimated")


class _Forecast(BaseModel):
    """Answer of `/carbon-intensity/forecast`."""

    forecast: list[_Value]
    updated_at: object = Field(default=None, alias="updatedAt")


class _Past(BaseModel):
    """Answer of `/carbon-intensity/history` (`history`) and `/past-range` (`data`)."""

    history: list[_Value] = Field(default_factory=list)
    data: list[_Value] = Field(default_factory=list)


@dataclass(frozen=True, slots=True, kw_only=True)
class ElectricityMaps(ServiceProvider):
    """Provider for Electricity Maps v4; a code is one of the service's zones, such as `DE`."""

    credential: Credential
    horizon_hours: int = 72
    granularity: Granularity = "hourly"

    def forecast(self, zone: str, now: datetime) -> IntensitySeries:
        """Return up to `horizon_hours` of expected average intensity from `now` on."""
        horizon = {"horizonHours": str(self.horizon_hours)}
        content, is_stand_in = self._get("/carbon-intensity/forecast", zone, horizon)
        answer = parsed(_Forecast, content, source=self.client.name, zone=zone)
        made = answer.updated_at
        series = self.origin.series(
            zone,
            self._without_inclusive_end(_readings(answer.forecast)),
            is_stand_in=is_stand_in,
            fetched_at=now,
            generated_at=None if made is None else parse_time(made, source=self.client.name),
            step=None if len(answer.forecast) > 1 else STEPS[self.granularity],
        )
        return checked_forecast(series, now)

    def actuals(self, zone: str, start: datetime, end: datetime) -> IntensitySeries:
        """Return average intensity of the past; the last hours are usually estimates.

        Without a plan for past ranges the last 24 hours are asked for instead.
        """
        try:
            readings, is_stand_in = self._past_range(zone, start, end)
        except Unauthorized:
            content, is_stand_in = self._get("/carbon-intensity/history", zone, {})
            past = parsed(_Past, content, source=self.client.name, zone=zone)
            readings = _readings(past.history)
        series = self.origin.series(
            zone,
            readings,
            is_stand_in=is_stand_in,
            step=None if len(readings) > 1 else STEPS[self.granularity],
        )
        return checked_actuals(series, start, end)

    def _past_range(self, zone: str, start: datetime, end: datetime) -> tuple[list[RawValue], bool]:
        parts: list[list[RawValue]] = []
        is_stand_in = False
        for first, last in spans(start, end, RANGE_MAX):
            span = {"start": format_timestamp(first), "end": format_timestamp(last)}
            content, is_stand_in = self._get("/carbon-intensity/past-range", zone, span)
            parts.append(_readings(parsed(_Past, content, source=self.client.name, zone=zone).data))
        return joined(parts), is_stand_in

    def _get(self, path: str, zone: str, params: Mapping[str, str]) -> tuple[object, bool]:
        common = {
            "zone": self.code_of(zone),
            "temporalGranularity": self.granularity,
            "emissionFactorType": "direct" if self.origin.factor is Factor.DIRECT else "lifecycle",
            "disableCallerLookup": "true",
        }
        headers = {"auth-token": self.credential.read(), "Accept": JSON}
        return self.client.get_json(path, params={**common, **params}, headers=headers, zone=zone)

    def _without_inclusive_end(self, readings: list[RawValue]) -> list[RawValue]:
        """Return the readings of `horizon_hours`, by count of slots and not by the clock.

        The stand-in replays hours in seconds, so the length of a slot comes from the data.
        """
        step = usual_step([reading.start for reading in readings])
        if step is None:
            return readings
        slots = self.horizon_hours * (timedelta(hours=1) // STEPS[self.granularity])
        end = readings[0].start + slots * step
        return [reading for reading in readings if reading.start < end]


def _readings(values: list[_Value]) -> list[RawValue]:
    return [
        RawValue(
            start=parse_time(value.moment, source="Electricity Maps"),
            value=value.carbon_intensity,
            estimated=bool(value.is_estimated),
        )
        for value in values
    ]
