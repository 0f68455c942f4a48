"""Settings of a job's accounts: embodied emissions, letters and ranges; numbers say their unit."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Final, Protocol

from pydantic import Field

from lowtide.metrics.compound import Compound
from lowtide.metrics.embodied import DEFAULT_LIFESPAN_SECONDS
from lowtide.metrics.rating import Missing
from lowtide.metrics.uncertainty import EMBODIED_FACTOR, METER_RATIO
from lowtide.trainingjob.base import ApiModel, PositiveDecimal
from lowtide.trainingjob.spec import Price


class RatingSettings(ApiModel):
    """Letters A to E for completed jobs, against reference sets."""

    directory: Path | None = None
    """Folder of reference sets, one JSON or YAML file each, such as `lowtide reference` writes;
    read again when a file changes. The chart mounts `referenceSets.configMap` here."""
    shipped: bool = True
    """Rate ImageNet jobs of a matching environment against the shipped measurements, after all
    sets of the folder."""
    compound: Compound = Compound.OPTIMISTIC_MEDIAN
    """How one letter is made of the letters of the properties."""
    missing: Missing = Missing.UNDEFINED
    """What a property without value does: `undefined` leaves the job without a letter, `worst`
    counts it as E."""


class UncertaintySettings(ApiModel):
    """What is carried into the range of a score."""

    energy_ratio: Annotated[float, Field(ge=0, le=1)] = METER_RATIO
    """Relative half width (95 %) of metered energy; 0.05 is that of uncalibrated GPU meters."""
    intensity_ratio: Annotated[float, Field(ge=0, le=1)] | None = None
    """Relative half width (95 %) of the grid intensity; absent: not carried, and that is said."""
    embodied_factor: Annotated[float, Field(ge=1, le=100)] = EMBODIED_FACTOR
    """Embodied emissions may be this many times lower or higher than the figure used."""


class EmbodiedSettings(ApiModel):
    """Embodied emissions of one GPU with its share of the server."""

    grams_per_gpu: PositiveDecimal
    """Emissions of making it, in grams of CO2 equivalent."""
    lifespan_seconds: Annotated[int, Field(ge=1)] = DEFAULT_LIFESPAN_SECONDS
    """Expected life: four years of 8,760 hours (GSF SCI guide)."""
    source: Annotated[str, Field(max_length=256)] = "settings"
    """Where the figure comes from, shown in the status."""


DEFAULT_EMBODIED: Final[Mapping[str, EmbodiedSettings]] = {
    "NVIDIA A100": EmbodiedSettings(
        grams_per_gpu="318000",
        source="Chien et al., HotCarbon 2023: A100 with its share of the server",
    ),
    "NVIDIA H100": EmbodiedSettings(
        grams_per_gpu="164000",
        source="NVIDIA product carbon footprint summary, HGX H100: an eighth of the board",
    ),
    "default": EmbodiedSettings(
        grams_per_gpu="150000", source="GSF Impact Framework 1.1, SCI-E default per GPU (rough)"
    ),
}


class AccountSettings(Protocol):
    """Settings that the accounts of a job need; the operator's are some, a run's own are others."""

    @property
    def embodied(self) -> Mapping[str, EmbodiedSettings]:
        """Embodied emissions by GPU model; `default` is for all others."""

    @property
    def price(self) -> Price | None:
        """Price of jobs that state none."""

    @property
    def rating(self) -> RatingSettings:
        """Letters A to E."""

    @property
    def uncertainty(self) -> UncertaintySettings:
        """The range of the score."""

    @property
    def scrape_interval_seconds(self) -> float:
        """Distance between two samples."""
