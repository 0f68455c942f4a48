"""A Prometheus query as a source of prices that an exporter already gives.

A range query ends at the present, so such prices are those of the past and of now; later ones are
forecast from them, unless the exporter writes samples ahead of their time.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from lowtide.grid.providers.prometheus_queries import PrometheusQueries
from lowtide.prices.providers.base import checked_prices
from lowtide.prices.raw_prices import price_points
from lowtide.prices.series import PriceSeries


@dataclass(frozen=True, slots=True, kw_only=True)
class PrometheusPrices:
    """Provider for one query; `$zone` in it stands for the zone's code."""

    queries: PrometheusQueries
    query: str
    currency: str
    per_mwh: bool = False
    zone_codes: Mapping[str, str] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """The provider's kind in settings and metrics."""
        return "prometheus"

    def published(self, zone: str, start: datetime, end: datetime) -> PriceSeries:
        """Return the query's values at the beginning of every slot."""
        code = self.zone_codes.get(zone, zone)
        values = self.queries.over(self.query, zone, code, start, end)
        points = price_points(
            values,
            source=self.queries.client.name,
            per_mwh=self.per_mwh,
            step=self.queries.step,
        )
        return checked_prices(PriceSeries(zone, self.name, points, self.currency), start, end)
