"""Options for prices and for the objective, with the same wording everywhere."""

import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from lowtide.planning.errors import RequestError
from lowtide.planning.objective import Objective, ObjectiveKind

Command = TypeVar("Command", bound=Callable[..., Any])


def prices_option(*, multiple: bool) -> Callable[[Command], Command]:
    """Add --prices: one file, or one for each trace."""
    return click.option(
        "--prices",
        multiple=multiple,
        type=click.Path(exists=True, dir_okay=False, path_type=Path),
        help="CSV with time and a price column that names currency and unit, such as eur_per_mwh.",
    )


def objective_options(command: Command) -> Command:
    """Add --objective and --price-per-tonne; pass one `objective`."""

    @click.option(
        "--objective",
        "kind",
        type=click.Choice([str(kind).lower() for kind in ObjectiveKind]),
        default=str(ObjectiveKind.CARBON).lower(),
        show_default=True,
        help="What is minimised: grams, money, or money with a price on every tonne.",
    )
    @click.option(
        "--price-per-tonne",
        type=click.FloatRange(min=0),
        help="Price of a tonne of CO2 equivalent, in the currency of the prices; for both.",
    )
    @functools.wraps(command)
    def with_objective(
        *arguments: Any, kind: str, price_per_tonne: float | None, **options: Any
    ) -> Any:
        if (kind == "both") != (price_per_tonne is not None):
            raise click.UsageError("--objective both and --price-per-tonne go together")
        try:
            objective = Objective(ObjectiveKind(kind.capitalize()), price_per_tonne)
        except RequestError as error:
            raise click.UsageError(str(error)) from error
        return command(*arguments, objective=objective, **options)

    return with_objective  # type: ignore[return-value]  # click only looks at its options
