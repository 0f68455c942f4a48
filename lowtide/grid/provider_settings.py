"""Settings of the providers, one pydantic model a kind.

Field names are camelCase in YAML. A credential is named by its file or environment variable and
can never be written into the settings themselves; a wrong value is never shown in an error.
"""

from pathlib import Path
from typing import Annotated, Final, Literal, Self
from urllib.parse import urlsplit

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, field_validator, model_validator
from pydantic.alias_generators import to_camel

from lowtide.grid.credentials import Credential
from lowtide.grid.headers import PlainHeaders
from lowtide.grid.series import Factor, Signal
from lowtide.grid.trace_columns import IntensityUnit

PUBLIC_REFRESH_MIN_SECONDS: Final = 300
"""The shortest time between two equal requests to a public service."""


class GridSettings(BaseModel):
    """Strict: unknown fields are errors, and no error shows a value."""

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        alias_generator=to_camel,
        populate_by_name=True,
        hide_input_in_errors=True,  # a token pasted in the wrong place must not reach a log
    )


class PolledSettings(GridSettings):
    """A source that is asked again and again."""

    zone: str | None = Field(default=None, min_length=1, max_length=128)
    """The provider's own code for the zone; default: Lowtide's name of it."""
    refresh_seconds: int = Field(default=PUBLIC_REFRESH_MIN_SECONDS, ge=1, le=86400)
    """How long an answer is reused; at least 300 for a public service."""


class EndpointSettings(GridSettings):
    """A server that is asked over HTTP."""

    url: str
    """Base URL, http or https, without credentials or query."""
    timeout_seconds: float = Field(default=15.0, gt=0, le=120)
    """Longest silence while waiting for an answer; connecting may take 5 s."""

    @field_validator("url")
    @classmethod
    def _plain_url(cls, url: str) -> str:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError("must be an http or https URL")
        if parts.username or parts.password or parts.query or parts.fragment:
            raise ValueError(
                "must not contain credentials, a query or a fragment: name the token with "
                "tokenFile or tokenEnv"
            )
        return url.rstrip("/")


class ServiceSettings(PolledSettings, EndpointSettings):
    """A source that is asked over HTTP again and again."""

    @model_validator(mode="after")
    def _public_services_are_spared(self) -> Self:
        public = type(self).model_fields["url"].default
        short = self.refresh_seconds < PUBLIC_REFRESH_MIN_SECONDS
        if short and isinstance(public, str) and _host(self.url) == _host(public):
            raise ValueError(
                f"refreshSeconds {self.refresh_seconds} is too short for a public service: "
                f"use {PUBLIC_REFRESH_MIN_SECONDS} or more"
            )
        return self


def _host(url: str) -> str | None:
    return urlsplit(url).hostname


