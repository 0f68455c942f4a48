"""Figures of one finished job that are compared, rated and drawn, validated in one place.

A figure that is unknown is `None`; zero is a measured zero. The circumstances (method, boundary,
unit, signal) travel with the figures, because without them no two jobs may be compared. Whatever a
job is read from, it becomes a `JobFigures`, so what is refused here is refused by every command.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from math import isfinite
from operator import attrgetter
from typing import Final

from lowtide.metrics.domain import (
    require_above,
    require_accuracy,
    require_at_least,
    require_finite,
    require_ratio,
    require_text,
)
from lowtide.metrics.figure_domains import (
    CHOICES,
    DIFFERENCES,
    NOT_NEGATIVE,
    TEXTS,
    moment_of,
    out_of_domain,
    require_agreement,
    require_currency,
    require_property,
)
from lowtide.metrics.properties import PROPERTIES

# Read together, because a table may hold 200,000 runs.
_NUMBERS: Final = attrgetter(*NOT_NEGATIVE)
_TEXTS: Final = attrgetter(*TEXTS)
_DIFFERENCES: Final = attrgetter(*DIFFERENCES)
_CHOSEN: Final = attrgetter(*CHOICES)


@dataclass(frozen=True, slots=True, kw_only=True)
class MetricFigure:
    """An efficiency metric under its full name, for example `SAM5[Wh]`.

    Raises:
        MetricError: the value is not finite.
    """

    name: str
    value: float | None
    reason: str | None = None
    warnings: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for text in (self.name, self.reason or "", *self.warnings):
            require_text("metric", text)
        if self.value is not None:
            require_finite(self.name, self.value)


@dataclass(frozen=True, slots=True, kw_only=True)
class EnergyShare:
    """Joules of one component, by part, attribution method and quality of the meter.

    Raises:
        MetricError: the energy is negative or not finite.
    """

    component: str
    part: str
    method: str
    quality: str
    energy_joules: float

    def __post_init__(self) -> None:
        require_at_least("energy_joules of a component", self.energy_joules)
        for name in ("component", "part", "method", "quality"):
            require_text(name, getattr(self, name))


@dataclass(frozen=True, slots=True, kw_only=True)
class JobFigures:
    """The figures of one job and the circumstances they were made under.

    Raises:
        MetricError: a figure is outside its domain, or a text cannot be used.
    """

    name: str
    accuracy: float | None = None
    """Fraction, 0 to 1."""
    energy_joules: float | None = None
    duration_seconds: float | None = None
    """Running time of the job over all attempts."""
    run_seconds: float | None = None
    """Sum of the running times of all pods."""
    cost_amount: float | None = None
    cost_currency: str | None = None
    """ISO 4217 code."""
    cost_kind: str | None = None
    """`instance` or `electricity`, never mixed."""
    operational_grams: float | None = None
    """O; includes the overhead of the data centre exactly if `pue` is known."""
    embodied_grams: float | None = None
    """M, the job's share of making the hardware."""
    sci_grams_per_unit: float | None = None
    sci_low: float | None = None
    """Lower end of the range that should hold the score in 95 of 100 cases."""
    sci_high: float | None = None
    sci_range_basis: str | None = None
    """What was varied for the range, in words."""
    stated_power_watts: float | None = None
    """Mean power that the status states."""
    stated_grams_per_kwh: float | None = None
    """Mean intensity that the status states."""
    functional_unit: str | None = None
    """What R counts."""
    functional_units: float | None = None
    """R."""
    avoided_grams: float | None = None
    """Grams avoided by waiting; negative where waiting made it worse."""
    avoided_percent: float | None = None
    electricity_paid: float | None = None
    """Energy at the zone's prices in time; may be negative, and is never added to the cost."""
    electricity_saved: float | None = None
    """Money saved by waiting; negative where waiting made it dearer."""
    electricity_saved_percent: float | None = None
    electricity_currency: str | None = None
    metrics: tuple[MetricFigure, ...] = ()
    label: str | None = None
    """Compound letter A to E of the status."""
    label_reason: str | None = None
    """Why there is no letter, in words."""
    reference: str | None = None
    """Name of the reference set that gave the letters."""
    reference_rows: int | None = None
    letters: Mapping[str, str] = field(default_factory=dict)
    """Letter by property."""
    energy_kind: str | None = None
    """`Measured`, `Modelled` or `Mixed`."""
    boundary: tuple[str, ...] | None = None
    """Components whose energy counts, sorted."""
    qualities: tuple[str, ...] = ()
    """How the joules were metered, for example `counter`."""
    signal: str | None = None
    """`Average` or `Marginal`."""
    factor: str | None = None
    """Emissions that the intensity includes: `direct`, `life-cycle` or `unknown`."""
    zone: str | None = None
    intensity_source: str | None = None
    coverage_ratio: float | None = None
    """Share of the running time whose energy is known, 0 to 1."""
    final: bool | None = None
    mock: bool = False
    """A stand-in replaced a GPU, so the numbers are not real."""
    model: str | None = None
    dataset: str | None = None
    environment: str | None = None
    """As `environment_name` writes it."""
    uid: str | None = None
    started_at: str | None = None
    """RFC 3339 time."""
    finished_at: str | None = None
    epochs: float | None = None
    epochs_planned: int | None = None
    epoch_joules: tuple[float, ...] = ()
    """Energy of each finished epoch, in order."""
    run_now_grams: float | None = None
    """O of the same run, had it started at submission."""
    resolution_seconds: float | None = None
    """Step of the intensity data."""
    embodied_source: str | None = None
    embodied_total_grams: float | None = None
    """TE of one GPU."""
    embodied_lifespan_seconds: float | None = None
    """EL that went with it."""
    pue: float | None = None
    """Overhead factor of the data centre, at least 1; `None`: unknown and not included."""
    pue_kind: str | None = None
    """`Measured` or `Assumed`."""
    pue_source: str | None = None
    """Where the factor comes from."""
    energy_includes_pue: bool = False
    """The energy is that of the data centre, not of the hardware."""
    boundary_text: str | None = None
    shares: tuple[EnergyShare, ...] = ()
    """Parts of the energy."""
    unavailable: tuple[str, ...] = ()
    """Components without a meter."""
    properties: Mapping[str, float | None] = field(default_factory=dict)
    """Further figures for ratings and the explorer, by property and in the property's unit."""

    def __post_init__(self) -> None:
        if self.accuracy is not None:
            require_accuracy(self.accuracy)
        for name, value in zip(NOT_NEGATIVE, _NUMBERS(self), strict=True):
            if value is not None:
                require_at_least(name, value)
        for joules in self.epoch_joules:
            require_at_least("epoch_joules", joules)
        for name, value in zip(DIFFERENCES, _DIFFERENCES(self), strict=True):
            if value is not None:
                require_finite(name, value)
        if self.coverage_ratio is not None:
            require_ratio("coverage_ratio", self.coverage_ratio)
        if self.embodied_lifespan_seconds is not None:
            require_above("embodied_lifespan_seconds", self.embodied_lifespan_seconds)
        if self.pue is not None:
            require_at_least("pue", self.pue, 1)
        self._require_texts()
        self._require_ranges()
        for key, number in self.properties.items():
            require_property(key, number)

    def _require_texts(self) -> None:
        for name, text in zip(TEXTS, _TEXTS(self), strict=True):
            if text is not None:
                require_text(name, text)
        if not self.name:
            raise out_of_domain("name", "the name is empty: give every job a name")
        for (name, choices), text in zip(CHOICES.items(), _CHOSEN(self), strict=True):
            if text is not None and text not in choices:
                raise out_of_domain(
                    name, f"{name} is {text!r:.40}, expected {' or '.join(choices)}"
                )
        for key, letter in self.letters.items():
            if key not in PROPERTIES or letter not in CHOICES["label"]:
                raise out_of_domain("letters", f"letters holds {key!r:.40}: {letter!r:.40}")
        require_currency("cost_currency", self.cost_currency)
        require_currency("electricity_currency", self.electricity_currency)
        for names in (self.boundary or (), self.qualities, self.unavailable):
            for text in names:
                require_text("component", text)

    def _require_ranges(self) -> None:
        low, score, high = self.sci_low, self.sci_grams_per_unit, self.sci_high
        known = [value for value in (low, score, high) if value is not None]
        if known != sorted(known):
            shown = " to ".join("unknown" if end is None else f"{end:g}" for end in (low, high))
            raise out_of_domain(
                "sci_low", f"the range of the SCI is {shown}, which does not hold {score or 0:g}"
            )
        moments = [
            moment_of(name, text)
            for name in ("started_at", "finished_at")
            if (text := getattr(self, name)) is not None
        ]
        if moments != sorted(moments):
            raise out_of_domain(
                "finished_at", f"finished_at {self.finished_at} is before {self.started_at}"
            )

    def require_consistent(self) -> None:
        """Refuse figures that contradict each other.

        `lowtide explain` shows such a contradiction step by step; every other command refuses it.

        Raises:
            MetricError: the SCI is not (O + M) / R, or a property differs from its own figure.
        """
        carbon, units, score = self.carbon_grams, self.functional_units, self.sci_grams_per_unit
        if carbon is not None and units and score is not None:
            require_agreement("sci_grams_per_unit", score, carbon / units, "(O + M) / R")
        same = {
            "accuracy_top1": (self.accuracy, 1.0, "accuracy"),
            "training_energy": (self.energy_joules, 3.6e6, "energy_joules"),
            "training_time": (self.duration_seconds, 3600.0, "duration_seconds"),
        }
        for key, (figure, factor, name) in same.items():
            stated = self.properties.get(key)
            if stated is not None and figure is not None:
                require_agreement(key, stated, figure / factor, name)

    @property
    def carbon_grams(self) -> float | None:
        """O + M, `None` where either is unknown."""
        if self.operational_grams is None or self.embodied_grams is None:
            return None
        return _finite(self.operational_grams + self.embodied_grams)

    @property
    def score_grams_per_unit(self) -> float | None:
        """The SCI: as stated, else (O + M) / R where all three are known and a unit was done."""
        if self.sci_grams_per_unit is not None:
            return self.sci_grams_per_unit
        carbon = self.carbon_grams
        if carbon is None or not self.functional_units:
            return None
        return _finite(carbon / self.functional_units)

    @property
    def powered_seconds(self) -> float | None:
        """Time of the mean power: the running time of all pods, else that of the job."""
        return self.run_seconds or self.duration_seconds

    @property
    def mean_power_watts(self) -> float | None:
        """Energy over the running time of all pods, or over that of the job."""
        seconds = self.powered_seconds
        if self.energy_joules is None or not seconds:
            return None
        return _finite(self.energy_joules / seconds)

    def metric(self, family: str) -> MetricFigure | None:
        """Return the first metric whose name starts with `family`, for example `SAM`."""
        for metric in self.metrics:
            if metric.name.startswith(family):
                return metric
        return None


def _finite(value: float) -> float | None:
    """Return a derived figure, `None` where no float holds it: inputs may be finite and extreme."""
    return value if isfinite(value) else None
