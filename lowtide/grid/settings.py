"""The zones section of the operator's settings: which sources tell a zone's intensity.

Pydantic models at the edge; `lowtide.grid.providers.factory` turns them into providers. All
providers of a zone share the zone's signal: a chain that would mix average and marginal intensity
is refused here.
"""

from pathlib import Path
from typing import Self

from pydantic import Field, model_validator

from lowtide.grid.provider_settings import GridSettings, ProviderSettings
from lowtide.grid.series import Signal


class ClimatologySettings(GridSettings):
    """A table of usual intensity; see `lowtide.grid.climatology` for its columns."""

    path: Path
    """CSV file with month, hour and g_per_kwh."""
    origin: str = Field(min_length=1, max_length=200)
    """Who measured it and when; shown with every plan that rests on it."""


class ZoneSettings(GridSettings):
    """One zone: its signal, its sources in order of preference, and its slots."""

    signal: Signal = Signal.AVERAGE
    """What intensity means for this zone; never mixed with the other one."""
    providers: tuple[ProviderSettings, ...] = Field(default=(), max_length=8)
    """Asked in this order; the first one that can answer does. Empty: history alone."""
    slots_per_day: int | None = Field(default=None, ge=1, le=1440)
    """Slots after which the daily pattern repeats; default: those of 24 hours."""

    climatology: ClimatologySettings | None = None
    """Used where neither a provider nor three days of history exist."""

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