class TokenSettings(ServiceSettings):
    """A service that wants a token."""

    token_file: Path | None = None
    """File that holds the token, for example in a mounted Secret; read at every use."""
    token_env: str | None = Field(default=None, pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")
    """Environment variable that holds the token."""

    @model_validator(mode="after")
    def _one_token(self) -> Self:
        if (self.token_file is None) == (self.token_env is None):
            raise ValueError("name the token with exactly one of tokenFile and tokenEnv")
        return self

    @property
    def credential(self) -> Credential:
        """Where the token is."""
        return Credential(file=self.token_file, variable=self.token_env)


class QuerySettings(EndpointSettings):
    """A Prometheus server, with what its queries need."""

    query: str = Field(min_length=1, max_length=2000)
    """PromQL that gives one series; `$zone` stands for the zone's code."""
    step_seconds: int = Field(default=3600, ge=1, le=86400)
    """Length of a slot."""
    headers: PlainHeaders = Field(default_factory=dict)
    """Sent with every query, such as X-Scope-OrgID for Mimir; nothing secret."""
    token_file: Path | None = None
    """File with a bearer token, where the server wants one."""
    token_env: str | None = Field(default=None, pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")
    """Environment variable with a bearer token."""

    @property
    def credential(self) -> Credential | None:
        """Where the bearer token is, if any."""
        if self.token_file is None and self.token_env is None:
            return None
        return Credential(file=self.token_file, variable=self.token_env)


class PrometheusAccessSettings(ServiceSettings, QuerySettings):
    """A Prometheus server that is asked again and again."""


class _Source(PolledSettings):
    """What every provider of intensity has in its settings."""

    factor: Factor = Factor.UNKNOWN
    """Which emissions the values include, direct or life-cycle; reported, never converted."""
    zero_possible: bool | None = None
    """Whether 0 g/kWh can be true; default: only for marginal intensity."""

    @property
    def signals(self) -> frozenset[Signal]:
        """The signals that the provider can have."""
        return frozenset(Signal)


class _Service(_Source, ServiceSettings):
    """A provider of intensity that is asked over HTTP."""


class _WithToken(_Service, TokenSettings):
    """A service of intensity that wants a token."""


class ReplaySettings(GridSettings):
    """Plays a trace of the past from a chosen moment on."""

    trace_start: AwareDatetime
    """The moment of the trace that is replayed at `wallStart`."""
    wall_start: AwareDatetime | None = None
    """When the replay begins; default: when the program starts, so a restart begins anew."""
    speed: float = Field(default=1.0, gt=0, le=86400)
    """How many trace seconds pass in one second."""


class FileSettings(_Source):
    """A CSV file; see docs/how-to/grid-data.md for the columns."""

    kind: Literal["file"]
    path: Path
    """The CSV file; it is read again when it changes."""
    unit: IntensityUnit | None = None
    """Unit of a column whose name says none; default: g/kWh."""
    times_are_utc: bool = False
    """Whether times without an offset are UTC; else they are refused, unless the column says so."""
    replay: ReplaySettings | None = None
    """Moves the trace in time."""
    refresh_seconds: int = Field(default=10, ge=1, le=86400)
    """How often the file is looked at."""


class _AverageOnly(_Source):
    """A source without marginal intensity."""

    @property
    def signals(self) -> frozenset[Signal]:
        """Average only."""
        return frozenset({Signal.AVERAGE})


class ElectricityMapsSettings(_WithToken, _AverageOnly):
    """Electricity Maps v4."""

    kind: Literal["electricity-maps"]
    url: str = "https://api.electricitymaps.com/v4"
    horizon_hours: Literal[6, 24, 48, 72] = 72
    """How far ahead to ask."""
    temporal_granularity: Literal["hourly", "15_minutes", "5_minutes"] = "hourly"
    """Length of a slot."""
    factor: Factor = Factor.LIFE_CYCLE
    """Life-cycle or direct; asked for in the request."""


class NesoSettings(_Service, _AverageOnly):
    """NESO (Great Britain); `zone` is GB, a region number or the first half of a postcode."""

    kind: Literal["neso"]
    url: str = "https://api.carbonintensity.org.uk"
    zone: str | None = Field(default=None, pattern=r"^(GB|[1-9]|1[0-7]|[A-Z]{1,2}[0-9][0-9A-Z]?)$")
    factor: Factor = Factor.DIRECT


class EnergyChartsSettings(_Service, _AverageOnly):
    """Energy-Charts (Europe); `zone` is a country such as de."""

    kind: Literal["energy-charts"]
    url: str = "https://api.energy-charts.info"
    refresh_seconds: int = Field(default=3600, ge=1, le=86400)


class WattTimeSettings(_Service):
    """WattTime v3; `zone` is a region such as CAISO_NORTH. Marginal, or average (co2_aoer)."""

    kind: Literal["watttime"]
    url: str = "https://api.watttime.org"
    username: str = Field(min_length=1, max_length=256, pattern=r"^[^:\x00-\x1f]+$")
    """Name of the account; not a secret."""
    password_file: Path | None = None
    """File that holds the password, for example in a mounted Secret."""
    password_env: str | None = Field(default=None, pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")
    """Environment variable that holds the password."""
    horizon_hours: int = Field(default=72, ge=1, le=72)
    factor: Factor = Factor.DIRECT

    @model_validator(mode="after")
    def _one_password(self) -> Self:
        if (self.password_file is None) == (self.password_env is None):
            raise ValueError("name the password with exactly one of passwordFile and passwordEnv")
        return self

    @property
    def credential(self) -> Credential:
        """Where the password is."""
        return Credential(file=self.password_file, variable=self.password_env)


class CarbonAwareSdkSettings(_Service):
    """A self-hosted Carbon Aware SDK WebAPI; `zone` is one of its locations."""

    kind: Literal["carbon-aware-sdk"]


class EntsoESettings(_WithToken, _AverageOnly):
    """ENTSO-E Transparency Platform; `zone` is the EIC of a bidding zone."""

    kind: Literal["entsoe"]
    url: str = "https://web-api.tp.entsoe.eu/api"
    zone: str = Field(pattern=r"^[0-9A-Z-]{16}$")
    factors_grams_per_kwh: dict[str, Annotated[float, Field(ge=0, le=5000)]] = Field(
        default_factory=dict
    )
    """Emission factors by production type (B01 to B25) that replace the built-in ones."""
    factor: Factor = Factor.DIRECT
    refresh_seconds: int = Field(default=900, ge=1, le=86400)


class PrometheusProviderSettings(_Service, PrometheusAccessSettings):
    """A query to a Prometheus server that already holds intensity in g/kWh."""

    kind: Literal["prometheus"]
    forecast_query: str | None = Field(default=None, min_length=1, max_length=2000)
    """PromQL that gives one series per lead time."""
    lead_label: str = Field(default="time", pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")
    """Label that holds the lead time, such as +00:30."""
    constant_possible: bool = False
    """Whether a value that does not move for hours can be true, as in a zone of water power."""


ProviderSettings = Annotated[
    CarbonAwareSdkSettings
    | ElectricityMapsSettings
    | EnergyChartsSettings
    | EntsoESettings
    | FileSettings
    | NesoSettings
    | PrometheusProviderSettings
    | WattTimeSettings,
    Field(discriminator="kind"),
]
