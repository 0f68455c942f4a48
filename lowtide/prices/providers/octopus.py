"""Unit rates of Octopus Energy (Great Britain): half-hours of Agile, or any other product.

Route and shape: https://developer.octopus.energy/rest/guides/endpoints
(`/v1/products/{product}/electricity-tariffs/{tariff}/standard-unit-rates/`): `results`, newest
first, with `value_inc_vat` in pence per kWh, `valid_from` and `valid_to` (null: until further
notice). No key is needed. A product may have a rate for each way of payment; that for direct debit
is taken. Rates of Agile for the next day appear at about 16:00 local time.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Final
from urllib.parse import quote

from pydantic import BaseModel, Field

from lowtide.grid.errors import BadAnswer
from lowtide.grid.providers.answers import JSON, parse_time, parsed, spans
from lowtide.grid.providers.http import HttpClient
from lowtide.prices.providers.base import checked_prices
from lowtide.prices.raw_prices import usable_price
from lowtide.prices.series import PricePoint, PriceSeries
from lowtide.units import format_timestamp

PENCE_PER_POUND: Final = 100
PAGE_SIZE: Final = 1500
"""The most that the service gives at once: 31 days of half-hours."""
RANGE_MAX: Final = timedelta(days=30)
OTHER_PAYMENT: Final = "NON_DIRECT_DEBIT"


class _Rate(BaseModel):
    value_exc_vat: object = None
    value_inc_vat: object = None
    valid_from: object
    valid_to: object = None
    payment_method: str | None = None


class _Rates(BaseModel):
    results: list[_Rate]
    next: str | None = Field(default=None)


@dataclass(frozen=True, slots=True, kw_only=True)
class OctopusPrices:
    """Provider for one product of Octopus Energy; a code is a region's letter."""

    client: HttpClient
    product: str
    vat_included: bool = True
    zone_codes: Mapping[str, str] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """The provider's kind in settings and metrics."""
        return "octopus"

    @property
    def currency(self) -> str:
        """Pounds; the service gives pence."""
        return "GBP"

    def published(self, zone: str, start: datetime, end: datetime) -> PriceSeries:
        """Return unit rates as far as they are published."""
        points: dict[datetime, PricePoint] = {}
        for first, last in spans(start, end, RANGE_MAX):
            for point in self._rates(zone, first, last):
                points[point.start] = point
        ordered = [points[begin] for begin in sorted(points)]
        for earlier, later in pairwise(ordered):
            if later.start < earlier.end:
                raise BadAnswer(
                    f"{self.client.name} sent two rates for {later.start.isoformat()}, so nothing "
                    "says which is valid"
                )
        series = PriceSeries(zone, self.name, tuple(ordered), self.currency)
        return checked_prices(series, start, end)

    def _rates(self, zone: str, start: datetime, end: datetime) -> list[PricePoint]:
        source = self.client.name
        tariff = f"E-1R-{self.product}-{self.zone_codes.get(zone, zone)}"
        content, _ = self.client.get_json(
            f"/v1/products/{quote(self.product, '')}/electricity-tariffs/{quote(tariff, '')}"
            "/standard-unit-rates/",
            params={
                "period_from": format_timestamp(start),
                "period_to": format_timestamp(end),
                "page_size": str(PAGE_SIZE),
            },
            headers={"Accept": JSON},
            zone=zone,
        )
        answer = parsed(_Rates, content, source=source, zone=zone)
        if answer.next is not None:
            raise BadAnswer(f"{source} sent more than {PAGE_SIZE} rates for zone {zone} at once")
        points = []
        for rate in answer.results:
            if rate.payment_method == OTHER_PAYMENT:
                continue
            begin = parse_time(rate.valid_from, source=source)
            until = end if rate.valid_to is None else parse_time(rate.valid_to, source=source)
            pence = usable_price(rate.value_inc_vat if self.vat_included else rate.value_exc_vat)
            if until > begin:
                pounds = None if pence is None else pence / PENCE_PER_POUND
                points.append(PricePoint(begin, until, pounds))
        return points
