"""What is known about one finished job: the figures that are compared, rated and drawn.

A figure that is not known is `None`; zero is a measured zero. The circumstances (method,
boundary, unit, signal) travel with the figures, because without them no two jobs may be compared.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from lowtide.metrics.domain import require_accuracy, require_at_least, require_finite

NOT_NEGATIVE = (
    "energy_joules",
    "duration_seconds",
    "cost_amount",
    "operational_grams",
    "embodied_grams",
    "sci_grams_per_unit",
    "sci_low",
    "sci_high",
    "run_seconds",
    "functional_units",
    "epochs",
    "run_now_grams",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class MetricFigure:
    """An efficiency metric under its full name, for example `SAM5[Wh]`."""

    name: str
    value: float | None
    reason: str | None = None
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class EnergyShare:
    """Joules of one component, by part, attribution method and quality of the meter."""

    component: str
    part: str
    method: str
    quality: str
    energy_joules: float


@dataclass(frozen=True, slots=True, kw_only=True)
class JobFigures:
    """The figures of one job and how they were had.

    `cost_kind` says which amount it is (instance price or electricity; never mixed),
    `cost_currency` an ISO 4217 code. `boundary` lists the components whose energy counts,
    `energy_kind` is Measured, Modelled or Mixed, `qualities` how the joules were metered.
    `run_seconds` adds the running times of all pods, `stated_power_watts` and
    `stated_grams_per_kwh` are means that the status gives. `coverage_ratio` is the share of the
    running time whose energy is known. `mock` is true where a stand-in took the place of a GPU.
    `shares` are the parts of the energy, `unavailable` names components without a meter,
    `epoch_joules` are the energies of finished epochs in order. `properties` are further figures
    for ratings and the explorer, by property key and in the property's unit.

    Raises:
        MetricError: a figure is not finite or negative, or the accuracy is no fraction.
    """

    name: str
    accuracy: float | None = None
    energy_joules: float | None = None
    duration_seconds: float | None = None
    run_seconds: float | None = None
    cost_amount: float | None = None
    cost_currency: str | None = None
    cost_kind: str | None = None
    operational_grams: float | None = None
    embodied_grams: float | None = None
    sci_grams_per_unit: float | None = None
    sci_low: float | None = None
    sci_high: float | None = None
    sci_range_basis: str | None = None
    stated_power_watts: float | None = None
    stated_grams_per_kwh: float | None = None
    functional_unit: str | None = None
    functional_units: float | None = None
    avoided_grams: float | None = None
    avoided_percent: float | None = None
    metrics: tuple[MetricFigure, ...] = ()
    label: str | None = None
    label_reason: str | None = None
    reference: str | None = None
    reference_rows: int | None = None
    letters: Mapping[str, str] = field(default_factory=dict)
    energy_kind: str | None = None
    boundary: tuple[str, ...] | None = None
    qualities: tuple[str, ...] = ()
    signal: str | None = None
    zone: str | None = None
    intensity_source: str | None = None
    coverage_ratio: float | None = None
    final: bool | None = None
    mock: bool = False
    model: str | None = None
    dataset: str | None = None
    environment: str | None = None
    uid: str | None = None
    started_at: str | None = None
    finished_at: str | None = None
    epochs: float | None = None
    epochs_planned: int | None = None
    epoch_joules: tuple[float, ...] = ()
    run_now_grams: float | None = None
    resolution_seconds: float | None = None
    embodied_source: str | None = None
    boundary_text: str | None = None
    shares: tuple[EnergyShare, ...] = ()
    unavailable: tuple[str, ...] = ()
    properties: Mapping[str, float | None] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.accuracy is not None:
            require_accuracy(self.accuracy)
        for name in NOT_NEGATIVE:
            value = getattr(self, name)
            if value is not None:
                require_at_least(name, value)
        for joules in self.epoch_joules:
            require_at_least("epoch_joules", joules)
        for name in ("avoided_grams", "avoided_percent"):
            value = getattr(self, name)
            if value is not None:
                require_finite(name, value)

    @property
    def carbon_grams(self) -> float | None:
        """O + M, `None` where either is not known."""
        if self.operational_grams is None or self.embodied_grams is None:
            return None
        return self.operational_grams + self.embodied_grams

    @property
    def mean_power_watts(self) -> float | None:
        """Energy over the running time of all pods, or over that of the job."""
        seconds = self.run_seconds or self.duration_seconds
        if self.energy_joules is None or not seconds:
            return None
        return self.energy_joules / seconds

    def metric(self, family: str) -> MetricFigure | None:
        """Return the first metric whose name begins with `family`, for example `SAM`."""
        return next((m for m in self.metrics if m.name.startswith(family)), None)
