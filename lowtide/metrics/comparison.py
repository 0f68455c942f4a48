"""Two or more jobs side by side: differences in percent, or a refusal that says why.

Every job is compared with the baseline. A difference is given only where both figures were made
the same way (`lowtide.metrics.likeness`); otherwise it is undefined as `method_mismatch`,
`unit_mismatch` or `unit_unknown`, and where the training itself differs the difference names it.
Source: docs/explanation/metrics.md#comparing-jobs.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from math import isfinite
from typing import NamedTuple

from lowtide.metrics.circumstances import circumstances_of, some
from lowtide.metrics.job_figures import JobFigures
from lowtide.metrics.likeness import (
    Effect,
    Likeness,
    Profile,
    compared,
    likeness,
    profile,
)
from lowtide.metrics.properties import Direction
from lowtide.metrics.quantities import ACCURACY, QUANTITIES, Quantity, quantity
from lowtide.metrics.result import Caution, MetricError, Refusal, Result, Undefined
from lowtide.units import format_coverage


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """A candidate's figure against the baseline's.

    `percent` is a result object; `verdict` is better, worse, same, or `None` where there is no
    difference, no good direction, or a circumstance that is not known to be the same.
    """

    percent: Result
    verdict: str | None
    likeness: Likeness = field(default_factory=Likeness)


class Change(NamedTuple):
    """A difference in percent without its result object, for tables of many runs."""

    value: float | None
    reason: Undefined | Refusal | None
    """Why there is no value; `None` where there is one."""
    verdict: str | None
    likeness: Likeness
    overridden: bool = False
    """The value is shown although a circumstance forbids it."""


class Judgement(NamedTuple):
    """What the circumstances of two runs do to one quantity."""

    likeness: Likeness
    obstacle: Undefined | Refusal | None
    """Why there is no difference; `None` where there is one."""
    verdict_stands: bool


@dataclass(frozen=True, slots=True)
class QuantityRow:
    """One quantity over all jobs; differences are computed when they are asked for."""

    quantity: Quantity
    comparison: "Comparison"

    @property
    def values(self) -> tuple[float | None, ...]:
        """The value of each job."""
        return tuple(self.quantity.read(job) for job in self.comparison.jobs)

    @property
    def differences(self) -> tuple[Difference, ...]:
        """The difference of each candidate, in the order of the jobs."""
        return tuple(
            self.comparison.difference(self.quantity, job) for job in self.comparison.candidates
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """Jobs in the given order, each against the baseline."""

    jobs: tuple[JobFigures, ...]
    baseline: JobFigures
    mismatches: tuple[str, ...] = ()
    """What differs and forbids a difference, in sentences."""
    conditions: tuple[str, ...] = ()
    """What differs in the training and is named beside a difference, in sentences."""
    unknown: tuple[str, ...] = ()
    """What is not stated, in sentences."""
    notes: tuple[str, ...] = ()
    allow_mismatch: bool = False
    profiles: Mapping[int, Profile] = field(default_factory=dict, repr=False, compare=False)
    """Circumstances of each job by its identity; with 200,000 jobs they are read once."""
    judged: dict[tuple[str, int], Judgement] = field(
        default_factory=dict, repr=False, compare=False
    )
    """Judgements by quantity and identity of a profile, made when first asked for."""

    @property
    def candidates(self) -> tuple[JobFigures, ...]:
        """All jobs but the baseline."""
        return tuple(job for job in self.jobs if job is not self.baseline)

    @property
    def overridden(self) -> bool:
        """Whether differences are shown although a circumstance forbids them."""
        return self.allow_mismatch and bool(self.mismatches)

    @property
    def rows(self) -> tuple[QuantityRow, ...]:
        """One row per quantity."""
        return tuple(QuantityRow(one, self) for one in QUANTITIES)

    @property
    def accuracy_points(self) -> tuple[float | None, ...]:
        """Difference of the accuracies in percentage points, per candidate."""
        return tuple(self.points(job) for job in self.candidates)

    def points(self, job: JobFigures) -> float | None:
        """Return a job's accuracy less the baseline's, in percentage points."""
        base = self.baseline.accuracy
        if base is None or job.accuracy is None:
            return None
        if self._judgement(ACCURACY, job).obstacle is not None and not self.allow_mismatch:
            return None
        return (job.accuracy - base) * 100

    def likeness(self, of: Quantity, job: JobFigures) -> Likeness:
        """Return how alike a job and the baseline were made, for one quantity."""
        return self._judgement(of, job).likeness

    def _judgement(self, of: Quantity, job: JobFigures) -> Judgement:
        known = self.profiles.get(id(job))
        found = self.judged.get((of.name, id(known)))
        if found is not None and known is not None:
            return found
        base = self.profiles.get(id(self.baseline))
        if known is None or base is None:
            return _judged(likeness(self.baseline, job, of.touched_by))
        found = self.judged[of.name, id(known)] = _judged(compared(base, known, of.touched_by))
        return found

    def row(self, name: str) -> QuantityRow:
        """Return the row of the quantity called `name`.

        Raises:
            KeyError: there is no such quantity.
        """
        return QuantityRow(quantity(name), self)

    def change(self, of: Quantity, job: JobFigures) -> Change:
        """Return a job's change from the baseline in one quantity."""
        value, reason = _percent(of.read(self.baseline), of.read(job))
        if reason is Undefined.VALUE_MISSING:
            return Change(None, reason, None, Likeness())
        alike, obstacle, stands = self._judgement(of, job)
        overridden = self.allow_mismatch and obstacle is Undefined.METHOD_MISMATCH
        if obstacle is not None and not overridden and value is not None:
            return Change(None, obstacle, None, alike)
        verdict = _verdict(of.better, value) if stands or overridden else None
        return Change(value, reason, verdict, alike, overridden and value is not None)

    def difference(self, of: Quantity, job: JobFigures) -> Difference:
        """Return a job's difference from the baseline in one quantity, as a result object."""
        change = self.change(of, job)
        percent = percent_difference(of.name, of.read(self.baseline), of.read(job))
        if change.value is None and percent.value is not None:
            percent = replace(percent, value=None, reason=change.reason)
        elif change.overridden:
            percent = replace(percent, warnings=(Caution.METHOD_MISMATCH,))
        return Difference(percent=percent, verdict=change.verdict, likeness=change.likeness)


