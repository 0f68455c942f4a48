"""Energy-Charts (Fraunhofer ISE): European countries, quarter-hours, without a key.

Route and shape: https://api.energy-charts.info (`/co2eq`): parallel arrays `unix_seconds, co2eq,
co2eq_forecast`. The forecast ends at midnight until the next day appears in the evening. Both
arrays may end in nulls; arrays of unequal length are refused, because nothing says at which end
values are missing.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from pydantic import BaseModel, Field

from lowtide.grid.errors import BadAnswer
from lowtide.grid.providers.answers import JSON, parsed
from lowtide.grid.providers.base import checked_actuals, checked_forecast
from lowtide.grid.providers.service import ServiceProvider
from lowtide.grid.raw_values import RawValue
from lowtide.grid.series import IntensitySeries
from lowtide.units import format_timestamp

QUARTER_HOUR: Final = timedelta(minutes=15)
LATEST_UNIX_SECONDS: Final = 32503680000
"""The year 3000: a larger number is a time in other units."""


class _Answer(BaseModel):
    unix_seconds: list[int] = Field(default_factory=list)
    co2eq: list[object] = Field(default_factory=list)
    co2eq_forecast: list[object] = Field(default_factory=list)


@dataclass(frozen=True, slots=True, kw_only=True)
class EnergyCharts(ServiceProvider):
    """Provider for Energy-Charts; a code is a country in small letters, such as `de`."""

    def forecast(self, zone: str, now: datetime) -> IntensitySeries:
        """Return expected average intensity to the end of today, in the evening of tomorrow."""
        answer = self._ask(zone, {})
        series = self._series(zone, answer.unix_seconds, answer.co2eq_forecast, fetched_at=now)
        return checked_forecast(series, now)

    def actuals(self, zone: str, start: datetime, end: datetime) -> IntensitySeries:
        """Return computed average intensity as far as the service has it."""
        span = {"start": format_timestamp(start), "end": format_timestamp(end)}
        answer = self._ask(zone, span)
        series = self._series(zone, answer.unix_seconds, answer.co2eq, fetched_at=None)
        return checked_actuals(series, start, end)

    def _ask(self, zone: str, span: Mapping[str, str]) -> _Answer:
        country = self.zone_codes.get(zone, zone.lower())
        content, _ = self.client.get_json(
            "/co2eq", params={"country": country, **span}, headers={"Accept": JSON}, zone=zone
        )
        return parsed(_Answer, content, source=self.client.name, zone=zone)

    def _series(
        self,
        zone: str,
        seconds: Sequence[int],
        values: Sequence[object],
        *,
        fetched_at: datetime | None,
    ) -> IntensitySeries:
        if len(seconds) != len(values):
            raise BadAnswer(
                f"{self.client.name} sent {len(seconds)} times and {len(values)} values for zone "
                f"{zone}, so nothing says which belong together"
            )
        if not all(0 < second < LATEST_UNIX_SECONDS for second in seconds):
            raise BadAnswer(f"{self.client.name} sent times that are not Unix seconds")
        readings = [
            RawValue(datetime.fromtimestamp(second, UTC), value)
            for second, value in zip(seconds, values, strict=True)
        ]
        step = None if len(readings) > 1 else QUARTER_HOUR
        return self.origin.series(zone, readings, step=step, fetched_at=fetched_at)
