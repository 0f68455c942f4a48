"""Day-ahead prices of the ENTSO-E Transparency Platform (document A44).

A Publication_MarketDocument holds series of periods with `price.amount` per MWh. Where a zone had
auctions of several products the first sequence counts, and of hours and quarter-hours of the same
time the finer. The token sits in the query, which is why no error ever shows one.
"""

import xml.etree.ElementTree as ET
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from lowtide.grid.credentials import Credential
from lowtide.grid.errors import BadAnswer
from lowtide.grid.providers.entsoe import period_text
from lowtide.grid.providers.entsoe_xml import open_document, slot_values
from lowtide.grid.providers.http import HttpClient
from lowtide.prices.providers.base import checked_prices, require_currency
from lowtide.prices.raw_prices import usable_price
from lowtide.prices.series import PricePoint, PriceSeries

FIRST: Final = "1"
SEQUENCE: Final = "{*}classificationSequence_AttributeInstanceComponent.position"


@dataclass(frozen=True, slots=True, kw_only=True)
class EntsoEPrices:
    """Provider for ENTSO-E; a code is the EIC of a bidding zone."""

    client: HttpClient
    credential: Credential
    currency: str
    zone_codes: Mapping[str, str] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """The provider's kind in settings and metrics."""
        return "entsoe"

    def published(self, zone: str, start: datetime, end: datetime) -> PriceSeries:
        """Return day-ahead prices as far as they are published."""
        code = self.zone_codes.get(zone, zone)
        params = {
            "securityToken": self.credential.read(),
            "documentType": "A44",
            "contract_MarketAgreement.type": "A01",
            "in_Domain": code,
            "out_Domain": code,
            "periodStart": period_text(start),
            "periodEnd": period_text(end),
        }
        body = self.client.get("", params=params, zone=zone).body
        points = read_prices_document(body, zone=zone, currency=self.currency)
        return checked_prices(PriceSeries(zone, self.name, points, self.currency), start, end)


def read_prices_document(body: bytes, *, zone: str, currency: str) -> tuple[PricePoint, ...]:
    """Return the prices per kWh in a Publication_MarketDocument.

    Raises:
        NoData: the service acknowledges that it has nothing, with its reason.
        BadAnswer: it is another document, currency or unit, or a time in it is malformed.
    """
    root = open_document(body, zone=zone, kind="Publication_MarketDocument")
    every = root.findall("{*}TimeSeries")
    first = [one for one in every if one.findtext(SEQUENCE, default=FIRST) == FIRST]
    found: dict[timedelta, dict[datetime, float]] = {}
    for series in first or every:
        _require_unit(series, zone, currency)
        for start, step, price in slot_values(series, "price.amount", _is_price):
            found.setdefault(step, {})[start] = price / 1000
    return _finest(found)


def _require_unit(series: ET.Element, zone: str, currency: str) -> None:
    told = series.findtext("{*}currency_Unit.name", default="")
    require_currency(told, currency, source="ENTSO-E", zone=zone)
    unit = series.findtext("{*}price_Measure_Unit.name", default="")
    if unit != "MWH":
        raise BadAnswer(f"ENTSO-E sent prices per {unit[:20]!r} for zone {zone}, not per MWH")


def _is_price(per_mwh: float) -> bool:
    return usable_price(per_mwh, per_mwh=True) is not None


def _finest(found: Mapping[timedelta, Mapping[datetime, float]]) -> tuple[PricePoint, ...]:
    """Return the points of all steps in order, the finer ones where several cover the same time."""
    points: list[PricePoint] = []
    for step in sorted(found):
        finer = {_begin(point, step) for point in points}
        points += [
            PricePoint(start, start + step, price)
            for start, price in found[step].items()
            if start not in finer
        ]
    return tuple(sorted(points, key=lambda point: point.start))


def _begin(point: PricePoint, step: timedelta) -> datetime:
    """Return the start of the coarser slot that a point lies in."""
    hour = point.start.replace(minute=0, second=0, microsecond=0)
    return hour + (point.start - hour) // step * step
