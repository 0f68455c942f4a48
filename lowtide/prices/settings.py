"""The prices section of the settings: what electricity costs in a zone, and the source.

Pydantic models at the edge; `lowtide.prices.providers.factory` turns them into providers. A zone
has one currency, which no provider may contradict and nothing converts.
"""

from datetime import time
from pathlib import Path
from typing import Annotated, Final, Literal, Self
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import Field, field_validator, model_validator

from lowtide.grid.provider_settings import (
    GridSettings,
    PolledSettings,
    PrometheusAccessSettings,
    ServiceSettings,
    TokenSettings,
)
from lowtide.prices.surcharge import Surcharge

LARGEST_RATE: Final = 100.0
"""A fixed price or fee per kWh above this is a fault of units."""
DAYS: Final = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
QUARTER_MINUTES: Final = 15

PerKwh = Annotated[float, Field(ge=-LARGEST_RATE, le=LARGEST_RATE, allow_inf_nan=False)]
DayName = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]


class EnergyChartsPriceSettings(ServiceSettings):
    """Day-ahead prices of Energy-Charts (Europe); `zone` is a bidding zone such as DE-LU."""

    kind: Literal["energy-charts"]
    url: str = "https://api.energy-charts.info"
    refresh_seconds: int = Field(default=3600, ge=1, le=86400)


class EntsoEPriceSettings(TokenSettings):
    """Day-ahead prices of ENTSO-E; `zone` is the EIC of a bidding zone."""

    kind: Literal["entsoe"]
    url: str = "https://web-api.tp.entsoe.eu/api"
    zone: str = Field(pattern=r"^[0-9A-Z-]{16}$")
    refresh_seconds: int = Field(default=900, ge=1, le=86400)


class OctopusPriceSettings(ServiceSettings):
    """Unit rates of Octopus Energy (Great Britain), such as those of Agile; `zone` is A to P."""

    kind: Literal["octopus"]
    url: str = "https://api.octopus.energy"
    zone: str = Field(pattern=r"^[A-HJ-NP]$")
    product: str = Field(min_length=1, max_length=64, pattern=r"^[A-Z0-9-]+$")
    """Code of the product, such as AGILE-24-10-01."""
    vat_included: bool = True
    """Whether rates with value-added tax are taken."""
    refresh_seconds: int = Field(default=1800, ge=1, le=86400)


class PrometheusPriceSettings(PrometheusAccessSettings):
    """A query to a Prometheus server that already holds prices in the zone's currency."""

    kind: Literal["prometheus"]
    per: Literal["kWh", "MWh"] = "kWh"
    """What the price is for."""


class FilePriceSettings(PolledSettings):
    """A CSV file with time and a column that names currency and unit, such as eur_per_mwh."""

    kind: Literal["file"]
    path: Path
    """The CSV file; it is read again when it changes."""
    times_are_utc: bool = False
    """Whether times without an offset are UTC; else they are refused, unless the column says so."""
    refresh_seconds: int = Field(default=10, ge=1, le=86400)
    """How often the file is looked at."""


class TariffPeriodSettings(GridSettings):
    """A price for some hours of some days."""

    per_kwh: PerKwh
    """Price in these hours."""
    start: time = time(0)
    """Beginning on the local clock, such as "07:00"; a multiple of a quarter of an hour."""
    end: time = time(0)
    """End on the local clock; no later than the beginning: on the next day."""
    days: tuple[DayName, ...] = DAYS
    """Days on which the period begins."""

    @field_validator("start", "end")
    @classmethod
    def _on_a_quarter(cls, clock: time) -> time:
        if clock.tzinfo is not None or clock.minute % QUARTER_MINUTES or clock.second:
            raise ValueError("must be a time of the local clock on a quarter of an hour")
        return clock


class TariffPriceSettings(PolledSettings):
    """A supplier's tariff: one price at all times, or by hour and day."""

    kind: Literal["tariff"]
    per_kwh: PerKwh
    """Price at all times, or outside of all periods."""
    periods: tuple[TariffPeriodSettings, ...] = Field(default=(), max_length=48)
    """Other prices by hour and day; the first one that holds counts."""
    time_zone: str = "UTC"
    """Whose clock the periods go by, such as Europe/Berlin."""

    @field_validator("time_zone")
    @classmethod
    def _known_time_zone(cls, name: str) -> str:
        try:
            ZoneInfo(name)
        except (ZoneInfoNotFoundError, ValueError, OSError):
            raise ValueError("is not a time zone such as Europe/Berlin") from None
        return name


PriceProviderSettings = Annotated[
    EnergyChartsPriceSettings
    | EntsoEPriceSettings
    | FilePriceSettings
    | OctopusPriceSettings
    | PrometheusPriceSettings
    | TariffPriceSettings,
    Field(discriminator="kind"),
]


class ZonePriceSettings(GridSettings):
    """What electricity costs in one zone."""

    currency: str = Field(pattern=r"^[A-Z]{3}$")
    """ISO 4217 code, such as EUR; a provider with another one is refused, nothing is converted."""
    providers: tuple[PriceProviderSettings, ...] = Field(min_length=1, max_length=8)
    """Asked in this order; the first one whose prices reach the present counts."""
    fees_per_kwh: PerKwh = 0.0
    """Grid fees and the supplier's share, on top of every price."""
    taxes_per_kwh: PerKwh = 0.0
    """Taxes and levies per kilowatt-hour, on top of every price."""
    tax_ratio: float = Field(default=0.0, ge=0, le=1)
    """Tax on the sum, such as 0.19; 0 where the prices include it or it is refunded."""
    slots_per_day: int | None = Field(default=None, ge=1, le=1440)
    """Slots after which the daily pattern repeats; default: those of 24 hours."""

    @model_validator(mode="after")
    def _octopus_is_in_pounds(self) -> Self:
        if self.currency != "GBP" and any(one.kind == "octopus" for one in self.providers):
            raise ValueError(
                f"provider octopus is in GBP and the zone's currency is {self.currency}: prices "
                "are never converted"
            )
        return self

    @property
    def surcharge(self) -> Surcharge:
        """What comes on top of every price."""
        return Surcharge(self.fees_per_kwh + self.taxes_per_kwh, self.tax_ratio)
