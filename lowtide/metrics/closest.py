"""TTCAPC and TTCAPEC: the training time until a grid cell's APC or APEC is reached.

Values are rounded to the centre of a grid cell, so that gains smaller than a cell do not count.
Floors are taken over exact decimals: in binary floats 0.3/0.1 lands in column 2 and 0.29/0.01 in
row 28. Of the original rule only the abstract is known; this rule is Lowtide's own and fits the
published grid. Source: docs/explanation/metrics.md#times-to-a-target.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from fractions import Fraction
from itertools import pairwise
from math import ceil, floor
from typing import Final, NamedTuple

from lowtide.metrics.apc import DEFAULT_A, weighed
from lowtide.metrics.domain import require_accuracy, require_at_least, require_finite, require_ratio
from lowtide.metrics.result import MetricError, Refusal, Result, Undefined

Number = Decimal | Fraction | str | float
"""An exact number, or a float, which stands for the shortest text that prints it."""

MOST_DIGITS: Final = 400
"""Digits before or after the point of an exact number; a float has about 308."""

DELTA_ACCURACY: Final = Decimal("0.01")
DELTA_CONSUMPTION: Final = Decimal("0.1")
DELTA_COST: Final = Decimal("0.001")

METHOD: Final = "first time whose grid-cell value reaches the target (Lowtide's rule)"


class Cell(NamedTuple):
    """A cell of the grid and its centre."""

    row: int
    column: int
    accuracy: float
    consumption: float


@dataclass(frozen=True, slots=True)
class TrainingPoint:
    """A moment of a training run: seconds since its start, accuracy, consumption or cost so far.

    The consumption must be one quantity for the whole run: mean power so far, or Wh per inference.
    """

    seconds: float
    accuracy: Number
    consumption: Number


@dataclass(frozen=True, slots=True, kw_only=True)
class ApcGrid:
    """Step of each axis of the grid, and the weights of the formula."""

    b: float
    a: float = DEFAULT_A
    delta_accuracy: Number = DELTA_ACCURACY
    delta_consumption: Number = DELTA_CONSUMPTION


def cell_of(accuracy: Number, consumption: Number, grid: ApcGrid) -> Cell:
    """Return the cell that holds a pair; an accuracy of one belongs to the last row.

    Raises:
        MetricError: accuracy_not_fraction, or out_of_domain.
    """
    acc, cons = _exact("accuracy", accuracy), _exact("consumption", consumption)
    require_accuracy(float(acc))
    require_at_least("consumption", float(cons))
    step_acc, step_cons = _steps(grid)
    row = min(floor(acc / step_acc), ceil(1 / step_acc) - 1)
    column = floor(cons / step_cons)
    half = Fraction(1, 2)
    try:
        return Cell(row, column, float((row + half) * step_acc), float((column + half) * step_cons))
    except OverflowError as error:
        raise MetricError(
            Refusal.OUT_OF_DOMAIN,
            "consumption",
            f"the centre of the cell of a consumption of {float(cons):g} is larger than any float: "
            "choose a larger unit",
        ) from error


def closest(accuracy: Number, consumption: Number, grid: ApcGrid) -> float:
    """Return APC (or APEC, for a cost) at the centre of the pair's cell.

    Raises:
        MetricError: accuracy_not_fraction, or out_of_domain.
    """
    cell = cell_of(accuracy, consumption, grid)
    require_ratio("a", grid.a)
    require_at_least("b", grid.b)
    return weighed(cell.accuracy, cell.consumption, grid.a, grid.b)


def cell_value(row: int, column: int, grid: ApcGrid) -> float:
    """Return the value of a cell by its position, as in the published grid."""
    step_acc, step_cons = _steps(grid)
    half = Fraction(1, 2)
    return weighed(
        float((row + half) * step_acc), float((column + half) * step_cons), grid.a, grid.b
    )


def time_to_closest(
    checkpoints: Sequence[TrainingPoint],
    grid: ApcGrid,
    *,
    name: str = "TTCAPC",
    target: float | None = None,
) -> Result:
    """Return the first training time, in seconds, whose closest value reaches the target.

    The target defaults to the best closest value of the run; it is part of the result, because
    only the pair (target, time) means anything. Undefined as `too_few_samples` without a
    checkpoint and as `target_not_reached`.

    Raises:
        MetricError: accuracy_not_fraction, or out_of_domain (also for times that do not increase).
    """
    for checkpoint in checkpoints:
        require_at_least("seconds", checkpoint.seconds)
    for earlier, later in pairwise(checkpoints):
        if later.seconds <= earlier.seconds:
            raise MetricError(
                Refusal.OUT_OF_DOMAIN,
                "seconds",
                f"a checkpoint at {later.seconds:g} s follows one at {earlier.seconds:g} s: "
                "times must increase",
            )
    values = [closest(c.accuracy, c.consumption, grid) for c in checkpoints]
    chosen = max(values, default=None) if target is None else require_finite("target", target)
    reached = next(
        (
            c.seconds
            for c, v in zip(checkpoints, values, strict=True)
            if chosen is not None and v >= chosen
        ),
        None,
    )
    reason = None
    if not values:
        reason = Undefined.TOO_FEW_SAMPLES
    elif reached is None:
        reason = Undefined.TARGET_NOT_REACHED
    return Result(
        name=name,
        value=reached,
        unit="s",
        reason=reason,
        parameters={
            "target": chosen,
            "target_source": "best of the run" if target is None else "given",
            "best": max(values, default=None),
            "a": grid.a,
            "b": grid.b,
            "delta_accuracy": grid.delta_accuracy,
            "delta_consumption": grid.delta_consumption,
            "checkpoints": len(values),
        },
        method=METHOD,
    )


def _steps(grid: ApcGrid) -> tuple[Fraction, Fraction]:
    steps = (
        ("delta_accuracy", _exact("delta_accuracy", grid.delta_accuracy)),
        ("delta_consumption", _exact("delta_consumption", grid.delta_consumption)),
    )
    for field, step in steps:
        if step <= 0 or (field == "delta_accuracy" and step > 1):
            right = "above 0 and at most 1" if field == "delta_accuracy" else "above 0"
            raise MetricError(
                Refusal.OUT_OF_DOMAIN, field, f"{field} is {float(step):g}, but it must be {right}"
            )
    return steps[0][1], steps[1][1]


def exact(value: Number) -> Fraction:
    """Return the number that `value` prints as.

    Raises:
        ValueError: the value is not a finite number.
    """
    try:
        if isinstance(value, Fraction):
            return value
        text = str(value)
        decimal = Decimal(text) if len(text) <= MOST_DIGITS else Decimal("NaN")
        # As a fraction, 1e9999999 has ten million digits.
        if not decimal.is_finite() or abs(decimal.adjusted()) > MOST_DIGITS:
            raise ValueError(f"{text[:40]!r} is not a finite decimal number")
        number = Fraction(decimal)
        float(number)  # Fails where the number has more digits than a float can hold.
        return number
    except (InvalidOperation, OverflowError) as error:
        raise ValueError(f"{value!r:.40} is not a finite decimal number") from error


def _exact(field: str, value: Number) -> Fraction:
    try:
        number = exact(value)
        float(number)  # A cell's centre is a float, so what no float holds has no cell.
        return number
    except (ValueError, OverflowError) as error:
        raise MetricError(
            Refusal.OUT_OF_DOMAIN,
            field,
            f"{field} is {value!r:.40}, but it must be a decimal number that a float can hold",
        ) from error
