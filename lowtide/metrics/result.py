"""Result of a metric: a number with its circumstances, or the reason why it has no value.

Three outcomes and no fourth: a *value*, an *undefined* result (legal inputs, no meaningful value),
or an *error* (an input outside its domain, raised as `MetricError`). A number is never clamped,
replaced by zero or computed with a silently changed formula. Source:
docs/explanation/metrics.md#three-outcomes.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from math import isfinite
from types import MappingProxyType
from typing import Any


class Mode(StrEnum):
    """Whether a figure repairs the defects of its published original or repeats them."""

    CORRECT = "correct"
    MLEE = "mlee"
    STREP = "strep"


class Undefined(StrEnum):
    """Why legal inputs have no value."""

    FUNCTIONAL_UNIT_ZERO = "functional_unit_zero"
    INTENSITY_MISSING = "intensity_missing"
    EMBODIED_MISSING = "embodied_missing"
    ENERGY_NOT_ABOVE_ONE_UNIT = "energy_not_above_one_unit"
    NO_ENERGY = "no_energy"
    VALUE_MISSING = "value_missing"
    VALUE_ZERO = "value_zero"
    REFERENCE_MISSING = "reference_missing"
    BASELINE_ZERO = "baseline_zero"
    TARGET_NOT_REACHED = "target_not_reached"
    TOO_FEW_SAMPLES = "too_few_samples"
    BELOW_USED = "below_used"
    METHOD_MISMATCH = "method_mismatch"
    UNIT_UNKNOWN = "unit_unknown"


class Refusal(StrEnum):
    """Why an input was refused."""

    OUT_OF_DOMAIN = "out_of_domain"
    ACCURACY_NOT_FRACTION = "accuracy_not_fraction"
    UNIT_MISMATCH = "unit_mismatch"
    MARKET_BASED_REFUSED = "market_based_refused"


class Caution(StrEnum):
    """What a reader of a value must know."""

    SHARE_ABOVE_ONE = "share_above_one"
    NEAR_SINGULAR = "near_singular"
    PARTIAL_ENERGY = "partial_energy"
    PUE_NOT_INCLUDED = "pue_not_included"
    EXTRAPOLATED = "extrapolated"
    METHOD_MISMATCH = "method_mismatch"


SENTENCES: Mapping[str, str] = MappingProxyType(
    {
        "functional_unit_zero": "no functional unit was completed, so there is no rate per unit",
        "intensity_missing": "energy was used at times whose grid intensity is not known",
        "embodied_missing": "embodied emissions are not known, and the standard requires them",
        "energy_not_above_one_unit": "the logarithm of the energy is not above zero: "
        "choose a smaller unit (Wh instead of kWh); up to 1 Wh there is no SAM",
        "no_energy": "no energy was measured",
        "value_missing": "a value that the figure needs is missing",
        "value_zero": "an index of a lower-is-better property needs a value above zero",
        "reference_missing": "the reference has no usable value for this property",
        "baseline_zero": "the baseline is zero, so there is no relative difference",
        "target_not_reached": "the run never reached the target",
        "too_few_samples": "there are too few samples for this figure",
        "below_used": "the prediction is below what a part of the run already used: runs on larger "
        "shares are needed",
        "method_mismatch": "the figures were made with different methods, boundaries or units",
        "unit_unknown": "the unit of one of the figures is not stated, so they have no ratio",
        "share_above_one": "the hardware was reserved for longer than its expected life",
        "near_singular": "the energy is below ten units, where the metric changes steeply: "
        "choose a smaller unit",
        "partial_energy": "only a part of the energy was measured",
        "pue_not_included": "the data centre's overhead (PUE) is not included",
        "extrapolated": "the value is projected from a part of the run",
    }
)
"""One sentence for every reason and warning, for people."""


class MetricError(ValueError):
    """An input was refused.

    `reason` is one of `Refusal`, `field` the argument that is wrong, and the text one sentence
    with the value seen and what would be right.
    """

    def __init__(self, reason: Refusal, field: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason
        self.field = field


@dataclass(frozen=True, slots=True, kw_only=True)
class Uncertainty:
    """A range that should hold the true value in 95 of 100 cases.

    `low` and `high` are in the unit of the value; `basis` says what was carried into it.
    """

    low: float
    high: float
    basis: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """One figure, with a value or a reason."""

    name: str
    value: float | None
    """In `unit`; `None` exactly if `reason` is set."""
    unit: str
    reason: Undefined | Refusal | None = None
    warnings: tuple[Caution, ...] = ()
    parameters: Mapping[str, Any] = field(default_factory=dict)
    """All inputs that decide the value."""
    mode: Mode = Mode.CORRECT
    """Whose rules were followed."""
    method: str = ""
    """The formula, with its source."""
    coverage: float | None = None
    """Measured share of what should have been measured, 0 to 1; `None` where not applicable."""
    uncertainty: Uncertainty | None = None

    def __post_init__(self) -> None:
        if (self.value is None) == (self.reason is None):
            raise ValueError(f"{self.name}: a result has either a value or a reason")
        if self.value is not None and not isfinite(self.value):
            raise ValueError(f"{self.name}: {self.value} is not a result")

    @property
    def sentence(self) -> str | None:
        """Why there is no value, for people; `None` where there is one."""
        if self.reason is None:
            return None
        return str(self.parameters.get("message", SENTENCES.get(self.reason, self.reason)))

    def to_json(self) -> dict[str, Any]:
        """Return the result object as plain JSON types, base units, fixed order of keys."""
        data: dict[str, Any] = {
            "name": self.name,
            "value": self.value,
            "unit": self.unit,
            "reason": None if self.reason is None else str(self.reason),
            "warnings": [str(warning) for warning in self.warnings],
            "parameters": plain(self.parameters),
            "mode": str(self.mode),
            "method": self.method,
            "coverage": self.coverage,
        }
        if self.uncertainty is not None:
            data["uncertainty"] = {
                "low": self.uncertainty.low,
                "high": self.uncertainty.high,
                "basis": self.uncertainty.basis,
            }
        return data


def refused(name: str, unit: str, error: MetricError, *, method: str = "") -> Result:
    """Return a refusal as a result without value, for places that must show one (status)."""
    return Result(
        name=name,
        value=None,
        unit=unit,
        reason=error.reason,
        parameters={"field": error.field, "message": str(error)},
        method=method,
    )


def plain(value: Any) -> Any:
    """Return `value` as JSON types: enums and decimals as text, tuples as lists."""
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, str):
        return str(value)
    if isinstance(value, Sequence):
        return [plain(item) for item in value]
    if value is None or isinstance(value, bool | int | float):
        return value
    return str(value)
