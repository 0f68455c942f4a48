"""The WebAPI of the Carbon Aware SDK, self-hosted in front of another source.

Routes and shapes: https://github.com/Green-Software-Foundation/carbon-aware-sdk. Only the raw
points are used, never its "optimal" ones: planning is done here. Whether values are average or
marginal follows the source behind it, so the zone's setting must say it. Past values are asked for
with `time` and `toTime`; `startTime` and `endTime` would be ignored silently. No window is given
for a forecast, because one that reaches beyond it is answered with 400.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from pydantic import BaseModel, Field, TypeAdapter, ValidationError

from lowtide.grid.errors import BadAnswer, GridError, NoData, NotOffered
from lowtide.grid.providers.answers import JSON, parse_time, parsed
from lowtide.grid.providers.base import checked_actuals, checked_forecast
from lowtide.grid.providers.service import ServiceProvider
from lowtide.grid.raw_values import RawValue, usable
from lowtide.grid.series import IntensitySeries
from lowtide.units import format_timestamp

MINUTES_MAX: Final = 7 * 24 * 60


class _Point(BaseModel):
    timestamp: object
    value: object = None
    duration: object = None


class _Forecast(BaseModel):
    generated_at: object = Field(default=None, alias="generatedAt")
    points: list[_Point] = Field(alias="forecastData")


class _Forecasts(BaseModel):
    forecasts: list[_Forecast]


class _Emission(BaseModel):
    time: object
    rating: object = None
    duration: object = None


class _Emissions(BaseModel):
    emissions: list[_Emission]


@dataclass(frozen=True, slots=True, kw_only=True)
class CarbonAwareSdk(ServiceProvider):
    """Provider for a Carbon Aware SDK WebAPI; a code is one of its locations."""

    def forecast(self, zone: str, now: datetime) -> IntensitySeries:
        """Return the whole forecast that the source behind the service has.

        Raises:
            NotOffered: that source has no forecasts (status 501).
        """
        params = {"location": self.code_of(zone)}
        problem: GridError
        try:
            content, is_stand_in = self._get("/emissions/forecasts/current", zone, params)
        except GridError as error:
            if error.status != 501:
                raise
            problem = NotOffered(f"the source behind {self.client.name} has no forecasts")
        else:
            answer = parsed(_Forecasts, {"forecasts": content}, source=self.client.name, zone=zone)
            if len(answer.forecasts) != 1:
                raise BadAnswer(
                    f"{self.client.name} sent {len(answer.forecasts)} forecasts for zone {zone}, "
                    "not one"
                )
            return checked_forecast(
                self._expected(answer.forecasts[0], zone, is_stand_in, now), now
            )
        raise problem

    def actuals(self, zone: str, start: datetime, end: datetime) -> IntensitySeries:
        """Return past emissions; 204 means that the service has none."""
        params = {
            "location": self.code_of(zone),
            "time": format_timestamp(start),
            "toTime": format_timestamp(end),
        }
        content, is_stand_in = self._get("/emissions/bylocation", zone, params)
        if content is None:
            raise NoData(f"{self.client.name} has no intensity for zone {zone} at this time")
        answer = parsed(_Emissions, {"emissions": content}, source=self.client.name, zone=zone)
        readings = [
            RawValue(parse_time(one.time, source=self.client.name), one.rating)
            for one in answer.emissions
        ]
        lone = answer.emissions[0].duration if len(answer.emissions) == 1 else None
        series = self.origin.series(zone, readings, step=_duration(lone), is_stand_in=is_stand_in)
        return checked_actuals(series, start, end)

    def _expected(
        self, forecast: _Forecast, zone: str, is_stand_in: bool, now: datetime
    ) -> IntensitySeries:
        readings = [
            RawValue(parse_time(one.timestamp, source=self.client.name), one.value)
            for one in forecast.points
        ]
        lone = forecast.points[0].duration if len(forecast.points) == 1 else None
        made = forecast.generated_at
        return self.origin.series(
            zone,
            readings,
            step=_minutes(lone),
            is_stand_in=is_stand_in,
            fetched_at=now,
            generated_at=None if made is None else parse_time(made, source=self.client.name),
        )

    def _get(self, path: str, zone: str, params: Mapping[str, str]) -> tuple[object, bool]:
        return self.client.get_json(path, params=params, headers={"Accept": JSON}, zone=zone)


def _minutes(number: object) -> timedelta | None:
    """Return a length in minutes, or `None` where the value is not a length."""
    known = usable(number)
    return None if known is None or known > MINUTES_MAX else timedelta(minutes=known)


def _duration(text: object) -> timedelta | None:
    """Return a duration such as `00:05:00`, or `None` where the text is not one."""
    try:
        length = TypeAdapter(timedelta).validate_python(text)
    except ValidationError:
        return None
    return length if length > timedelta(0) else None
