"""Two or more jobs side by side: differences in percent, or a refusal that says why.

The first job is the baseline. A difference is given only where both figures were made the same way;
otherwise it is undefined as `method_mismatch` (or `unit_mismatch` for money and SAM) unless the
caller overrides, and then it says so. Source: docs/explanation/metrics.md#comparing-jobs.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Final

from lowtide.metrics.job_figures import JobFigures
from lowtide.metrics.properties import Direction
from lowtide.metrics.result import Caution, MetricError, Refusal, Result, Undefined


@dataclass(frozen=True, slots=True)
class Quantity:
    """A row of the comparison: what it is, how to read it, and what must agree to compare it."""

    name: str
    unit: str
    better: Direction | None
    read: Callable[[JobFigures], float | None]
    must_agree: tuple[str, ...] = ()


_ENERGY = ("energy_kind", "boundary", "mock")
_CARBON = (*_ENERGY, "signal")

QUANTITIES: Final = (
    Quantity("accuracy", "", Direction.HIGHER, lambda j: j.accuracy, ("dataset",)),
    Quantity("energy", "J", Direction.LOWER, lambda j: j.energy_joules, _ENERGY),
    Quantity("time", "s", Direction.LOWER, lambda j: j.duration_seconds),
    Quantity("cost", "", Direction.LOWER, lambda j: j.cost_amount, ("cost_currency", "cost_kind")),
    Quantity("mean power", "W", None, lambda j: j.mean_power_watts, _ENERGY),
    Quantity("carbon", "gCO2eq", Direction.LOWER, lambda j: j.carbon_grams, _CARBON),
    Quantity(
        "SCI",
        "gCO2eq/unit",
        Direction.LOWER,
        lambda j: j.sci_grams_per_unit,
        (*_CARBON, "functional_unit"),
    ),
    Quantity(
        "SAM",
        "",
        Direction.HIGHER,
        lambda j: None if (sam := j.metric("SAM")) is None else sam.value,
        (*_ENERGY, "dataset"),
    ),
)

WORDS: Final = {
    "energy_kind": "how energy was had",
    "boundary": "components in the boundary",
    "mock": "stand-in GPUs",
    "signal": "kind of intensity",
    "functional_unit": "functional unit",
    "dataset": "data set",
    "cost_currency": "currency",
    "cost_kind": "kind of cost",
    "metric name": "metric and its unit",
}
"""The circumstances that must agree, in words."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """A candidate's figure against the baseline's.

    `percent` is a result object; `verdict` is better, worse, same or `None` where there is no
    difference or no good direction.
    """

    percent: Result
    verdict: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class QuantityRow:
    """One quantity over all jobs: a value per job, a difference per candidate."""

    quantity: Quantity
    values: tuple[float | None, ...]
    differences: tuple[Difference, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """Jobs in the given order, the first being the baseline.

    `accuracy_points` has one entry per candidate. `mismatches` name what differs, in sentences;
    `overridden` says that differences are shown nevertheless.
    """

    jobs: tuple[JobFigures, ...]
    rows: tuple[QuantityRow, ...]
    accuracy_points: tuple[float | None, ...]
    mismatches: tuple[str, ...]
    notes: tuple[str, ...]
    overridden: bool

    def row(self, name: str) -> QuantityRow:
        """Return the row of the quantity called `name`.

        Raises:
            KeyError: there is no such quantity.
        """
        for row in self.rows:
            if row.quantity.name == name:
                return row
        raise KeyError(name)


def percent_difference(name: str, baseline: float | None, candidate: float | None) -> Result:
    """Return (candidate - baseline) / baseline in percent.

    Undefined as `value_missing` where one is not known, `baseline_zero` where the baseline is 0.
    """
    value, reason = None, None
    if baseline is None or candidate is None:
        reason = Undefined.VALUE_MISSING
    elif baseline == 0:
        reason = Undefined.BASELINE_ZERO
    else:
        value = (candidate - baseline) / baseline * 100
    return Result(
        name=f"difference of {name}",
        value=value,
        unit="%",
        reason=reason,
        parameters={"baseline": baseline, "candidate": candidate},
        method="(candidate - baseline) / baseline * 100",
    )


def compare(jobs: Sequence[JobFigures], *, allow_mismatch: bool = False) -> Comparison:
    """Return the comparison of all jobs with the first.

    Raises:
        MetricError: fewer than two jobs.
    """
    if len(jobs) < 2:
        raise MetricError(
            Refusal.OUT_OF_DOMAIN, "jobs", f"{len(jobs)} job given: a comparison needs at least two"
        )
    baseline, candidates = jobs[0], jobs[1:]
    rows = tuple(
        QuantityRow(
            quantity=quantity,
            values=tuple(quantity.read(job) for job in jobs),
            differences=tuple(
                _difference(quantity, baseline, candidate, allow_mismatch)
                for candidate in candidates
            ),
        )
        for quantity in QUANTITIES
    )
    mismatches = [
        _sentence(field, baseline, candidate)
        for candidate in candidates
        for field in dict.fromkeys(
            f for q in QUANTITIES for f in _disagreeing(q, baseline, candidate)
        )
    ]
    return Comparison(
        jobs=tuple(jobs),
        rows=rows,
        accuracy_points=tuple(
            None
            if baseline.accuracy is None or c.accuracy is None
            else (c.accuracy - baseline.accuracy) * 100
            for c in candidates
        ),
        mismatches=tuple(dict.fromkeys(mismatches)),
        notes=_notes(jobs),
        overridden=allow_mismatch and bool(mismatches),
    )


def _difference(
    quantity: Quantity, baseline: JobFigures, candidate: JobFigures, allow_mismatch: bool
) -> Difference:
    percent = percent_difference(quantity.name, quantity.read(baseline), quantity.read(candidate))
    disagreeing = _disagreeing(quantity, baseline, candidate)
    if disagreeing and percent.value is not None:
        # Money of two currencies and SAM of two units have no ratio at all, override or not.
        units_differ = {"cost_currency", "metric name"} & set(disagreeing)
        if units_differ or not allow_mismatch:
            reason = Refusal.UNIT_MISMATCH if units_differ else Undefined.METHOD_MISMATCH
            percent = replace(percent, value=None, reason=reason)
        else:
            percent = replace(percent, warnings=(Caution.METHOD_MISMATCH,))
    return Difference(percent=percent, verdict=_verdict(quantity.better, percent.value))


def _disagreeing(quantity: Quantity, first: JobFigures, second: JobFigures) -> list[str]:
    """Return the names of the circumstances that are known for both jobs and differ."""
    if quantity.read(first) is None or quantity.read(second) is None:
        return []
    pairs = [(name, getattr(first, name), getattr(second, name)) for name in quantity.must_agree]
    if quantity.name == "SAM":
        pairs.append(("metric name", _sam_name(first), _sam_name(second)))
    return [name for name, a, b in pairs if a is not None and b is not None and a != b]


def _verdict(better: Direction | None, percent: float | None) -> str | None:
    if percent is None or better is None:
        return None
    if percent == 0:
        return "same"
    return "better" if (percent < 0) == (better is Direction.LOWER) else "worse"


def _sam_name(job: JobFigures) -> str | None:
    sam = job.metric("SAM")
    return None if sam is None else sam.name


def _sentence(field: str, first: JobFigures, second: JobFigures) -> str:
    if field == "metric name":
        values = (_sam_name(first), _sam_name(second))
    else:
        values = (getattr(first, field), getattr(second, field))
    shown = [", ".join(v) if isinstance(v, tuple) else _yes_no(v) for v in values]
    return f"{WORDS[field]}: {first.name} has {shown[0]}, {second.name} has {shown[1]}"


def _yes_no(value: object) -> str:
    return (
        {True: "yes", False: "no"}.get(value, str(value)) if isinstance(value, bool) else str(value)
    )


def _overlaps(jobs: Sequence[JobFigures]) -> list[str]:
    """Return one sentence per candidate whose range of SCI overlaps that of the baseline.

    Both ranges hold the same unknown errors of meter and source where the jobs ran alike, so an
    overlap does not say that the scores are equal; it says that they may be.
    """
    base = jobs[0]
    found = []
    for job in jobs[1:]:
        if None in (base.sci_low, base.sci_high, job.sci_low, job.sci_high):
            continue
        if (job.sci_low or 0) <= (base.sci_high or 0) and (base.sci_low or 0) <= (
            job.sci_high or 0
        ):
            found.append(
                f"the ranges of the SCI of {base.name} and {job.name} overlap: with independent "
                "errors the difference may be none"
            )
    return found


def _notes(jobs: Sequence[JobFigures]) -> tuple[str, ...]:
    """Return what a reader must know although it forbids nothing."""
    notes = []
    for job in jobs:
        if job.coverage_ratio is not None and job.coverage_ratio < 1:
            notes.append(f"{job.name}: only {job.coverage_ratio:.1%} of the run was measured")
        if job.final is False:
            notes.append(f"{job.name}: the energy is not final")
    notes += _overlaps(jobs)
    zones = {job.zone for job in jobs if job.zone is not None}
    if len(zones) > 1:
        notes.append(f"the jobs ran in different grid zones: {', '.join(sorted(zones))}")
    places = {job.environment for job in jobs if job.environment is not None}
    if len(places) > 1:
        notes.append(f"the jobs ran in different environments: {'; '.join(sorted(places))}")
    return tuple(notes)
