"""The energy of a job: the sum over all its pods, failed and preempted attempts included.

A pod without a single sample is named, never counted as 0 J, and nothing is scaled up for it.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import fsum

from lowtide.energy.integration import EnergyPart, EnergyWarning, PodEnergy, SamplesError
from lowtide.energy.profile import EnergyProfile, merge_profiles


@dataclass(frozen=True, slots=True, kw_only=True)
class JobEnergy:
    """Energy of all pods of a job, attempts included."""

    total_joules: float | None
    """Sum over the pods that have series; `None` if none has."""
    parts: tuple[EnergyPart, ...]
    """Sums per component, part, attribution method and quality."""
    profile: EnergyProfile
    """Energy in time."""
    pods: tuple[PodEnergy, ...]
    """The pods that have series."""
    pods_without_series: tuple[str, ...]
    """Uids of the pods that have none."""
    final: bool
    """Whether the end marker of every pod was seen."""
    energy_coverage_ratio: float
    """Share of the runs inside segments, weighted by the pods' run times."""
    time_coverage_ratio: float
    """Share of the runs with samples close enough together, weighted likewise."""
    warnings: tuple[EnergyWarning, ...]
    """What is doubtful about the sums."""

    @property
    def joules_by_component(self) -> Mapping[str, float]:
        """Joules per component; what was not measured is absent."""
        return _sum_by(self.parts, "component")


def job_energy(pods: Sequence[PodEnergy], profile: EnergyProfile | None = None) -> JobEnergy:
    """Return the sum over all pods of a job, failed and preempted attempts included.

    `profile` is the energy of all of them in time; without it, it is put together from theirs.

    Raises:
        SamplesError: the same pod is given twice.
    """
    uids = [pod.pod_uid for pod in pods]
    if len(set(uids)) != len(uids):
        raise SamplesError("a pod was given twice: each pod counts once")
    sums: dict[tuple[str, str, str, str], list[float]] = defaultdict(list)
    for pod in pods:
        for part in pod.parts:
            key = (part.component, part.part, part.method, part.quality)
            sums[key].append(part.energy_joules)
    known = [pod.total_joules for pod in pods if pod.total_joules is not None]
    run_seconds = fsum(pod.run.duration_seconds for pod in pods)
    return JobEnergy(
        total_joules=fsum(known) if known else None,
        parts=tuple(
            EnergyPart(component=c, part=p, method=m, quality=q, energy_joules=fsum(all_))
            for (c, p, m, q), all_ in sorted(sums.items())
        ),
        profile=merge_profiles(pod.profile for pod in pods) if profile is None else profile,
        pods=tuple(pods),
        pods_without_series=tuple(pod.pod_uid for pod in pods if pod.total_joules is None),
        final=bool(pods) and all(pod.final for pod in pods),
        energy_coverage_ratio=_weighted(
            [(p.energy_coverage_ratio, p.run.duration_seconds) for p in pods], run_seconds
        ),
        time_coverage_ratio=_weighted(
            [(p.time_coverage_ratio, p.run.duration_seconds) for p in pods], run_seconds
        ),
        warnings=tuple(dict.fromkeys(w for pod in pods for w in pod.warnings)),
    )


def _sum_by(parts: Iterable[EnergyPart], field: str) -> dict[str, float]:
    sums: dict[str, list[float]] = defaultdict(list)
    for part in parts:
        sums[getattr(part, field)].append(part.energy_joules)
    return {name: fsum(all_) for name, all_ in sums.items()}


def _weighted(values: Sequence[tuple[float, float]], total: float) -> float:
    return fsum(value * weight for value, weight in values) / total if total > 0 else 0.0
