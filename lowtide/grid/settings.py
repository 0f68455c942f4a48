"""The zones section of the operator's settings: which sources tell a zone's intensity.

Pydantic models at the edge; `lowtide.grid.providers.factory` turns them into providers. Field
names are camelCase in YAML. A credential is named by its file or environment variable and can
never be written into the settings themselves. All providers of a zone share the zone's signal:
a chain that would mix average and marginal intensity is refused here.
"""

from pathlib import Path
from typing import Annotated, Final, Literal, Self
from urllib.parse import urlsplit

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, field_validator, model_validator
from pydantic.alias_generators import to_camel

from lowtide.grid.credentials import Credential
from lowtide.grid.series import Factor, Signal
from lowtide.grid.trace import Unit

PUBLIC_REFRESH_MIN_SECONDS: Final = 300
"""How often a public service may be asked at most for the same thing."""


class _Settings(BaseModel):
    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        alias_generator=to_camel,
        populate_by_name=True,
        hide_input_in_errors=True,  # a token pasted in the wrong place must not reach a log
    )


class _Source(_Settings):
    """What every provider's settings have."""

    zone: str | None = Field(default=None, min_length=1, max_length=128)
    """The provider's own code for the zone; default: Lowtide's name of it."""
    factor: Factor = Factor.UNKNOWN
    """Which emissions the values include; reported, never converted."""
    zero_possible: bool | None = None
    """Whether 0 g/kWh can be true; default: only for marginal intensity."""
    refresh_seconds: int = Field(default=PUBLIC_REFRESH_MIN_SECONDS, ge=1, le=86400)
    """How long an answer is reused; at least 300 for a public service."""

    @property
    def signals(self) -> frozenset[Signal]:
        """The signals that the provider can have."""
        return frozenset(Signal)


class _Service(_Source):
    """A provider that is asked over HTTP."""

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

    @model_validator(mode="after")
    def _public_services_are_spared(self) -> Self:
        public = type(self).model_fields["url"].default
        short = self.refresh_seconds < PUBLIC_REFRESH_MIN_SECONDS
        if short and urlsplit(self.url).hostname == urlsplit(str(public)).hostname:
            raise ValueError(
                f"refreshSeconds {self.refresh_seconds} is too short for a public service: "
                f"use {PUBLIC_REFRESH_MIN_SECONDS} or more"
            )
        return self


class _WithToken(_Service):
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


class ReplaySettings(_Settings):
    """Plays a trace of the past from a chosen moment on."""

    trace_start: AwareDatetime
    """The moment of the trace that happens at `wallStart`."""
    wall_start: AwareDatetime | None = None
    """When it happens; default: when the program starts, so a restart begins anew."""
    speed: float = Field(default=1.0, gt=0, le=86400)
    """How many trace seconds pass in one second."""


class FileSettings(_Source):
    """A CSV file; see `lowtide.grid.trace` for the columns."""

    kind: Literal["file"]
    path: Path
    """The CSV file; it is read again when it changes."""
    unit: Unit = Unit.GRAMS_PER_KWH
    """Unit of the column `value`; a column named g_per_kwh says it itself."""
    times_are_utc: bool = False
    """Whether times without an offset are UTC; otherwise they are refused."""
    replay: ReplaySettings | None = None
    """Moves the trace in time."""
    refresh_seconds: int = Field(default=10, ge=1, le=86400)
    """How often the file is looked at."""


class ElectricityMapsSettings(_WithToken):
    """Electricity Maps v4."""

    kind: Literal["electricity-maps"]
    url: str = "https://api.electricitymaps.com/v4"
    horizon_hours: Literal[6, 24, 48, 72] = 72
    """How far ahead to ask."""
    temporal_granularity: Literal["hourly", "15_minutes", "5_minutes"] = "hourly"
    """Length of a slot."""
    factor: Factor = Factor.LIFE_CYCLE
    """Life-cycle or direct; asked for in the request."""

    @property
    def signals(self) -> frozenset[Signal]:
        """Average only."""
        return frozenset({Signal.AVERAGE})


ProviderSettings = Annotated[FileSettings | ElectricityMapsSettings, Field(discriminator="kind")]


class ZoneSettings(_Settings):
    """One zone: its signal, its sources in order of preference, and its slots."""

    signal: Signal = Signal.AVERAGE
    """What intensity means for this zone; never mixed with the other one."""
    providers: tuple[ProviderSettings, ...] = Field(default=(), max_length=8)
    """Asked in this order; the first one that can answer does. Empty: history alone."""
    slots_per_day: int | None = Field(default=None, ge=1, le=1440)
    """Slots after which the daily pattern repeats; default: those of 24 hours."""

    @model_validator(mode="after")
    def _one_signal(self) -> Self:
        for provider in self.providers:
            if self.signal not in provider.signals:
                offered = ", ".join(sorted(provider.signals))
                raise ValueError(
                    f"provider {provider.kind} offers {offered} intensity only, the zone's signal "
                    f"is {self.signal}: average and marginal intensity are never mixed"
                )
        return self
