"""`lowtide calc predict`: a full run predicted from its first epochs."""

import click

from lowtide.cli.calculators.output import calculator
from lowtide.metrics.result import Result
from lowtide.metrics.scaling import predict_from_shares, predict_total
from lowtide.prediction.whole_run import predicted_total


@click.command("predict")
@click.option("--epoch", type=float, multiple=True, help="Amount of a finished epoch; repeat.")
@click.option("--planned", type=int, help="Number of epochs of the full run.")
@click.option(
    "--textbook",
    is_flag=True,
    help="Mean of the finished epochs with a 95 % t interval, which holds only where epochs are "
    "independent and alike, from three epochs on.",
)
@click.option(
    "--drop-first", is_flag=True, help="With --textbook: do not learn from the first epoch."
)
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
    textbook: bool,
    drop_first: bool,
    share: tuple[tuple[float, float], ...],
    unit: str,
) -> Result:
    r"""Energy (or time) of a full training run, with an interval.

    \b
    Examples:
      lowtide calc predict --epoch 9.1 --epoch 8 --epoch 8.2 --epoch 8.1 --epoch 8 --planned 20
      lowtide calc predict --share 0.1 19 --share 0.2 28 --share 0.5 55 --unit kWh

    From epochs it is the method of a running job's status: a warm-up, a trend and epochs that
    resemble one another are looked for, and the interval should hold in 90 of 100 cases. From
    shares of the data it is a straight line with a 95 % t interval. Both read "if all epochs run".
    """
    if bool(epoch) == bool(share):
        raise click.UsageError("give --epoch values with --planned, or --share pairs")
    if share:
        return predict_from_shares(
            [f for f, _ in share], [amount for _, amount in share], unit=unit
        )
    if planned is None:
        raise click.UsageError("--planned is missing: how many epochs does the full run have?")
    if textbook:
        return predict_total(epoch, planned=planned, unit=unit, drop_first=drop_first)
    if drop_first:
        raise click.UsageError("--drop-first is for --textbook: a warm-up is found by itself")
    return predicted_total(epoch, planned=planned, unit=unit)
