"""What Prometheus stored about pods, their owners and the grid, for reports of the past.

Counters are read every `step`, the last value of each: a pod's final value stays for minutes after
its end, so no pod is missed. Pieces follow one another in time, so that an answer stays bounded.
Names reach a query only as escaped literals.
"""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Final

from lowtide import names
from lowtide.accounts.samples import PodSamples
from lowtide.accounts.usage import TRAINING_JOB, Usage, UsageReading, WorkloadKey
from lowtide.cli.prometheus import SERIES, PrometheusApi, PrometheusApiError, Samples
from lowtide.energy.profile import Span
from lowtide.energy.samples import Series, StoredSample
from lowtide.grid.series import Factor, IntensitySeries, Point
from lowtide.grid.timed import SeriesError
from lowtide.prices.series import PricePoint, PriceSeries

STEPS: Final = (60, 300, 900, 1800, 3600)
"""Distances of samples in seconds: they divide an hour, and the slots of grid data fit them."""
MOST_STEPS: Final = 700
"""Samples of a series in the time asked for; a longer time has a longer step."""
PIECE_STEPS: Final = 72
"""Samples of a counter in one answer."""
MOST_POINTS: Final = 10_000
"""Points of a series in one answer; Prometheus refuses more than 11,000."""
OWNER_PIECE: Final = timedelta(days=1)
RECORDED: Final = "recorded by the operator"


@dataclass(frozen=True, slots=True, kw_only=True)
class PodChoice:
    """Which pods of which time are read."""

    window: Span
    """The time; both ends are multiples of the step."""
    step_seconds: int
    """Distance of two samples."""
    namespace: str | None = None
    """Only this namespace."""
    pods: tuple[str, ...] | None = None
    """Only pods with these uids."""

    def selector(self, metric: str) -> str:
        """Return the selector of a metric's series."""
        matchers = []
        if self.namespace is not None:
            matchers.append(f"namespace={json.dumps(self.namespace)}")
        if self.pods is not None:
            pattern = "|".join(re.escape(uid) for uid in self.pods)
            matchers.append(f"pod_uid=~{json.dumps(pattern)}")
        return f"{metric}{{{','.join(matchers)}}}"


def choice_of(
    start: datetime, end: datetime, namespace: str | None = None, *, finest: bool = False
) -> PodChoice:
    """Return the choice of a time, cut to whole steps; `finest` is a minute if that is possible."""
    length = (end - start).total_seconds()
    allowed = [step for step in STEPS if length / step <= MOST_STEPS * (4 if finest else 1)]
    step = allowed[0] if allowed else STEPS[-1]
    first, last = (floor_of(moment, step) for moment in (start, end))
    if last <= first:
        first = last - timedelta(seconds=step)
    return PodChoice(window=Span(first, last), step_seconds=step, namespace=namespace)


