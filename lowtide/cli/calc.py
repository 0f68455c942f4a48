"""`lowtide calc`: every metric as a calculator with typed values."""

import click

from lowtide.cli.calculators.accuracy import (
    apc_command,
    apec_command,
    sam_command,
    ttcapc_command,
    ttcapec_command,
)
from lowtide.cli.calculators.carbon import embodied_command, sci_command
from lowtide.cli.calculators.prediction import predict_command
from lowtide.cli.calculators.rating import rating_command


@click.group("calc")
def command() -> None:
    r"""Calculate a metric from numbers you type.

    \b
    Examples:
      lowtide calc sam --accuracy 0.8 --energy 100 --unit Wh --alpha 5 --beta 5
      lowtide calc sci --energy-kwh 450 --intensity 250 --embodied-grams 800 --functional-units 1e5

    An undefined figure is a result with its reason (exit code 0); an input outside its domain is
    wrong use (exit code 2).
    """


for calculator in (
    sci_command,
    embodied_command,
    sam_command,
    apc_command,
    apec_command,
    ttcapc_command,
    ttcapec_command,
    rating_command,
    predict_command,
):
    command.add_command(calculator)