def percent_difference(name: str, baseline: float | None, candidate: float | None) -> Result:
    """Return (candidate - baseline) / baseline in percent.

    Undefined as `value_missing` where one is unknown, `baseline_zero` where the baseline is 0 or
    too small to divide by.
    """
    value, reason = _percent(baseline, candidate)
    return Result(
        name=f"difference of {name}",
        value=value,
        unit="%",
        reason=reason,
        parameters={"baseline": baseline, "candidate": candidate},
        method="(candidate - baseline) / baseline * 100",
    )


def _percent(
    baseline: float | None, candidate: float | None
) -> tuple[float | None, Undefined | None]:
    if baseline is None or candidate is None:
        return None, Undefined.VALUE_MISSING
    if baseline == 0:
        return None, Undefined.BASELINE_ZERO
    # Of large numbers the difference loses nothing by division first, and cannot overflow.
    ratio = (
        candidate / baseline - 1 if abs(candidate) > 1e300 else (candidate - baseline) / baseline
    )
    percent = ratio * 100
    return (percent, None) if isfinite(percent) else (None, Undefined.BASELINE_ZERO)


def compare(
    jobs: Sequence[JobFigures], *, baseline: str | None = None, allow_mismatch: bool = False
) -> Comparison:
    """Return the comparison of all jobs with the first, or with the one called `baseline`.

    One job alone is shown as it is.

    Raises:
        MetricError: no job, no job or several of the baseline's name, or no quantity at all.
    """
    if not jobs:
        raise MetricError(
            Refusal.OUT_OF_DOMAIN, "jobs", "no job given: there is nothing to compare"
        )
    if not any(one.read(job) is not None for job in jobs for one in QUANTITIES):
        named = some(job.name for job in jobs)
        raise MetricError(
            Refusal.OUT_OF_DOMAIN,
            "jobs",
            f"nothing to compare: {named} hold no figure that runs are compared by",
        )
    base = jobs[0] if baseline is None else _named(jobs, baseline)
    shared: dict[Profile, Profile] = {}
    profiles = {id(job): shared.setdefault(p, p) for job in jobs for p in [profile(job)]}
    sentences = circumstances_of(base, [job for job in jobs if job is not base], profiles)
    return Comparison(
        jobs=tuple(jobs),
        baseline=base,
        mismatches=sentences.mismatches,
        conditions=sentences.conditions,
        unknown=sentences.unknown,
        notes=_notes(base, jobs),
        allow_mismatch=allow_mismatch,
        profiles=profiles,
    )


def _named(jobs: Sequence[JobFigures], name: str) -> JobFigures:
    found = [job for job in jobs if job.name == name] or [j for j in jobs if j.model == name]
    if len(found) != 1:
        count = f"{len(found)} jobs are" if found else "no job is"
        raise MetricError(
            Refusal.OUT_OF_DOMAIN,
            "baseline",
            f"{count} called {name!r}: use one of {some(dict.fromkeys(j.name for j in jobs))}",
        )
    return found[0]


def _obstacle(alike: Likeness) -> Undefined | Refusal | None:
    if alike.having(Effect.NO_RATIO):
        return Refusal.UNIT_MISMATCH
    if alike.unit_unknown:
        return Undefined.UNIT_UNKNOWN
    return Undefined.METHOD_MISMATCH if alike.having(Effect.REFUSED) else None


def _judged(alike: Likeness) -> Judgement:
    return Judgement(alike, _obstacle(alike), alike.verdict_stands)


def _verdict(better: Direction | None, percent: float | None) -> str | None:
    if percent is None or better is None:
        return None
    if percent == 0:
        return "same"
    return "better" if (percent < 0) == (better is Direction.LOWER) else "worse"


def _notes(base: JobFigures, jobs: Sequence[JobFigures]) -> tuple[str, ...]:
    """Return what a reader must know although it forbids nothing."""
    told: dict[str, list[str]] = {}
    for job in jobs:
        if job.coverage_ratio is not None and job.coverage_ratio < 1:
            shown = format_coverage(job.coverage_ratio)
            told.setdefault(f"only {shown} of the run was measured", []).append(job.name)
        if job.final is False:
            told.setdefault("the energy is not final", []).append(job.name)
    notes = [f"{some(names)}: {sentence}" for sentence, names in told.items()]
    overlapping = [job.name for job in jobs if job is not base and _overlaps(base, job)]
    if overlapping:
        # Both ranges hold the same unknown errors of meter and source where the jobs ran alike.
        notes.append(
            f"the ranges of the SCI of {base.name} and {some(overlapping)} overlap: with "
            "independent errors the difference may be none"
        )
    zones = {job.zone for job in jobs if job.zone is not None}
    if len(zones) > 1:
        notes.append(f"the jobs ran in different grid zones: {some(sorted(zones))}")
    return tuple(notes)


def _overlaps(first: JobFigures, second: JobFigures) -> bool:
    ends = (first.sci_low, first.sci_high, second.sci_low, second.sci_high)
    if None in ends:
        return False
    low, high, other_low, other_high = (end or 0.0 for end in ends)
    return other_low <= high and low <= other_high