def floor_of(moment: datetime, step: int) -> datetime:
    """Return the last whole step before a time."""
    return datetime.fromtimestamp(moment.timestamp() // step * step, UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class Stored:
    """Pods of a time, as Prometheus knows them."""

    usages: tuple[Usage, ...]
    """Each pod alone."""
    owners: "PodOwners"
    """Their owners."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PodOwners:
    """Owners of pods, as the exporter said, by the pods' uids."""

    workloads: Mapping[str, WorkloadKey]
    """Workload of each pod, where it is known."""
    scheduled: frozenset[str]
    """Pods that a TrainingJob stands behind."""
    pods: Mapping[str, str]
    """Name of each pod."""
    zones: Mapping[str, str]
    """Zone of each workload that a TrainingJob schedules: by the workload's uid, or by the name of
    a TrainingJob with its own template."""

    def zone_of(self, workload: WorkloadKey) -> str | None:
        """Return the zone in which a TrainingJob accounts for a workload; `None` for others."""
        of_job = self.zones.get(workload.name) if workload.kind == TRAINING_JOB else None
        return of_job or self.zones.get(workload.uid)


def read_usage(
    prometheus: PrometheusApi, choice: PodChoice, owners: PodOwners | None = None
) -> Stored:
    """Return what pods used; `owners` spares the question for them.

    Raises:
        PrometheusApiError: no answer in time, or an error.
    """
    known = owners or read_owners(prometheus, choice)
    markers = _last(prometheus, choice, names.METRIC_POD_END)
    reading = UsageReading(
        known.workloads, sample_seconds=float(choice.step_seconds), end_times=markers
    )
    piece = timedelta(seconds=PIECE_STEPS * choice.step_seconds)
    for start, end in pieces(choice.window.start, choice.window.end, piece, choice.step_seconds):
        reading.take(_samples(prometheus, choice, start, end))
    return Stored(usages=reading.usage(choice.window), owners=known)


def read_owners(prometheus: PrometheusApi, choice: PodChoice) -> PodOwners:
    """Return the top owner of each pod, and whether a TrainingJob stands behind it.

    Raises:
        PrometheusApiError: no answer in time, or an error.
    """
    workloads: dict[str, WorkloadKey] = {}
    scheduled: set[str] = set()
    targets = _targets(prometheus, choice)
    zones = {uid: zone for uid, zone in targets.items() if zone}
    pods: dict[str, str] = {}
    labels = "namespace, pod, pod_uid, owner_kind, owner_name, owner_uid, trainingjob_uid"
    for seconds, at in _days(choice):
        stored = f"last_over_time({choice.selector(names.METRIC_POD_OWNER)}[{seconds}s])"
        for found, _ in prometheus.vector(f"group by ({labels}) ({stored})", at=at):
            uid = found.get("pod_uid", "")
            pods[uid] = found.get("pod", "")
            if found.get("trainingjob_uid") or found.get("owner_uid") in targets:
                scheduled.add(uid)
            if uid and found.get("owner_kind"):
                workloads[uid] = WorkloadKey(
                    found.get("namespace", ""),
                    found["owner_kind"],
                    found.get("owner_name", ""),
                    found.get("owner_uid", ""),
                )
    zones |= _zones_of_jobs(prometheus, choice)
    return PodOwners(workloads=workloads, scheduled=frozenset(scheduled), pods=pods, zones=zones)


def _targets(prometheus: PrometheusApi, choice: PodChoice) -> dict[str, str]:
    """Return uids of workloads that others wrote and a TrainingJob names, with their zones.

    Not of one namespace only: where Prometheus puts the operator's own into `namespace`, that of
    the job has another label. The zone is empty where the job does not say one yet.
    """
    targets: dict[str, str] = {}
    stored = f'{names.METRIC_JOB_INFO}{{target_uid!=""}}'
    for seconds, at in _days(choice):
        query = f"group by (target_uid, zone) (last_over_time({stored}[{seconds}s]))"
        for found, _ in prometheus.vector(query, at=at):
            uid, zone = found.get("target_uid", ""), found.get("zone", "")
            targets[uid] = zone or targets.get(uid, "")
    return targets


def _zones_of_jobs(prometheus: PrometheusApi, choice: PodChoice) -> dict[str, str]:
    """Return the zones of TrainingJobs of the namespace by their names."""
    if choice.namespace is None:
        return {}
    zones: dict[str, str] = {}
    for seconds, at in _days(choice):
        stored = " or ".join(
            f"last_over_time({names.METRIC_JOB_INFO}"
            f'{{{label}={json.dumps(choice.namespace)}, zone!=""}}[{seconds}s])'
            for label in ("exported_namespace", "namespace")
        )
        for found, _ in prometheus.vector(f"group by (trainingjob, zone) ({stored})", at=at):
            zones[found.get("trainingjob", "")] = found.get("zone", "")
    return zones


def unowned_joules(prometheus: PrometheusApi, window: Span) -> dict[str, float]:
    """Return the energy of the nodes that belongs to no pod, by component; extrapolated.

    Raises:
        PrometheusApiError: no answer in time, or an error.
    """
    seconds = int(window.duration_seconds)
    query = f"sum by (component) (increase({names.METRIC_UNALLOCATED_ENERGY}[{seconds}s]))"
    found = prometheus.vector(query, at=window.end.timestamp())
    return {labels.get("component", ""): value for labels, value in found}


def _last(prometheus: PrometheusApi, choice: PodChoice, metric: str) -> dict[str, float]:
    """Return the last value of a gauge of each pod, by uid."""
    last: dict[str, float] = {}
    for seconds, at in _days(choice):
        query = f"max by (pod_uid) (last_over_time({choice.selector(metric)}[{seconds}s]))"
        for labels, value in prometheus.vector(query, at=at):
            last[labels.get("pod_uid", "")] = value
    return last


def _days(choice: PodChoice) -> Iterator[tuple[int, float]]:
    """Yield length in seconds and end in Unix seconds of the days that gauges are asked for in."""
    window, step = choice.window, choice.step_seconds
    for start, end in pieces(window.start, window.end, OWNER_PIECE, step):
        yield int((end - start).total_seconds()) + step, end.timestamp()


def _samples(
    prometheus: PrometheusApi, choice: PodChoice, start: datetime, end: datetime
) -> PodSamples:
    def read(metric: str) -> tuple[Series, ...]:
        stored = f"last_over_time({choice.selector(metric)}[{choice.step_seconds}s])"
        found = prometheus.matrix(
            stored,
            start=start.timestamp(),
            end=end.timestamp(),
            step_seconds=choice.step_seconds,
        )
        return tuple(_series(labels, samples) for labels, samples in found if _honest(labels))

    return PodSamples(
        energy=read(names.METRIC_POD_ENERGY),
        segment_start=read(names.METRIC_POD_SEGMENT_START),
        end_marker=read(names.METRIC_POD_END),
        held=read(names.METRIC_POD_GPU_HELD_SECONDS),
    )


def _series(labels: Mapping[str, str], samples: list[tuple[float, float]]) -> Series:
    return Series(labels, tuple(StoredSample(at, value) for at, value in samples))


def _honest(labels: Mapping[str, str]) -> bool:
    """Return whether the labels are the exporter's own words, and not those of its target."""
    return not any(name.startswith("exported_") for name in labels)


def pieces(
    start: datetime, end: datetime, length: timedelta, step_seconds: int
) -> Iterator[tuple[datetime, datetime]]:
    """Yield the ends of pieces whose samples, both ends included, are each of the time once."""
    first = start
    while first <= end:
        last = min(first + length, end)
        yield first, last
        first = last + timedelta(seconds=step_seconds)


def read_zone(prometheus: PrometheusApi, window: Span) -> str:
    """Return the zone of jobs that name none, else the only one that has an intensity.

    Raises:
        PrometheusApiError: no answer in time, an error, no zone, or several.
    """
    seconds = int(window.duration_seconds)
    default = f"group by (zone) (last_over_time({names.METRIC_DEFAULT_ZONE}[{seconds}s]))"
    known = f"group by (zone) (last_over_time({names.METRIC_INTENSITY}[{seconds}s]))"
    for query in (default, known):
        found = prometheus.vector(query, at=window.end.timestamp())
        zones = sorted({labels.get("zone", "") for labels, _ in found})
        if len(zones) == 1:
            return zones[0]
        if zones:
            raise PrometheusApiError(f"intensity is known of {', '.join(zones)}: give --zone")
    raise PrometheusApiError("no intensity was stored in this time, so grams are not known")


def read_intensity(
    prometheus: PrometheusApi, zone: str, window: Span, step_seconds: int
) -> IntensitySeries | None:
    """Return the intensity that the operator recorded, mean of each step; `None` without any.

    Where signal or factor changed, the series that covers more of the time is returned.

    Raises:
        PrometheusApiError: no answer in time, or an error.
    """
    stored = f"{names.METRIC_INTENSITY}{{zone={json.dumps(zone)}}}"
    found: list[IntensitySeries] = []
    for labels, samples in _means(prometheus, stored, "signal, factor", window, step_seconds):
        kind = SERIES.get(labels.get("signal", ""))
        if kind is None:
            continue
        points = tuple(Point(*_slot(at, step_seconds), value) for at, value in samples)
        try:
            series = kind(zone=zone, source=RECORDED, points=points)
        except SeriesError as error:
            raise PrometheusApiError(f"the recorded intensity cannot be used: {error}") from error
        factor = labels.get("factor", "")
        known = Factor(factor) if factor in list(Factor) else Factor.UNKNOWN
        found.append(replace(series, factor=known))
    return max(found, key=lambda series: (len(series.points), series.factor), default=None)


def read_prices(
    prometheus: PrometheusApi, zone: str, window: Span, step_seconds: int
) -> PriceSeries | None:
    """Return the prices that the operator recorded, mean of each step; `None` without any.

    Raises:
        PrometheusApiError: no answer in time, or an error.
    """
    stored = f"{names.METRIC_PRICE}{{zone={json.dumps(zone)}}}"
    found: list[PriceSeries] = []
    for labels, samples in _means(prometheus, stored, "currency", window, step_seconds):
        points = tuple(PricePoint(*_slot(at, step_seconds), value) for at, value in samples)
        try:
            currency = labels.get("currency", "")
            found.append(PriceSeries(zone=zone, source=RECORDED, points=points, currency=currency))
        except SeriesError as error:
            raise PrometheusApiError(f"the recorded prices cannot be used: {error}") from error
    return max(found, key=lambda series: (len(series.points), series.currency), default=None)


def _means(
    prometheus: PrometheusApi, stored: str, labels: str, window: Span, step_seconds: int
) -> list[Samples]:
    # A second less, because Prometheus before 3.0 counts a sample at the start of a range too.
    query = f"max by ({labels}) (avg_over_time({stored}[{step_seconds - 1}s]))"
    first, length = window.start + timedelta(seconds=step_seconds), MOST_POINTS * step_seconds
    found: dict[tuple[tuple[str, str], ...], list[tuple[float, float]]] = {}
    for start, end in pieces(first, window.end, timedelta(seconds=length), step_seconds):
        answer = prometheus.matrix(
            query, start=start.timestamp(), end=end.timestamp(), step_seconds=step_seconds
        )
        for named, samples in answer:
            found.setdefault(tuple(sorted(named.items())), []).extend(samples)
    return [(dict(named), samples) for named, samples in found.items()]


def _slot(at: float, step_seconds: int) -> tuple[datetime, datetime]:
    """Return the slot whose mean was taken at its end."""
    end = datetime.fromtimestamp(at, UTC)
    return end - timedelta(seconds=step_seconds), end
