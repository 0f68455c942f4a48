"""`lowtide calc predict`: a full run predicted from its first epochs."""

import click

from lowtide.cli.calculators.output import calculator
from lowtide.metrics.result import Result
from lowtide.metrics.scaling import predict_from_shares, predict_total


@click.command("predict")
@click.option("--epoch", type=float, multiple=True, help="Amount of a finished epoch; repeat.")
@click.option("--planned", type=int, help="Number of epochs of the full run.")
@click.option("--drop-first", is_flag=True, help="Do not learn from the first epoch (warm-up).")
@click.option(
    "--share",
    type=(float, float),
    multiple=True,
    help="Share of the data (0 to 1) and the amount of that run; repeat.",
)
@click.option("--unit", default="J", show_default=True, help="Unit of the amounts.")
@calculator
def predict_command(
    epoch: tuple[float, ...],
    planned: int | None,
    drop_first: bool,
    share: tuple[tuple[float, float], ...],
    unit: str,
) -> Result:
    r"""Energy (or time) of a full training run, with a 95 % interval.

    \b
    Examples:
      lowtide calc predict --epoch 153 --epoch 151 --epoch 157 --planned 15 --unit s
      lowtide calc predict --share 0.1 19 --share 0.2 28 --share 0.5 55 --unit kWh

    It holds if all epochs run and are alike; early stopping and drift break it.
    """
    if bool(epoch) == bool(share):
        raise click.UsageError("give --epoch values with --planned, or --share pairs")
    if share:
        return predict_from_shares(
            [f for f, _ in share], [amount for _, amount in share], unit=unit
        )
    if planned is None:
        raise click.UsageError("--planned is missing: how many epochs does the full run have?")
    return predict_total(epoch, planned=planned, unit=unit, drop_first=drop_first)
