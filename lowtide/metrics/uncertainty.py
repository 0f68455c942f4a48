"""Uncertainty of a figure, carried over from its inputs.

Each input is moved alone to its lower and upper bound; the changes of the figure downwards are
joined as a root of squares, and so are those upwards. That keeps asymmetric bounds (embodied
figures spread by a factor of two) asymmetric, needs no derivative, and assumes that the inputs
err independently of each other while one input errs alike at all times (a gain error of a meter,
a bias of an intensity source), which is the cautious choice.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import fsum, sqrt
from typing import Final

from lowtide.metrics.domain import require_at_least, require_finite, require_ratio
from lowtide.metrics.result import MetricError, Refusal, Uncertainty

METER_RATIO: Final = 0.05
"""Half width of an uncalibrated GPU meter: published steady-state gains err by about 5 %."""
EMBODIED_FACTOR: Final = 2.0
"""Published embodied emissions of one GPU differ by about this factor (150 to 318 kg)."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """A value and the range that should hold it in 95 of 100 cases.

    Raises:
        MetricError: out_of_domain if the value is not inside its range.
    """

    value: float
    low: float
    high: float

    def __post_init__(self) -> None:
        for name in ("value", "low", "high"):
            require_finite(name, getattr(self, name))
        if not self.low <= self.value <= self.high:
            raise MetricError(
                Refusal.OUT_OF_DOMAIN,
                "bounds",
                f"the value {self.value:g} lies outside its range {self.low:g} to {self.high:g}",
            )

    @classmethod
    def relative(cls, value: float, half_width_ratio: float) -> "Bounds":
        """Return value ± a share of it.

        Raises:
            MetricError: out_of_domain for a share outside [0, 1].
        """
        require_ratio("half_width_ratio", half_width_ratio)
        half = abs(value) * half_width_ratio
        return cls(value, value - half, value + half)


def propagate(
    formula: Callable[..., float], inputs: Mapping[str, Bounds], *, basis: str
) -> Uncertainty:
    """Return the range of `formula(**inputs)`.

    `formula` takes every input by name; `basis` says in words what was varied.
    """
    values = {name: bounds.value for name, bounds in inputs.items()}
    centre = formula(**values)
    down, up = [], []
    for name, bounds in inputs.items():
        changes = [formula(**{**values, name: edge}) - centre for edge in (bounds.low, bounds.high)]
        down.append(min(0.0, *changes))
        up.append(max(0.0, *changes))
    return Uncertainty(
        low=centre - sqrt(fsum(change**2 for change in down)),
        high=centre + sqrt(fsum(change**2 for change in up)),
        basis=basis,
    )


def sci_uncertainty(
    *,
    operational_grams: float,
    embodied: Bounds,
    functional_units: float,
    energy_ratio: float | None = METER_RATIO,
    intensity_ratio: float | None = 0.0,
) -> Uncertainty:
    """Return the range of SCI from relative half widths of energy and intensity and bounds of M.

    `intensity_ratio` is `None` where the source states none: it is then not varied, and the basis
    says so.

    Raises:
        MetricError: out_of_domain for a share outside [0, 1] or no functional unit.
    """
    if not functional_units > 0:
        raise MetricError(
            Refusal.OUT_OF_DOMAIN,
            "functional_units",
            f"functional_units is {functional_units:g}, but it must be a number above 0",
        )
    return propagate(
        lambda energy, intensity, embodied: (
            (operational_grams * energy * intensity + embodied) / functional_units
        ),
        {
            "energy": Bounds.relative(1, energy_ratio or 0.0),
            "intensity": Bounds.relative(1, intensity_ratio or 0.0),
            "embodied": embodied,
        },
        basis=(
            f"{_error_words('energy', energy_ratio)}, "
            f"{_error_words('intensity', intensity_ratio)}, "
            f"{_embodied_words(embodied)}"
        ),
    )


def _error_words(name: str, ratio: float | None) -> str:
    return (
        f"{name}'s error not stated"
        if ratio is None
        else f"{name} ± {100 * ratio:.3f} %".replace(".000 %", " %")
    )


def _embodied_words(embodied: Bounds) -> str:
    if embodied.low == embodied.high:
        return "embodied error not stated"
    return f"embodied {embodied.low:g} to {embodied.high:g} g"


def embodied_bounds(grams: float, factor: float) -> Bounds:
    """Return M with the range of published figures that differ by `factor` (both ways).

    Raises:
        MetricError: out_of_domain for a factor below 1 or impossible grams.
    """
    require_at_least("embodied_grams", grams)
    require_at_least("embodied_factor", factor, 1)
    return Bounds(grams, grams / factor, grams * factor)
