"""Settings of letters and ranges; every number says its unit."""

from pathlib import Path
from typing import Annotated

from pydantic import Field

from lowtide.metrics.compound import Compound
from lowtide.metrics.rating import Missing
from lowtide.metrics.uncertainty import EMBODIED_FACTOR, METER_RATIO
from lowtide.trainingjob.base import ApiModel


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
