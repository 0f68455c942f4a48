"""Groups of runs side by side: means with their spread, each group against the baseline group.

Groups compare where all their runs were made alike (`lowtide.metrics.likeness`); a run without a
figure is left out of that figure's mean, and that is said.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from lowtide.metrics.circumstances import circumstances_of, some
from lowtide.metrics.groups import (
    MeanDifference,
    Sample,
    difference_of_means,
    grouped,
    ratio_of_means,
    sample_of,
)
from lowtide.metrics.job_figures import JobFigures
from lowtide.metrics.likeness import Circumstance, Effect, compared, profile
from lowtide.metrics.quantities import QUANTITIES, Quantity
from lowtide.metrics.result import MetricError, Refusal

GROUPINGS: Final[Mapping[str, Callable[[JobFigures], str | None]]] = {
    "model": lambda job: job.model,
    "dataset": lambda job: job.dataset,
    "environment": lambda job: job.environment,
    "zone": lambda job: job.zone,
    "epochs": lambda job: None if job.epochs is None else f"{job.epochs:g}",
}
"""Fields that runs may be grouped by."""


@dataclass(frozen=True, slots=True)
class RunGroup:
    """Runs that share the value of a field."""

    name: str
    jobs: tuple[JobFigures, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupFigure:
    """A quantity of a group, and its difference from the baseline group."""

    sample: Sample | None
    """`None` where no run of the group has the figure."""
    difference: MeanDifference | None = None
    """In percent, for the accuracy in points; `None` for the baseline or where refused."""
    refused: tuple[Circumstance, ...] = ()
    """Circumstances that forbid the difference."""
    named: tuple[Circumstance, ...] = ()
    """Circumstances that differ, or are known for some runs only, beside a difference."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupComparison:
    """Groups in the order of their first run, each against the baseline group."""

    groups: tuple[RunGroup, ...]
    baseline: RunGroup
    grouping: str
    mismatches: tuple[str, ...] = ()
    conditions: tuple[str, ...] = ()
    unknown: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    allow_mismatch: bool = field(default=False)

    def figure(self, of: Quantity, group: RunGroup) -> GroupFigure:
        """Return a quantity of a group with its difference from the baseline group."""
        sample = _sample(of, group)
        base = _sample(of, self.baseline)
        if group is self.baseline or sample is None or base is None:
            return GroupFigure(sample=sample)
        profiles = dict.fromkeys(
            profile(job) for job in (*self.baseline.jobs, *group.jobs) if of.read(job) is not None
        )
        first, *rest = profiles
        # With one profile, what is unknown for it is unknown for all.
        found = [compared(first, other, of.touched_by) for other in rest or [first]]
        different = _distinct(c for alike in found for c in alike.different)
        no_unit = _distinct(c for alike in found for c in alike.unit_unknown)
        refused = (*(c for c in different if c.effect is not Effect.NAMED), *no_unit)
        forbidden = [c for c in refused if c.effect is Effect.NO_RATIO or not self.allow_mismatch]
        if forbidden:
            return GroupFigure(sample=sample, refused=tuple(forbidden))
        half = _distinct(c for alike in found for c in alike.half_known)
        named = (*(c for c in different if c.effect is Effect.NAMED), *half)
        if of.name == "accuracy":
            points = difference_of_means(_percent(base), _percent(sample))
            return GroupFigure(sample=sample, difference=points, named=named)
        return GroupFigure(sample=sample, difference=ratio_of_means(base, sample), named=named)


def compare_groups(
    jobs: Sequence[JobFigures],
    grouping: str,
    *,
    baseline: str | None = None,
    allow_mismatch: bool = False,
) -> GroupComparison:
    """Return the comparison of groups with the group of the first run, or the one called so.

    Raises:
        MetricError: fewer than two groups, or no group of the baseline's name.
    """
    found = grouped(jobs, GROUPINGS[grouping])
    groups = tuple(RunGroup(name, tuple(members)) for name, members in found.items())
    if len(groups) < 2:
        held = f"all {len(jobs)} runs have {grouping} {groups[0].name!r}" if groups else "no runs"
        raise MetricError(
            Refusal.OUT_OF_DOMAIN, grouping, f"{held}: a comparison needs at least two groups"
        )
    base = groups[0]
    if baseline is not None:
        named = [g for g in groups if g.name == baseline]
        named += [g for g in groups if any(job.name == baseline for job in g.jobs)]
        if not named:
            raise MetricError(
                Refusal.OUT_OF_DOMAIN,
                "baseline",
                f"no group is called {baseline!r}: use one of {some(g.name for g in groups)}",
            )
        base = named[0]
    first, others = base.jobs[0], [job for job in jobs if job is not base.jobs[0]]
    said = circumstances_of(first, others)
    return GroupComparison(
        groups=groups,
        baseline=base,
        grouping=grouping,
        mismatches=said.mismatches,
        conditions=said.conditions,
        unknown=said.unknown,
        notes=_notes(groups),
        allow_mismatch=allow_mismatch,
    )


def _sample(of: Quantity, group: RunGroup) -> Sample | None:
    values = [value for job in group.jobs if (value := of.read(job)) is not None]
    return sample_of(values) if values else None


def _percent(sample: Sample) -> Sample:
    spread = None if sample.deviation is None else sample.deviation * 100
    return Sample(sample.count, sample.mean * 100, spread)


def _distinct(circumstances: Iterable[Circumstance]) -> tuple[Circumstance, ...]:
    return tuple({c.key: c for c in circumstances}.values())


def _notes(groups: Sequence[RunGroup]) -> tuple[str, ...]:
    notes = []
    for group in groups:
        for one in QUANTITIES:
            known = sum(one.read(job) is not None for job in group.jobs)
            if 0 < known < len(group.jobs):
                notes.append(
                    f"{group.name}: {one.name} is the mean of {known} of {len(group.jobs)} runs"
                )
    alone = [group.name for group in groups if len(group.jobs) == 1]
    if alone:
        notes.append(f"{some(alone)}: one run has no spread, so there is no range")
    return tuple(notes)
