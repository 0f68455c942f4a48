"""`lowtide calc rating`: letters A to E against a reference set."""

from pathlib import Path

import click

from lowtide.cli.calculators.output import calculator, choice_of
from lowtide.metrics.compound import Compound
from lowtide.metrics.figure_domains import require_property
from lowtide.metrics.properties import PROPERTIES, Task
from lowtide.metrics.rating import Missing, rate
from lowtide.metrics.reference import ReferenceSet
from lowtide.metrics.result import MetricError, Mode, Refusal, Result
from lowtide.records.errors import ReportError
from lowtide.records.imagenet import environments, published_reference
from lowtide.records.references import read_reference
from lowtide.records.tables import parse_number


@click.command("rating")
@click.option(
    "--value",
    "values",
    multiple=True,
    help=f"KEY=NUMBER; repeat. Keys: {', '.join(PROPERTIES)}.",
)
@click.option(
    "--reference",
    type=click.Path(path_type=Path, dir_okay=False, exists=True),
    help="Reference set as JSON or YAML; without it the shipped ImageNet set is used.",
)
@click.option("--task", type=choice_of(Task), default=str(Task.TRAINING))
@click.option("--environment", help="Environment of the shipped set, for example 'A100 x8'.")
@click.option("--compound", type=choice_of(Compound), default=str(Compound.OPTIMISTIC_MEDIAN))
@click.option("--missing", type=choice_of(Missing), default=str(Missing.UNDEFINED))
@click.option(
    "--mode",
    type=click.Choice([str(Mode.CORRECT), str(Mode.MLEE), str(Mode.STREP)]),
    default=str(Mode.CORRECT),
)
@calculator
def rating_command(
    values: tuple[str, ...],
    reference: Path | None,
    task: str,
    environment: str | None,
    compound: str,
    missing: str,
    mode: str,
) -> Result:
    r"""Rate a job's properties A to E, and give them one compound letter.

    \b
    Example:
      lowtide calc rating --task training --value training_energy=17.8 \
        --value training_energy_per_epoch=0.198 --value training_time=11 \
        --value training_time_per_epoch=0.12 --value accuracy_top1=0.70 \
        --value accuracy_top5=0.89 --value parameters=25.6 --value operations=4.1 \
        --value file_size=103
    """
    chosen = _load(reference) if reference else _shipped(Task(task), environment)
    rating = rate(
        _parse(values),
        chosen,
        compound=Compound(compound),
        missing=Missing(missing),
        mode=Mode(mode),
    )
    return rating.to_result()


def _parse(texts: tuple[str, ...]) -> dict[str, float | None]:
    parsed: dict[str, float | None] = {}
    for text in texts:
        key, _, number = text.partition("=")
        if key not in PROPERTIES:
            raise MetricError(
                Refusal.OUT_OF_DOMAIN,
                "value",
                f"{key!r} is not a property: use one of {', '.join(PROPERTIES)}",
            )
        try:
            value = parse_number(number)
        except ValueError as error:
            raise MetricError(Refusal.OUT_OF_DOMAIN, key, f"{key}: {error}") from error
        if key in parsed:
            raise MetricError(Refusal.OUT_OF_DOMAIN, key, f"{key} is given twice: keep one")
        require_property(key, value)
        parsed[key] = value
    return parsed


def _load(path: Path) -> ReferenceSet:
    try:
        return read_reference(path)
    except ReportError as error:
        raise click.ClickException(str(error)) from error


def _shipped(task: Task, environment: str | None) -> ReferenceSet:
    known = environments(task)
    fitting = [name for name in known if environment is None or name.startswith(environment)]
    if not fitting:
        raise MetricError(
            Refusal.OUT_OF_DOMAIN,
            "environment",
            f"no environment of the shipped set starts with {environment!r}: {', '.join(known)}",
        )
    if len(fitting) > 1 and environment not in fitting:
        raise MetricError(
            Refusal.OUT_OF_DOMAIN,
            "environment",
            "energy and time compare only within one environment: give --environment with one of "
            f"{', '.join(fitting)}",
        )
    return published_reference(task, environment if environment in fitting else fitting[0])
