"""ENTSO-E Transparency Platform: European zones, intensity derived from generation and forecasts.

The platform has no intensity. Actual values are computed from generation by type; the forecast is
the day-ahead load minus the day-ahead wind and sun, at the residual mix of the last day. Both are
a model (see `entsoe_mix`), so series name themselves "entsoe (derived)". The token sits in the
query, which is why no error ever shows one. Too many requests are answered with a ban of ten
minutes; the factory's throttle stays far below.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Final

from lowtide.grid.credentials import Credential
from lowtide.grid.errors import BadAnswer, NoData
from lowtide.grid.providers.answers import spans
from lowtide.grid.providers.base import checked_actuals, checked_forecast
from lowtide.grid.providers.entsoe_documents import NO_TYPE, Document, read_document
from lowtide.grid.providers.entsoe_mix import (
    DIRECT_GRAMS_PER_KWH,
    expected_by_hour,
    intensity_by_hour,
    residual_intensity,
    unknown_types,
)
from lowtide.grid.providers.entsoe_xml import HOUR
from lowtide.grid.providers.service import ServiceProvider
from lowtide.grid.raw_values import RawValue
from lowtide.grid.series import IntensitySeries

RANGE_MAX: Final = timedelta(days=14)
"""A fortnight of quarter-hours by type is about 3 MB; the platform would allow a year."""
HORIZON: Final = timedelta(hours=48)
MIX_SPAN: Final = timedelta(hours=30)
"""Generation is published an hour or more late, so 24 known hours need a little more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EntsoE(ServiceProvider):
    """Provider for ENTSO-E; a code is the EIC of a bidding zone."""

    credential: Credential
    factors_grams_per_kwh: Mapping[str, float] = field(default_factory=lambda: DIRECT_GRAMS_PER_KWH)

    def forecast(self, zone: str, now: datetime) -> IntensitySeries:
        """Return derived average intensity as far as the day-ahead forecasts reach."""
        begin = now.replace(minute=0, second=0, microsecond=0)
        end = begin + HORIZON
        load = self._ask(zone, "A65", "A01", begin, end, domain="outBiddingZone_Domain")
        renewable = self._ask(zone, "A69", "A01", begin, end)
        past = self._ask(zone, "A75", "A16", begin - MIX_SPAN, begin)
        self._require_factors(past, zone)
        residual = residual_intensity(past.megawatts, self.factors_grams_per_kwh)
        if residual is None:
            raise NoData(f"ENTSO-E has no recent generation for zone {zone} to derive a mix from")
        expected = expected_by_hour(load.megawatts.get(NO_TYPE, {}), renewable.megawatts, residual)
        series = self.origin.series(
            zone,
            [RawValue(hour, value) for hour, value in expected.items()],
            step=HOUR,
            fetched_at=now,
            generated_at=load.created_at,
        )
        return checked_forecast(series, now)

    def actuals(self, zone: str, start: datetime, end: datetime) -> IntensitySeries:
        """Return average intensity derived from what was generated; revised for some days."""
        known: dict[datetime, float] = {}
        for first, last in spans(start.replace(minute=0, second=0, microsecond=0), end, RANGE_MAX):
            document = self._ask(zone, "A75", "A16", first, last)
            self._require_factors(document, zone)
            known |= intensity_by_hour(document.megawatts, self.factors_grams_per_kwh)
        readings = [RawValue(hour, value) for hour, value in sorted(known.items())]
        return checked_actuals(self.origin.series(zone, readings, step=HOUR), start, end)

    def _ask(
        self,
        zone: str,
        document_type: str,
        process_type: str,
        start: datetime,
        end: datetime,
        *,
        domain: str = "in_Domain",
    ) -> Document:
        params = {
            "securityToken": self.credential.read(),
            "documentType": document_type,
            "processType": process_type,
            domain: self.code_of(zone),
            "periodStart": period_text(start),
            "periodEnd": period_text(end),
        }
        return read_document(self.client.get("", params=params, zone=zone).body, zone=zone)

    def _require_factors(self, document: Document, zone: str) -> None:
        missing = unknown_types(document.megawatts, self.factors_grams_per_kwh)
        if missing:
            raise BadAnswer(
                f"zone {zone} generates with production types {', '.join(missing)[:80]}, for "
                "which no emission factor is known: add them to factorsGramsPerKwh"
            )


def period_text(moment: datetime) -> str:
    """Return a time as the platform wants it: `202603011200`, UTC."""
    return moment.astimezone(UTC).strftime("%Y%m%d%H%M")
