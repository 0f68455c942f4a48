"""Output of the calculators: how each shows a result and refuses an input.

JSON is the result object of the metrics reference, in base units. A figure that is undefined is a
result (exit code 0) with its reason; an input outside its domain is wrong use (exit code 2).
"""

import functools
import json
from collections.abc import Callable
from enum import StrEnum
from typing import Any, TypeVar

import click

from lowtide.metrics.result import SENTENCES, MetricError, Result
from lowtide.units import format_coverage, format_significant

Command = TypeVar("Command", bound=Callable[..., Any])


def calculator(function: Callable[..., Result]) -> Callable[..., None]:
    """Return a command body that prints the result of `function` as the user asked."""

    @click.option(
        "-o",
        "--output",
        type=click.Choice(["table", "json"]),
        default="table",
        show_default=True,
        help="table for people, json for the full result object.",
    )
    @functools.wraps(function)
    def body(*args: Any, output: str, **options: Any) -> None:
        try:
            result = function(*args, **options)
        except MetricError as error:
            raise click.UsageError(str(error)) from error
        if output == "json":
            click.echo(json.dumps(result.to_json(), indent=2, allow_nan=False))
        else:
            click.echo(describe(result))

    return body


def choice_of(kinds: type[StrEnum]) -> click.Choice[str]:
    """Return an option type whose texts are the values of an enumeration."""
    return click.Choice([str(kind) for kind in kinds])


def describe(result: Result) -> str:
    """Return a result for people: value or reason, range, warnings, method."""
    if result.value is None:
        head = f"{result.name} is undefined ({result.reason}): {result.sentence}"
    else:
        letter = result.parameters.get("letter")
        shown = letter or format_significant(result.value, 6)
        head = f"{result.name} = {shown}" + ("" if letter else f" {result.unit}".rstrip())
    lines = [head]
    if result.uncertainty is not None:
        low, high = (
            format_significant(v, 6) for v in (result.uncertainty.low, result.uncertainty.high)
        )
        lines.append(f"  range    {low} to {high} ({result.uncertainty.basis})")
    lines += [f"  warning  {w}: {SENTENCES.get(w, w)}" for w in result.warnings]
    if result.coverage is not None and result.coverage < 1:
        lines.append(f"  coverage {format_coverage(result.coverage)}")
    if "reference_set" in result.parameters:
        given = result.parameters
        lines.append(
            f"  against  {given['reference_set']}: {given['dataset']} in {given['environment']}, "
            f"{given['rows']} rows, index 1 is {given['reference']}"
        )
    lines.append(f"  method   {result.method}")
    return "\n".join(lines)
