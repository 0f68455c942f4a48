"""Day-ahead prices of Energy-Charts (Fraunhofer ISE): European bidding zones, without a key.

Route and shape: https://api.energy-charts.info (`/price`): parallel arrays `unix_seconds, price`
and a `unit` such as `EUR / MWh`. Arrays of unequal length are refused, because nothing says at
which end prices are missing.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Final

from pydantic import BaseModel, Field

from lowtide.grid.errors import BadAnswer
from lowtide.grid.providers.answers import JSON, parsed
from lowtide.grid.providers.energy_charts import LATEST_UNIX_SECONDS
from lowtide.grid.providers.http import HttpClient
from lowtide.grid.raw_values import RawValue
from lowtide.prices.providers.base import checked_prices, require_currency
from lowtide.prices.raw_prices import price_points
from lowtide.prices.series import PriceSeries
from lowtide.units import format_timestamp

UNIT: Final = re.compile(r"([A-Z]{3}) ?/ ?MWh")
HOUR: Final = timedelta(hours=1)


class _Prices(BaseModel):
    unix_seconds: list[int] = Field(default_factory=list)
    price: list[object] = Field(default_factory=list)
    unit: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class EnergyChartsPrices:
    """Provider for Energy-Charts; a code is a bidding zone such as `DE-LU`."""

    client: HttpClient
    currency: str
    zone_codes: Mapping[str, str] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """The provider's kind in settings and metrics."""
        return "energy-charts"

    def published(self, zone: str, start: datetime, end: datetime) -> PriceSeries:
        """Return day-ahead prices; those of tomorrow appear in the early afternoon."""
        source = self.client.name
        params = {
            "bzn": self.zone_codes.get(zone, zone),
            "start": format_timestamp(start),
            "end": format_timestamp(end),
        }
        content, _ = self.client.get_json(
            "/price", params=params, headers={"Accept": JSON}, zone=zone
        )
        answer = parsed(_Prices, content, source=source, zone=zone)
        match = UNIT.fullmatch(answer.unit.strip())
        if match is None:
            raise BadAnswer(f"{source} sent prices in {answer.unit[:40]!r} for zone {zone}")
        require_currency(match[1], self.currency, source=source, zone=zone)
        if len(answer.unix_seconds) != len(answer.price):
            raise BadAnswer(
                f"{source} sent {len(answer.unix_seconds)} times and {len(answer.price)} prices "
                f"for zone {zone}, so nothing says which belong together"
            )
        if not all(0 < second < LATEST_UNIX_SECONDS for second in answer.unix_seconds):
            raise BadAnswer(f"{source} sent times that are not Unix seconds")
        values = [
            RawValue(datetime.fromtimestamp(second, UTC), price)
            for second, price in zip(answer.unix_seconds, answer.price, strict=True)
        ]
        step = HOUR if len(values) == 1 else None
        points = price_points(values, source=source, per_mwh=True, step=step)
        return checked_prices(PriceSeries(zone, self.name, points, self.currency), start, end)
