"""Embodied emissions (M of SCI): what making the hardware emitted, shared over its life.

Two methods and no silent switch between them: `share` (TE * TiR/EL * RR/ToR, GSF SCI specification
1.1) when the total is known, `components` (GSF Impact Framework 1.1, SCI embodied plugin) when it
must be estimated from parts. Source: docs/explanation/metrics.md#embodied-emissions.
"""

from dataclasses import asdict, dataclass
from typing import Final

from lowtide.metrics.domain import require_above, require_at_least, require_ratio
from lowtide.metrics.result import Caution, MetricError, Refusal, Result

DEFAULT_LIFESPAN_SECONDS: Final = 126_144_000
"""Four years of 8,760 hours (GSF SCI guide)."""

SHARE = "share: M = TE * (TiR / EL) * (RR / ToR), GSF SCI specification 1.1"
COMPONENTS = "components: M = TE * usage_ratio * time / lifespan, GSF Impact Framework 1.1"


@dataclass(frozen=True, slots=True, kw_only=True)
class Components:
    """A server as a list of parts, with the coefficients of GSF Impact Framework 1.1.

    The coefficients are the tool's defaults, not measurements.
    """

    vcpus: float = 1
    memory_gigabytes: float = 16
    ssd_drives: float = 0
    """Number of solid-state drives."""
    hdd_drives: float = 0
    """Number of hard disks."""
    gpus: float = 0
    baseline_grams: float = 1_000_000
    """A server with one vCPU and 16 GB of memory."""
    grams_per_vcpu: float = 100_000
    """For each vCPU after the first."""
    memory_kilograms_per_gigabyte: float = 533 / 384
    """Kilograms, as in the source (533 kg for 384 GB); for each gigabyte above 16."""
    grams_per_ssd: float = 50_000
    grams_per_hdd: float = 100_000
    grams_per_gpu: float = 150_000
    """Rough; prefer the maker's figure."""

    def total_grams(self) -> float:
        """Return TE, the embodied emissions of the whole server in grams.

        Raises:
            MetricError: out_of_domain for a negative or non-finite count or coefficient, or where
                the sum of the parts falls below zero.
        """
        for name, value in asdict(self).items():
            require_at_least(name, value)
        total = (
            self.baseline_grams
            + (self.vcpus - 1) * self.grams_per_vcpu
            + (self.memory_gigabytes - 16) * self.memory_kilograms_per_gigabyte * 1000
            + self.ssd_drives * self.grams_per_ssd
            + self.hdd_drives * self.grams_per_hdd
            + self.gpus * self.grams_per_gpu
        )
        return require_at_least("embodied total of the components", total)


def embodied_share(
    *,
    total_embodied_grams: float,
    reserved_seconds: float,
    lifespan_seconds: float = DEFAULT_LIFESPAN_SECONDS,
    reserved_resources: float = 1,
    total_resources: float = 1,
) -> Result:
    """Return M in grams: TE * TiR/EL * RR/ToR.

    Warns `share_above_one` where the hardware was reserved for longer than its life.

    Raises:
        MetricError: out_of_domain.
    """
    require_at_least("total_embodied_grams", total_embodied_grams)
    require_at_least("reserved_seconds", reserved_seconds)
    require_above("lifespan_seconds", lifespan_seconds)
    require_at_least("reserved_resources", reserved_resources)
    require_above("total_resources", total_resources)
    if reserved_resources > total_resources:
        raise MetricError(
            Refusal.OUT_OF_DOMAIN,
            "reserved_resources",
            f"reserved_resources is {reserved_resources:g}, more than the total of "
            f"{total_resources:g}: reserve at most all of them",
        )
    time_share = reserved_seconds / lifespan_seconds
    return Result(
        name="embodied",
        value=total_embodied_grams * time_share * (reserved_resources / total_resources),
        unit="gCO2eq",
        warnings=(Caution.SHARE_ABOVE_ONE,) if time_share > 1 else (),
        parameters={
            "total_embodied_grams": total_embodied_grams,
            "reserved_seconds": reserved_seconds,
            "lifespan_seconds": lifespan_seconds,
            "reserved_resources": reserved_resources,
            "total_resources": total_resources,
        },
        method=SHARE,
    )


def embodied_components(
    components: Components,
    *,
    duration_seconds: float,
    lifespan_seconds: float = DEFAULT_LIFESPAN_SECONDS,
    usage_ratio: float = 1,
) -> Result:
    """Return M in grams from the parts of a server.

    Warns `share_above_one` where the duration exceeds the lifespan.

    Raises:
        MetricError: out_of_domain.
    """
    require_at_least("duration_seconds", duration_seconds)
    require_above("lifespan_seconds", lifespan_seconds)
    require_ratio("usage_ratio", usage_ratio)
    total = components.total_grams()
    return Result(
        name="embodied",
        value=total * usage_ratio * duration_seconds / lifespan_seconds,
        unit="gCO2eq",
        warnings=(Caution.SHARE_ABOVE_ONE,) if duration_seconds > lifespan_seconds else (),
        parameters={
            **asdict(components),
            "total_embodied_grams": total,
            "duration_seconds": duration_seconds,
            "lifespan_seconds": lifespan_seconds,
            "usage_ratio": usage_ratio,
        },
        method=COMPONENTS,
    )
