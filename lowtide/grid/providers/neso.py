"""NESO Carbon Intensity API: Great Britain and its regions, half-hours, without a key.

Routes and shapes: https://carbon-intensity.github.io/api-definitions. Data are CC BY 4.0: name
"NESO Carbon Intensity API" wherever they are published. `actual` is null for the last hour or
two; an answer may hold 31 half-hours instead of 97, or nothing at all with status 200. Regions
have forecasts only, and a region full of wind can truly be at zero (`zeroPossible`).
"""

import json
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final
from urllib.parse import quote

from pydantic import BaseModel, Field

from lowtide.grid.errors import BadAnswer, NotOffered
from lowtide.grid.providers.answers import JSON, ModelT, joined, parse_time, parsed, spans
from lowtide.grid.providers.base import checked_actuals, checked_forecast
from lowtide.grid.providers.service import ServiceProvider
from lowtide.grid.raw_values import RawValue
from lowtide.grid.refusals import stated_reason
from lowtide.grid.series import IntensitySeries

HALF_HOUR: Final = timedelta(minutes=30)
RANGE_MAX: Final = timedelta(days=14)
NATIONAL: Final = "GB"


class _Intensity(BaseModel):
    forecast: object = None
    actual: object = None


class _HalfHour(BaseModel):
    start: object = Field(alias="from")
    intensity: _Intensity = Field(default_factory=_Intensity)


class _National(BaseModel):
    data: list[_HalfHour] = Field(default_factory=list)


class _Region(BaseModel):
    data: list[_HalfHour] = Field(default_factory=list)


class _Regional(BaseModel):
    data: _Region | list[_Region] = Field(default_factory=list)


@dataclass(frozen=True, slots=True, kw_only=True)
class Neso(ServiceProvider):
    """Provider for the NESO API; a code is `GB`, a region number (1 to 17) or a postcode's head."""

    def forecast(self, zone: str, now: datetime) -> IntensitySeries:
        """Return up to 48 hours of expected average intensity."""
        code = self.code_of(zone)
        ahead = f"intensity/{_minute(now)}/fw48h"
        if code == NATIONAL:
            half_hours = self._ask(_National, f"/{ahead}", zone).data
        else:
            place = f"regionid/{int(code)}" if code.isdecimal() else f"postcode/{quote(code, '')}"
            data = self._ask(_Regional, f"/regional/{ahead}/{place}", zone).data
            regions = data if isinstance(data, list) else [data]
            if len(regions) != 1:
                raise BadAnswer(
                    f"{self.client.name} sent {len(regions)} regions for zone {zone}, not one"
                )
            half_hours = regions[0].data
        readings = [RawValue(_start(one), one.intensity.forecast) for one in half_hours]
        series = self.origin.series(zone, readings, step=HALF_HOUR, fetched_at=now)
        return checked_forecast(series, now)

    def actuals(self, zone: str, start: datetime, end: datetime) -> IntensitySeries:
        """Return measured average intensity of the whole country.

        Raises:
            NotOffered: the zone is a region; the service publishes no actual values for these.
        """
        if self.code_of(zone) != NATIONAL:
            raise NotOffered(f"{self.client.name} has no actual intensity for regions ({zone})")
        readings = joined(
            [
                RawValue(_start(one), one.intensity.actual)
                for one in self._ask(_National, f"/intensity/{_minute(a)}/{_minute(b)}", zone).data
            ]
            for a, b in spans(start, end, RANGE_MAX)
        )
        return checked_actuals(self.origin.series(zone, readings, step=HALF_HOUR), start, end)

    def _ask(self, model: type[ModelT], path: str, zone: str) -> ModelT:
        content, _ = self.client.get_json(path, headers={"Accept": JSON}, zone=zone)
        if isinstance(content, dict) and "error" in content:
            reason = stated_reason(json.dumps(content).encode())
            raise BadAnswer(
                f"{self.client.name} answered zone {zone} with an error of its own"
                f"{': ' if reason else ''}{reason}"
            )
        return parsed(model, content, source=self.client.name, zone=zone)


def _minute(moment: datetime) -> str:
    """Return a time as the service's paths want it: `2020-05-24T20:30Z`."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%MZ")


def _start(half_hour: _HalfHour) -> datetime:
    return parse_time(half_hour.start, source="NESO")
