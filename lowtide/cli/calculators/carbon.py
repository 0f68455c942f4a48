"""`lowtide calc sci` and `lowtide calc embodied`."""

import dataclasses

import click

from lowtide.cli.calculators.output import calculator, choice_of
from lowtide.metrics.embodied import (
    DEFAULT_LIFESPAN_SECONDS,
    Components,
    embodied_components,
    embodied_share,
)
from lowtide.metrics.result import Caution, MetricError, Refusal, Result
from lowtide.metrics.sci import FunctionalUnitKind, Scope, operational, sci
from lowtide.metrics.uncertainty import Bounds, sci_uncertainty


@click.command("sci")
@click.option("--energy-kwh", type=float, multiple=True, help="Energy; repeat for each interval.")
@click.option(
    "--intensity", type=float, multiple=True, help="g/kWh; once, or as often as --energy-kwh."
)
@click.option("--operational-grams", type=float, help="O, instead of energy and intensity.")
@click.option("--embodied-grams", type=float, help="M; without it SCI is undefined.")
@click.option("--functional-units", type=float, default=1, show_default=True, help="R.")
@click.option(
    "--unit",
    default=str(FunctionalUnitKind.TRAINING_JOB),
    show_default=True,
    help=f"What R counts: {', '.join(FunctionalUnitKind)}, or a name of your own.",
)
@click.option("--pue", type=float, help="Data-centre overhead, at least 1.")
@click.option("--scope", type=choice_of(Scope), default=str(Scope.LOCATION))
@click.option("--energy-error", type=float, help="Relative half width of the energy, 0 to 1.")
@click.option("--intensity-error", type=float, help="Relative half width of the intensity, 0 to 1.")
@click.option("--embodied-range", type=(float, float), help="Lower and upper bound of M in grams.")
@calculator
def sci_command(
    energy_kwh: tuple[float, ...],
    intensity: tuple[float, ...],
    operational_grams: float | None,
    embodied_grams: float | None,
    functional_units: float,
    unit: str,
    pue: float | None,
    scope: str,
    energy_error: float | None,
    intensity_error: float | None,
    embodied_range: tuple[float, float] | None,
) -> Result:
    r"""Software Carbon Intensity, (O + M) / R.

    \b
    Examples:
      lowtide calc sci --energy-kwh 450 --intensity 250 --embodied-grams 800 \
                       --functional-units 100000
      lowtide calc sci --energy-kwh 1 --energy-kwh 2 --intensity 100 --intensity 400 \
                       --embodied-grams 20 --output json
    """
    if operational_grams is not None and (energy_kwh or intensity or pue is not None):
        raise click.UsageError(
            "give --operational-grams, which is O itself, or --energy-kwh with --intensity and "
            "--pue, not both"
        )
    if Scope(scope) is not Scope.LOCATION:
        # O is refused too where a market-based factor went into it.
        operational(energy_kwh=(), intensity_grams_per_kwh=(), scope=Scope(scope))
    if operational_grams is None and not energy_kwh:
        raise click.UsageError(
            "the energy is missing: give --energy-kwh with --intensity, or --operational-grams"
        )
    warnings: tuple[Caution, ...] = ()
    kwh, coverage = None, None
    grams = operational_grams
    if energy_kwh:
        per_interval: tuple[float | None, ...] = intensity
        if len(intensity) <= 1:
            per_interval = (intensity or (None,)) * len(energy_kwh)
        part = operational(
            energy_kwh=energy_kwh,
            intensity_grams_per_kwh=per_interval,
            pue=pue,
            scope=Scope(scope),
        )
        grams, warnings, coverage = part.value, part.warnings, part.coverage
        kwh = part.parameters["energy_kwh"]
    result = sci(
        operational_grams=grams,
        embodied_grams=embodied_grams,
        functional_units=functional_units,
        functional_unit=unit,
        energy_kwh=kwh,
        warnings=warnings,
    )
    # The share of the energy with a known intensity; the energy itself is complete.
    result = dataclasses.replace(result, coverage=coverage)
    wants_range = energy_error is not None or intensity_error is not None or embodied_range
    if result.value is None or grams is None or embodied_grams is None or not wants_range:
        return result
    low, high = embodied_range or (embodied_grams, embodied_grams)
    range_ = sci_uncertainty(
        operational_grams=grams,
        embodied=Bounds(embodied_grams, low, high),
        functional_units=functional_units,
        energy_ratio=energy_error,
        intensity_ratio=intensity_error,
    )
    return dataclasses.replace(result, uncertainty=range_)


@click.command("embodied")
@click.option(
    "--method", type=click.Choice(["share", "components"]), default="share", show_default=True
)
@click.option("--total-grams", type=float, help="TE of the hardware (method share).")
@click.option("--hours", type=float, required=True, help="TiR, the time it was reserved.")
@click.option(
    "--lifespan-hours",
    type=float,
    default=DEFAULT_LIFESPAN_SECONDS / 3600,
    show_default=True,
    help="EL.",
)
@click.option("--reserved", type=float, default=1, show_default=True, help="RR, for example GPUs.")
@click.option("--total", type=float, default=1, show_default=True, help="ToR, of the whole node.")
@click.option("--vcpus", type=float, default=1, show_default=True)
@click.option("--memory-gb", type=float, default=16, show_default=True)
@click.option("--ssd", type=float, default=0, help="Solid-state drives.")
@click.option("--hdd", type=float, default=0, help="Hard disks.")
@click.option("--gpus", type=float, default=0)
@click.option("--usage-ratio", type=float, default=1, show_default=True)
@calculator
def embodied_command(
    method: str,
    total_grams: float | None,
    hours: float,
    lifespan_hours: float,
    reserved: float,
    total: float,
    vcpus: float,
    memory_gb: float,
    ssd: float,
    hdd: float,
    gpus: float,
    usage_ratio: float,
) -> Result:
    r"""Embodied emissions of a run, by share of a known total or from a server's parts.

    \b
    Examples:
      lowtide calc embodied --total-grams 1000000 --hours 1
      lowtide calc embodied --method components --hours 1 --vcpus 4 --gpus 1
    """
    if method == "components":
        parts = Components(
            vcpus=vcpus, memory_gigabytes=memory_gb, ssd_drives=ssd, hdd_drives=hdd, gpus=gpus
        )
        return embodied_components(
            parts,
            duration_seconds=hours * 3600,
            lifespan_seconds=lifespan_hours * 3600,
            usage_ratio=usage_ratio,
        )
    if total_grams is None:
        raise MetricError(
            Refusal.OUT_OF_DOMAIN,
            "total_grams",
            "method share needs --total-grams; use --method components to estimate it from parts",
        )
    return embodied_share(
        total_embodied_grams=total_grams,
        reserved_seconds=hours * 3600,
        lifespan_seconds=lifespan_hours * 3600,
        reserved_resources=reserved,
        total_resources=total,
    )
