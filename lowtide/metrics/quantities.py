"""Quantities that jobs are compared by, and which circumstances each depends on."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from lowtide.metrics.job_figures import JobFigures
from lowtide.metrics.likeness import CARBON, METER, RUN
from lowtide.metrics.properties import Direction


@dataclass(frozen=True, slots=True)
class Quantity:
    """A figure that jobs are compared by."""

    name: str
    unit: str
    better: Direction | None
    read: Callable[[JobFigures], float | None]
    touched_by: tuple[str, ...] = ()
    """Keys of the circumstances that must agree."""


QUANTITIES: Final = (
    Quantity("accuracy", "", Direction.HIGHER, lambda j: j.accuracy, ("dataset",)),
    Quantity("energy", "J", Direction.LOWER, lambda j: j.energy_joules, (*METER, *RUN)),
    Quantity("time", "s", Direction.LOWER, lambda j: j.duration_seconds, RUN),
    Quantity(
        "cost", "", Direction.LOWER, lambda j: j.cost_amount, ("cost_currency", "cost_kind", *RUN)
    ),
    Quantity("mean power", "W", None, lambda j: j.mean_power_watts, (*METER, "environment")),
    Quantity(
        "operational", "gCO2eq", Direction.LOWER, lambda j: j.operational_grams, (*CARBON, *RUN)
    ),
    Quantity("carbon", "gCO2eq", Direction.LOWER, lambda j: j.carbon_grams, (*CARBON, *RUN)),
    Quantity(
        "SCI", "gCO2eq/unit", Direction.LOWER, lambda j: j.score_grams_per_unit,
        ("functional_unit", *CARBON, *RUN),
    ),
    Quantity(
        "SAM", "", Direction.HIGHER,
        lambda j: None if (sam := j.metric("SAM")) is None else sam.value,
        ("metric name", *METER, *RUN),
    ),
)  # fmt: skip


ACCURACY: Final = QUANTITIES[0]


def quantity(name: str) -> Quantity:
    """Return the quantity called `name`.

    Raises:
        KeyError: there is no such quantity.
    """
    for one in QUANTITIES:
        if one.name == name:
            return one
    raise KeyError(name)
