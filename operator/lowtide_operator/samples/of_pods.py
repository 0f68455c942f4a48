"""Raw samples of the pods of one job, fetched from the store.

Pods are asked for by name, so those that came and went while the operator was down are found too;
a pod that was seen is also asked for by its uid. Nothing is computed here.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from lowtide import names
from lowtide.energy.samples import Series
from lowtide.trainingjob.status import Attempt
from lowtide_operator.samples.source import Samples, selector_of_job_pods, selector_of_pods

POD_METRICS: Final = (
    names.METRIC_POD_ENERGY,
    names.METRIC_POD_SEGMENT_START,
    names.METRIC_POD_END,
    names.METRIC_POD_GPU_HELD_SECONDS,
    names.METRIC_POD_GPU_SHARE,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class PodSamples:
    """Raw series of a job's pods, by metric."""

    energy: tuple[Series, ...] = ()
    """Joules of every counter since its segment began."""
    segment_start: tuple[Series, ...] = ()
    """Unix time at which the counters' segment began."""
    end_marker: tuple[Series, ...] = ()
    """Unix time at which the counters became final."""
    held: tuple[Series, ...] = ()
    """GPU-seconds held, by GPU model."""
    share: tuple[Series, ...] = ()
    """Share of each GPU that the pod held."""
    gpus: tuple[Series, ...] = ()
    """Description of these GPUs, by their uuid."""

    @property
    def pod_uids(self) -> frozenset[str]:
        """Uids of the pods that have an energy series."""
        return frozenset(series.pod_uid for series in self.energy if series.pod_uid)


async def ended_pods(
    source: Samples, namespace: str, attempts: Iterable[Attempt], start: datetime, end: datetime
) -> frozenset[str]:
    """Return the uids of the job's pods whose end marker is stored.

    Raises:
        SamplesUnavailableError: there is no usable answer.
    """
    found = await _of_pods(source, names.METRIC_POD_END, namespace, tuple(attempts), start, end)
    return frozenset(series.pod_uid for series in found)


async def read_pods(
    source: Samples, namespace: str, attempts: Iterable[Attempt], start: datetime, end: datetime
) -> PodSamples:
    """Return all raw series of a job's pods that were stored between `start` and `end`.

    Raises:
        SamplesUnavailableError: there is no usable answer.
    """
    known = tuple(attempts)
    energy, starts, ends, held, share = [
        await _of_pods(source, metric, namespace, known, start, end) for metric in POD_METRICS
    ]
    gpus: tuple[Series, ...] = ()
    uuids = {series.labels["uuid"] for series in share if series.labels.get("uuid")}
    if uuids:
        wanted = selector_of_pods(names.METRIC_GPU_INFO, uuids, label="uuid")
        gpus = await source.samples(wanted, start, end)
    return PodSamples(
        energy=energy, segment_start=starts, end_marker=ends, held=held, share=share, gpus=gpus
    )


async def _of_pods(
    source: Samples,
    metric: str,
    namespace: str,
    attempts: tuple[Attempt, ...],
    start: datetime,
    end: datetime,
) -> tuple[Series, ...]:
    jobs = {attempt.name for attempt in attempts}
    if not jobs:
        return ()
    found = await source.samples(selector_of_job_pods(metric, namespace, jobs), start, end)
    seen = {series.pod_uid for series in found}
    missing = {pod.uid for attempt in attempts for pod in attempt.pods} - seen
    if missing:
        found += await source.samples(selector_of_pods(metric, missing), start, end)
    return found
