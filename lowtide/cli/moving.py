"""Cost of moving a job's data to another zone, as it is stated on the command line.

What the objective needs must be given: no figure per gigabyte is guessed.
"""

import functools
from collections.abc import Callable
from typing import Any, TypeVar

import click

from lowtide.planning.moving import Moving
from lowtide.planning.objective import Objective, ObjectiveKind

Command = TypeVar("Command", bound=Callable[..., Any])


def moving_options(command: Command) -> Command:
    """Add the options about data; pass `moving`, `None` where none are to be moved.

    Use below `objective_options` and with an argument `zones`.
    """

    @click.option("--data", type=click.FloatRange(min=0), metavar="GB", help="Data to move.")
    @click.option("--data-at", metavar="ZONE", help="Zone where the data are.")
    @click.option(
        "--energy",
        type=click.FloatRange(min=0, min_open=True),
        metavar="KWH",
        help="Energy of the job, which moving is set against.",
    )
    @click.option(
        "--grams-per-gb", type=click.FloatRange(min=0), help="Emissions of moving a gigabyte."
    )
    @click.option(
        "--price-per-gb",
        type=click.FloatRange(min=0),
        help="Money for moving a gigabyte, in the currency of the prices.",
    )
    @functools.wraps(command)
    def with_moving(
        *arguments: Any,
        data: float | None,
        data_at: str | None,
        energy: float | None,
        grams_per_gb: float | None,
        price_per_gb: float | None,
        **options: Any,
    ) -> Any:
        given = (data_at, energy, grams_per_gb, price_per_gb)
        moving = None
        if data is None and any(one is not None for one in given):
            raise click.UsageError("--data-at, --energy and the costs per GB describe --data")
        if data is not None:
            if data_at is None or energy is None:
                raise click.UsageError("--data needs --data-at and --energy")
            if data_at not in options["zones"]:
                raise click.UsageError(f"--data-at {data_at} is not among the zones: add it there")
            moving = Moving(
                gigabytes=data,
                home=data_at,
                energy_kwh=energy,
                grams_per_gb=grams_per_gb,
                price_per_gb=price_per_gb,
            )
            _require(moving, options["objective"])
        return command(*arguments, moving=moving, **options)

    return with_moving  # type: ignore[return-value]  # click only looks at its options


def _require(moving: Moving, objective: Objective) -> None:
    """Refuse data whose moving the objective cannot weigh.

    Raises:
        click.UsageError: a cost per gigabyte is missing.
    """
    by_grams = objective.kind is not ObjectiveKind.COST
    if by_grams and moving.grams_per_gb is None:
        raise click.UsageError(f"--objective {objective.kind.lower()} needs --grams-per-gb")
    if objective.needs_prices and moving.price_per_gb is None:
        raise click.UsageError(f"--objective {objective.kind.lower()} needs --price-per-gb")
