"""`lowtide calc sam`, `apc`, `apec`, `ttcapc` and `ttcapec`."""

from pathlib import Path
from typing import Final

import click

from lowtide.cli.calculators.output import calculator, choice_of
from lowtide.metrics.apc import DEFAULT_A, DEFAULT_B, DEFAULT_B_COST, ConsumptionUnit, apc, apec
from lowtide.metrics.closest import (
    DELTA_ACCURACY,
    DELTA_CONSUMPTION,
    DELTA_COST,
    ApcGrid,
    TrainingPoint,
    time_to_closest,
)
from lowtide.metrics.result import Result
from lowtide.metrics.sam import EnergyUnit, sam
from lowtide.records.documents import read_text
from lowtide.records.errors import ReportError
from lowtide.records.tables import parse_number, parse_table

UNITS: Final = {"inference": ConsumptionUnit.WH_PER_INFERENCE, "hour": ConsumptionUnit.WH_PER_HOUR}

unit_option = click.option(
    "--per",
    type=click.Choice(list(UNITS)),
    help="The consumption is Wh per inference, or Wh per hour (= mean W); decides b's default.",
)
a_option = click.option("--a", type=float, default=DEFAULT_A, show_default=True)
b_option = click.option("--b", type=float, help="Weight; its default belongs to --per.")


@click.command("sam")
@click.option("--accuracy", type=float, required=True, help="A fraction, 0 to 1.")
@click.option("--energy", type=float, required=True, help="Training electricity in --unit.")
@click.option("--unit", type=choice_of(EnergyUnit), required=True)
@click.option("--alpha", type=float, default=5, show_default=True)
@click.option("--beta", type=float, default=5, show_default=True)
@calculator
def sam_command(accuracy: float, energy: float, unit: str, alpha: float, beta: float) -> Result:
    r"""SAM = beta * accuracy^alpha / log10(energy).

    \b
    Example:
      lowtide calc sam --accuracy 0.8 --energy 100 --unit Wh --alpha 5 --beta 5

    Rankings flip with the unit, so it is part of the name and has no default.
    """
    return sam(accuracy=accuracy, energy=energy, unit=EnergyUnit(unit), alpha=alpha, beta=beta)


@click.command("apc")
@click.option("--accuracy", type=float, required=True, help="A fraction, 0 to 1.")
@click.option("--consumption", type=float, required=True, help="Wh per inference or per hour.")
@unit_option
@a_option
@b_option
@calculator
def apc_command(
    accuracy: float, consumption: float, per: str | None, a: float, b: float | None
) -> Result:
    r"""APC: accuracy weighed against consumption.

    \b
    Examples:
      lowtide calc apc --accuracy 0.9 --consumption 1 --a 0.1 --b 1
      lowtide calc apc --accuracy 0.9056 --consumption 10.4 --per hour
    """
    unit = UNITS[per] if per else None
    return apc(accuracy=accuracy, consumption=consumption, unit=unit, a=a, b=b)


@click.command("apec")
@click.option("--accuracy", type=float, required=True, help="A fraction, 0 to 1.")
@click.option("--consumption", type=float, required=True, help="Wh per inference or per hour.")
@click.option("--price-per-wh", type=float, required=True, help="In --currency; 0 for own power.")
@click.option("--currency", required=True, help="For example 'cent EUR'.")
@unit_option
@a_option
@b_option
@calculator
def apec_command(
    accuracy: float,
    consumption: float,
    price_per_wh: float,
    currency: str,
    per: str | None,
    a: float,
    b: float | None,
) -> Result:
    r"""APEC: accuracy weighed against the cost of the energy.

    \b
    Example:
      lowtide calc apec --accuracy 0.9056 --consumption 10.4 --per hour \
                        --price-per-wh 0.03 --currency "cent EUR"
    """
    unit = UNITS[per] if per else None
    return apec(
        accuracy=accuracy,
        consumption=consumption,
        price_per_wh=price_per_wh,
        currency=currency,
        unit=unit,
        a=a,
        b=b,
    )


def _closest_command(name: str, *, cost: bool) -> click.Command:
    quantity = "cost" if cost else "consumption"
    step = DELTA_COST if cost else DELTA_CONSUMPTION
    defaults = DEFAULT_B_COST if cost else DEFAULT_B

    @click.command(
        name,
        help=f"""Training time until the closest {"APEC" if cost else "APC"} reaches a target.

        \b
        Examples:
          lowtide calc {name} --trace run.csv
          lowtide calc {name} --checkpoint 60,0.52,8.9 --checkpoint 120,0.71,8.9

        A checkpoint is seconds,accuracy,{quantity}; a trace is a CSV file with these columns.
        The quantity must be the same for the whole run. Decimals are taken exactly.
        """,
    )
    @click.option("--checkpoint", multiple=True, help=f"seconds,accuracy,{quantity}; repeat.")
    @click.option("--trace", type=click.Path(path_type=Path, dir_okay=False, exists=True))
    @click.option("--per", type=click.Choice(list(UNITS)), default="hour", show_default=True)
    @click.option("--target", type=float, help="Default: the best closest value of the run.")
    @click.option("--delta-accuracy", default=str(DELTA_ACCURACY), show_default=True)
    @click.option(f"--delta-{quantity}", "delta", default=str(step), show_default=True)
    @a_option
    @b_option
    @calculator
    def command(
        checkpoint: tuple[str, ...],
        trace: Path | None,
        per: str,
        target: float | None,
        delta_accuracy: str,
        delta: str,
        a: float,
        b: float | None,
    ) -> Result:
        rows = [text.split(",") for text in checkpoint]
        if trace is not None:
            rows += _rows_of(trace, ("seconds", "accuracy", quantity))
        grid = ApcGrid(
            a=a,
            b=defaults[UNITS[per]] if b is None else b,
            delta_accuracy=delta_accuracy,
            delta_consumption=delta,
        )
        points = [_checkpoint(row, quantity) for row in rows]
        return time_to_closest(points, grid, name=name.upper(), target=target)

    return command


def _rows_of(path: Path, columns: tuple[str, ...]) -> list[list[str]]:
    try:
        table = parse_table(read_text(path), str(path))
    except ReportError as error:
        raise click.ClickException(str(error)) from error
    missing = [name for name in columns if name not in table.columns]
    if missing:
        raise click.UsageError(
            f"{path} has no column {missing[0]}: its first line must name {', '.join(columns)}"
        )
    rows = []
    for line, row in table.rows:
        try:
            rows.append([_decimal(row.get(name, ""), table.decimal_comma) for name in columns])
        except ValueError as error:
            raise click.ClickException(f"{path} line {line}: {error}") from error
    return rows


def _decimal(text: str, decimal_comma: bool) -> str:
    """Return a number as its text in the file, with a decimal point."""
    parse_number(text, decimal_comma=decimal_comma)
    return text.replace(",", ".")


def _checkpoint(row: list[str], quantity: str) -> TrainingPoint:
    if len(row) != 3:
        raise click.UsageError(f"checkpoint {','.join(row)!r} must be seconds,accuracy,{quantity}")
    seconds, accuracy, amount = (text.strip() for text in row)
    try:
        return TrainingPoint(parse_number(seconds), accuracy, amount)
    except ValueError as error:
        raise click.UsageError(f"seconds is {seconds!r}, but it must be a number") from error


ttcapc_command = _closest_command("ttcapc", cost=False)
ttcapec_command = _closest_command("ttcapec", cost=True)
